/** What people do on the page, in order: each step begins where the one before it ended. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Page } from 'playwright-core'
import { assertNamed, assertNoSidewaysScrolling } from './accessible.ts'
import {
  answers,
  asked,
  attached,
  begunStory,
  CLIP,
  FILMS,
  finished,
  give,
  openConversation,
  openSettings,
  PHOTO,
  setNumber,
  TALL,
  WIDE,
  type Step,
  type StepTools,
} from './parts.ts'
import { brokenPicture } from './broken-steps.ts'
import { editByKeys, replaceAsked } from './focus-steps.ts'
import { dropLink, pasteAnywhere, pasteIntoEdited } from './paste-steps.ts'
import { jsonAnswer, nameChoices, nameFields, removeField } from './schema-steps.ts'
import { KEY } from './server.ts'
import { addInTwoTabs, addUnheard, deleteInAnother, deleteUnheard } from './tab-steps.ts'
import { touch } from './touch-steps.ts'
import { turnedPicture } from './turned-steps.ts'

export const STEPS: readonly Step[] = [
  { name: 'the page asks for a key, refuses a wrong one, and takes the right one', run: giveKey },
  { name: 'a photo is uploaded, and how it is cut and what it costs is shown', run: uploadPhoto },
  { name: 'a question is answered word by word, and as every other client is', run: ask },
  { name: 'an answer is stopped, and what there was stays', run: stop },
  { name: 'an answer is asked for again, and a question is edited', run: retryAndEdit },
  { name: 'two pictures, one dropped and one pasted, are asked about together', run: twoPictures },
  { name: 'a clip is asked about', run: clip },
  { name: 'films are asked about, or what the server lacks for them is told', run: films },
  { name: 'an answer keeps to a schema made of fields', run: jsonAnswer },
  { name: 'an answer that attacks the page loads, runs and fetches nothing', run: attack },
  { name: 'after a reload the history is there, pictures included', run: findHistory },
  { name: 'a conversation is saved as a file and deleted', run: saveAndDelete },
  { name: 'an answer that is under way at a reload keeps its words', run: reloadInAnswer },
  { name: 'a conversation deleted while it is answered does not come back', run: deleteRunning },
  { name: 'what two tabs add to a conversation is in both, and all is kept', run: addInTwoTabs },
  { name: 'nothing of two tabs is lost where neither hears the other', run: addUnheard },
  { name: 'what one tab deletes ends in another, also while it is answered', run: deleteInAnother },
  {
    name: 'a deleted conversation does not come back from a tab that heard nothing',
    run: deleteUnheard,
  },
  { name: 'a field of a schema that is removed takes its choices along', run: removeField },
  { name: 'fields are called what is typed, and faulty ones are not sent', run: nameFields },
  { name: 'choices are what is typed', run: nameChoices },
  { name: 'asking again for an early answer says what it takes away', run: replaceAsked },
  { name: 'the focus stays where something was done', run: editByKeys },
  { name: 'pictures are pasted anywhere, and text beside them is not lost', run: pasteAnywhere },
  { name: 'a question that is edited takes pictures', run: pasteIntoEdited },
  { name: 'a link that is dropped leads nowhere', run: dropLink },
  { name: 'a picture that cannot be read takes nothing from others', run: brokenPicture },
  { name: 'a picture that the model sees unturned says so', run: turnedPicture },
  { name: 'everything on it has a name for those who do not see it', run: named },
  { name: 'it is dark where the system is', run: dark },
  { name: 'it fits a phone', run: phone },
  { name: 'fingers write lines, and many pictures leave room', run: touch },
]

async function giveKey({ page, shoot }: StepTools): Promise<void> {
  const dialog = page.getByRole('dialog', { name: 'A key, please' })
  await dialog.waitFor()
  await shoot('key')
  await dialog.getByLabel('Key').fill('a-wrong-key-0123456789')
  await dialog.getByRole('button', { name: 'Use it' }).click()
  await dialog.getByText('That key is none of this server.').waitFor()
  await dialog.getByLabel('Key').fill(KEY)
  await page.keyboard.press('Enter')
  await dialog.waitFor({ state: 'detached' })
  assert.equal(await page.evaluate(() => sessionStorage.getItem('llava.key')), KEY)
  await shoot('begin')
}

async function uploadPhoto({ page, shoot }: StepTools): Promise<void> {
  await page.locator('[data-part=files]').setInputFiles(PHOTO)
  const tile = attached(page).first()
  await tile.getByText(/^[\d,]+ tokens$/).waitFor()
  await shoot('attached')
  await tile.getByRole('button', { name: /show what the model sees/ }).click()
  const dialog = page.getByRole('dialog', { name: 'What the model sees' })
  await dialog.getByText('640 × 480 pixels').waitFor()
  const shown = await dialog.locator('.costs tfoot .number').innerText()
  assert.equal(`${shown} tokens`, await tile.locator('.medium-cost').innerText())
  await shoot('cut')
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
  const focused = page.locator(':focus')
  assert.match((await focused.getAttribute('aria-label')) ?? '', /show what the model sees/)
}

async function ask({ page, shoot, url }: StepTools): Promise<void> {
  await setNumber(page, 'Longest answer', '100')
  await setNumber(page, 'Temperature', '0')
  await page.getByRole('button', { name: 'Close settings' }).click()
  await countChanges(page)
  const answer = await asked(page, 'What is in this picture?')
  await finished(answer)
  assert.ok((await changes(page)) > 2, 'the answer came in one piece')
  await answer.getByText(/→ \d+ tokens/).waitFor()
  assert.notEqual((await answer.locator('.prose').innerText()).trim(), '')
  await shoot('answer')
  assert.equal(await lastText(page), await askedDirectly(url, 'What is in this picture?', 100))
  await setNumber(page, 'Temperature', '')
}

/** The answer as the page keeps it. */
async function lastText(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const opened = indexedDB.open('llava')
    await new Promise((resolve) => (opened.onsuccess = resolve))
    const all = opened.result.transaction('conversations').objectStore('conversations').getAll()
    await new Promise((resolve) => (all.onsuccess = resolve))
    opened.result.close()
    const kept = all.result as { updated: number; turns: { text: string }[] }[]
    kept.sort((a, b) => a.updated - b.updated)
    return kept.at(-1)?.turns.at(-1)?.text ?? ''
  })
}

/** The greedy answer that a program gets to the same question about the photo. */
async function askedDirectly(url: string, text: string, most: number): Promise<string> {
  const picture = `data:image/jpeg;base64,${readFileSync(PHOTO).toString('base64')}`
  const content = [
    { type: 'image_url', image_url: { url: picture } },
    { type: 'text', text },
  ]
  const messages = [{ role: 'user', content }]
  const response = await fetch(`${url}v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}` },
    body: JSON.stringify({ messages, temperature: 0, max_tokens: most }),
  })
  const body = (await response.json()) as { choices: { message: { content: string } }[] }
  return body.choices[0]?.message.content ?? ''
}

/** Answers may be short: some questions are asked until one can be stopped in the middle. */
async function stop({ page, shoot }: StepTools): Promise<void> {
  await setNumber(page, 'Longest answer', '1000')
  await page.getByRole('button', { name: 'Close settings' }).click()
  for (const question of ['Tell me more.', 'Write a long story about it.', 'List 100 words.']) {
    const answer = await asked(page, question)
    await answer.locator('.prose').waitFor()
    const button = page.getByRole('button', { name: 'Stop the answer' })
    if (await button.isVisible()) {
      await shoot('streaming')
      await page.keyboard.press('Escape')
    }
    await finished(answer)
    if ((await answer.getByText('stopped').count()) === 0) continue
    assert.notEqual(await answer.locator('.prose').innerText(), '')
    return
  }
  assert.fail('no answer was long enough to be stopped')
}

async function retryAndEdit({ page }: StepTools): Promise<void> {
  const before = await answers(page).count()
  const answer = answers(page).last()
  await setNumber(page, 'Longest answer', '3')
  await answer.getByRole('button', { name: 'Ask again' }).click()
  await answers(page).last().getByText('longest answer reached').waitFor()
  assert.equal(await answers(page).count(), before)
  const question = page.locator('.question').first()
  await question.hover()
  await question.getByRole('button', { name: 'Edit the question' }).click()
  await page.getByLabel('Edited question').fill('Describe this picture in one sentence.')
  await page.keyboard.press('Enter')
  await page.locator('.question').getByText('Describe this picture in one sentence.').waitFor()
  await finished(answers(page).last())
  assert.equal(await page.locator('.question').count(), 1, 'later turns were replaced')
  assert.equal(await page.locator('.question .medium').count(), 1, 'the photo stayed')
}

async function twoPictures({ page, shoot }: StepTools): Promise<void> {
  await page.getByRole('button', { name: 'New conversation' }).first().click()
  await give(page, 'drop', WIDE, 'image/png')
  await give(page, 'paste', TALL, 'image/png')
  await attached(page)
    .nth(1)
    .getByText(/tokens$/)
    .waitFor()
  await page.getByText(/^together [\d,]+ tokens$/).waitFor()
  await shoot('two-pictures-attached')
  await setNumber(page, 'Longest answer', '60')
  const answer = await asked(page, 'What is different between the two?')
  await finished(answer)
  await answer.getByText(/→ \d+ tokens/).waitFor()
  assert.equal(await page.locator('.question .medium img').count(), 2)
  await shoot('two-pictures')
}

async function clip({ page, shoot }: StepTools): Promise<void> {
  await page.getByRole('button', { name: 'New conversation' }).first().click()
  await page.locator('[data-part=files]').setInputFiles(CLIP)
  const tile = attached(page).first()
  await tile.getByText(/^[\d,]+ tokens$/).waitFor()
  await tile.getByText('clip', { exact: true }).waitFor()
  await tile.getByRole('button', { name: /show what the model sees/ }).click()
  await page.getByText(/the model sees \d+ frames of it/).waitFor()
  await shoot('clip-frames')
  await page.keyboard.press('Escape')
  const answer = await asked(page, 'What happens in this clip?')
  await finished(answer)
  await answer.getByText(/→ \d+ tokens/).waitFor()
  await shoot('clip')
}

/** MP4 and WebM need FFmpeg where the server runs, which is here. */
async function films({ page, shoot }: StepTools): Promise<void> {
  const hasDecoder = spawnSync('ffprobe', ['-version']).status === 0
  await setNumber(page, 'Longest answer', '60')
  for (const film of FILMS) {
    await page.getByRole('button', { name: 'New conversation' }).first().click()
    await page.locator('[data-part=files]').setInputFiles(film)
    const tile = attached(page).first()
    await tile.getByText('clip', { exact: true }).waitFor()
    if (!hasDecoder) {
      await page.getByText(/needs ffprobe, which was not found; install ffmpeg/).waitFor()
      await shoot('films')
      await tile.getByRole('button', { name: 'Remove' }).click()
      continue
    }
    await tile.getByText(/^[\d,]+ tokens$/).waitFor()
    const answer = await asked(page, 'What happens in this film?')
    await finished(answer)
    await answer.getByText(/→ \d+ tokens/).waitFor()
    await shoot('films')
  }
}

/** The model is made to say the attack: it is the only text that the answer may be. */
async function attack({ page }: StepTools): Promise<void> {
  let hits = 0
  const canary = createServer((_, response) => {
    hits++
    response.end()
  })
  await new Promise<void>((resolve) => canary.listen(0, '127.0.0.1', resolve))
  const place = `http://127.0.0.1:${(canary.address() as AddressInfo).port}`
  try {
    await page.getByRole('button', { name: 'New conversation' }).first().click()
    const panel = await openSettings(page)
    await panel.getByLabel('Form').selectOption('One of some texts')
    await panel.getByLabel('Texts, one a line').fill(attackOn(place))
    const answer = await asked(page, 'Say it.')
    await finished(answer)
    const prose = answer.locator('.prose')
    assert.match(await prose.innerText(), /the end of the attack/)
    const active =
      'img, picture, video, audio, script, style, link, iframe, object, embed, svg, form'
    assert.equal(await prose.locator(active).count(), 0)
    for (const link of await prose.locator('a').all()) {
      assert.match((await link.getAttribute('href')) ?? '', /^(?:https?|mailto):/)
      assert.match((await link.getAttribute('rel')) ?? '', /noopener noreferrer/)
      await link.hover()
    }
    assert.equal(await page.evaluate(() => document.title.includes('taken')), false)
    assert.equal(hits, 0, 'something was fetched')
    await panel.getByLabel('Form').selectOption('Free text')
  } finally {
    canary.close()
  }
}

function attackOn(place: string): string {
  return [
    `![a](${place}/image.png)`,
    `<img src="${place}/html.png" onerror="document.title='taken'">`,
    `<script>document.title='taken'</script>`,
    `<style>@import "${place}/style.css"</style>`,
    `<link rel="prefetch" href="${place}/prefetch">`,
    `<iframe src="${place}/frame"></iframe>`,
    `<svg><image href="${place}/svg.png"/></svg>`,
    `<video src="${place}/video.mp4" autoplay></video>`,
    `[click](javascript:document.title='taken')`,
    `[click](data:text/html,<script>alert(1)</script>)`,
    `[click](${place}/link)`,
    `[![b](${place}/nested.png)](${place}/outer)`,
    `![c](//127.0.0.1/relative.png)`,
    `the end of the attack`,
  ].join(' ')
}

async function findHistory({ page, shoot }: StepTools): Promise<void> {
  const history = page.getByRole('navigation', { name: 'Conversations' })
  // More where the server reads films.
  const count = await history.locator('li').count()
  assert.ok(count >= 5)
  await page.reload()
  await history.getByRole('button', { name: /^What is different between the two/ }).click()
  await page.locator('.bubble').getByText('What is different between the two?').waitFor()
  const pictures = page.locator('.question .medium img')
  await pictures.nth(1).waitFor()
  for (const picture of await pictures.all()) {
    await picture.evaluate((image: HTMLImageElement) => image.decode())
  }
  await page.locator('.question .medium-cost').nth(1).waitFor()
  assert.equal(await history.locator('li').count(), count)
  await shoot('history')
}

async function saveAndDelete({ page }: StepTools): Promise<void> {
  const history = page.getByRole('navigation', { name: 'Conversations' })
  const item = history.locator('li', { hasText: 'What happens in this clip?' })
  await item.hover()
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    item.getByRole('button', { name: /^Save / }).click(),
  ])
  const saved = JSON.parse(readFileSync(await download.path(), 'utf8')) as {
    readonly conversations: readonly { readonly title: string; readonly media: object }[]
  }
  assert.equal(saved.conversations[0]?.title, 'What happens in this clip?')
  const [url] = Object.values(saved.conversations[0]?.media ?? {}) as string[]
  const bytes = Buffer.from(url?.split(',')[1] ?? '', 'base64')
  assert.deepEqual(bytes, readFileSync(CLIP))
  const count = await history.locator('li').count()
  await item.hover()
  await item.getByRole('button', { name: /^Delete / }).click()
  await item.waitFor({ state: 'detached' })
  await page.reload()
  await history.locator('li').nth(3).waitFor()
  assert.equal(await history.locator('li').count(), count - 1, 'it is gone for good')
}

async function reloadInAnswer({ page }: StepTools): Promise<void> {
  const answer = await begunStory(page, 'A story that is cut.')
  await page.waitForFunction(() => {
    const shown = [...document.querySelectorAll('.prose')].at(-1)
    return (shown?.textContent.length ?? 0) > 100
  })
  // Twice as long as words are kept for at most.
  await page.waitForTimeout(1000)
  assert.equal(await answer.getByRole('button', { name: 'Ask again' }).count(), 0)
  await page.reload()
  await openConversation(page, 'A story that is cut.')
  await answers(page).last().getByText('stopped').waitFor()
  assert.match(await answers(page).last().locator('.prose').innerText(), /^word word/)
}

async function deleteRunning({ page }: StepTools): Promise<void> {
  const history = page.getByRole('navigation', { name: 'Conversations' })
  const before = await history.locator('li').count()
  await begunStory(page, 'A secret story.')
  const item = history.locator('li', { hasText: 'A secret story.' })
  await item.hover()
  await item.getByRole('button', { name: /^Delete / }).click()
  await item.waitFor({ state: 'detached' })
  await page.waitForTimeout(1000)
  assert.equal(await item.count(), 0)
  await page.reload()
  await history.locator('li').first().waitFor()
  assert.equal(await item.count(), 0, 'it is gone for good')
  assert.equal(await history.locator('li').count(), before)
  const panel = await openSettings(page)
  await panel.getByLabel('Form').selectOption('Free text')
}

async function named({ page }: StepTools): Promise<void> {
  await openConversation(page, 'What is different between the two?')
  await openSettings(page)
  await assertNamed(page)
}

async function dark({ page, shoot }: StepTools): Promise<void> {
  await page.emulateMedia({ colorScheme: 'dark' })
  await shoot('dark-settings')
  await page.getByRole('button', { name: 'Close settings' }).click()
  await openConversation(page, 'What is to be seen?')
  await page.locator('.question .medium-cost').waitFor()
  await shoot('dark')
  await page.emulateMedia({ colorScheme: 'light' })
}

async function phone({ page, shoot }: StepTools): Promise<void> {
  await page.setViewportSize({ width: 375, height: 740 })
  await page.reload()
  await page.getByRole('button', { name: 'Conversations' }).click()
  const drawer = page.getByRole('dialog', { name: 'Conversations' })
  await drawer.waitFor()
  await shoot('phone-history')
  await openConversation(page, 'What is different between the two?')
  await drawer.waitFor({ state: 'detached' })
  await page.locator('.question .medium-cost').nth(1).waitFor()
  await assertNoSidewaysScrolling(page)
  await shoot('phone')
  await page
    .getByRole('button', { name: /show what the model sees/ })
    .first()
    .click()
  await page.getByRole('dialog', { name: 'What the model sees' }).waitFor()
  await assertNoSidewaysScrolling(page)
  await shoot('phone-cut')
  await page.keyboard.press('Escape')
  const panel = await openSettings(page)
  await panel.getByLabel('Form').selectOption('JSON of a schema')
  await assertNoSidewaysScrolling(page)
  await assertNamed(page)
  await shoot('phone-settings')
}

type Counting = { lengths?: Set<number> }

/** How many lengths the last answer has had is counted from now on. */
async function countChanges(page: Page): Promise<void> {
  await page.evaluate(() => {
    const lengths = ((globalThis as Counting).lengths = new Set<number>())
    const note = () => {
      const shown = [...document.querySelectorAll('.prose')].at(-1)
      if (shown) lengths.add(shown.textContent.length)
    }
    new MutationObserver(note).observe(document.body, {
      childList: true,
      subtree: true,
      characterData: true,
    })
  })
}

async function changes(page: Page): Promise<number> {
  return page.evaluate(() => (globalThis as Counting).lengths?.size ?? 0)
}
