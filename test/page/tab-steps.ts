/** The page in two tabs of one browser, which keep their conversations in one place. */
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import {
  answers,
  asked,
  begunStory,
  finished,
  openConversation,
  openSettings,
  setNumber,
  type StepTools,
} from './parts.ts'
import { KEY } from './server.ts'

export async function addInTwoTabs({ page, url, shoot }: StepTools): Promise<void> {
  await begin(page, 'One, in a tab')
  const other = await openTab(page, url)
  await openConversation(other, 'One, in a tab')
  await finished(await asked(other, 'Two, in another'))
  await bubble(page, 'Two, in another').waitFor()
  await finished(await asked(page, 'Three, in the first'))
  await bubble(other, 'Three, in the first').waitFor()
  const all = ['One, in a tab', 'Two, in another', 'Three, in the first']
  assert.deepEqual(await keptQuestions(page, 'One, in a tab'), all)
  assert.deepEqual(await page.locator('.bubble').allInnerTexts(), all)
  await page.bringToFront()
  await shoot('two-tabs')
  await other.close()
}

export async function addUnheard({ page, url }: StepTools): Promise<void> {
  await begin(page, 'One, unheard')
  const other = await openTab(page, url)
  await openConversation(other, 'One, unheard')
  await mute(page)
  await mute(other)
  await finished(await asked(other, 'Two, unheard'))
  assert.equal(await bubble(page, 'Two, unheard').count(), 0)
  await finished(await asked(page, 'Three, unheard'))
  await bubble(page, 'Two, unheard').waitFor()
  assert.equal(await bubble(other, 'Three, unheard').count(), 0)
  const first = answers(other).first()
  await first.getByRole('button', { name: 'Ask again' }).click()
  await first.getByRole('button', { name: 'Replace' }).click()
  await bubble(other, 'Three, unheard').waitFor()
  await finished(answers(other).first())
  const kept = await keptQuestions(page, 'One, unheard')
  assert.deepEqual(
    kept,
    ['One, unheard', 'Three, unheard'],
    'what it had not seen was not asked away',
  )
  await other.close()
  await page.reload()
}

export async function deleteInAnother({ page, url }: StepTools): Promise<void> {
  const answer = await begunStory(page, 'A story for two tabs.')
  const other = await openTab(page, url)
  await openConversation(other, 'A story for two tabs.')
  await other.locator('.answer[aria-busy=true] .prose').waitFor()
  const title = 'A story for two tabs.'
  await other.getByRole('button', { name: `Delete ${title}` }).click()
  await answer.waitFor({ state: 'detached' })
  assert.equal(await historyItem(page, title).count(), 0)
  // Longer than words are kept back.
  await page.waitForTimeout(1000)
  assert.equal(await keptQuestions(page, title), null)
  await other.close()
  const panel = await openSettings(page)
  await panel.getByLabel('Form').selectOption('Free text')
}

export async function deleteUnheard({ page, url }: StepTools): Promise<void> {
  await begin(page, 'A secret in two tabs')
  const other = await openTab(page, url)
  await mute(other)
  await historyItem(other, 'A secret in two tabs').hover()
  await other.getByRole('button', { name: 'Delete A secret in two tabs' }).click()
  await historyItem(other, 'A secret in two tabs').waitFor({ state: 'detached' })
  await page.getByLabel('Your question').fill('Is it still there?')
  await page.keyboard.press('Enter')
  await historyItem(page, 'A secret in two tabs').waitFor({ state: 'detached' })
  assert.equal(await answers(page).count(), 0)
  assert.equal(await keptQuestions(page, 'A secret in two tabs'), null)
  await other.close()
}

async function begin(page: Page, question: string): Promise<void> {
  await page.getByRole('button', { name: 'New conversation' }).first().click()
  await setNumber(page, 'Longest answer', '8')
  await finished(await asked(page, question))
}

async function openTab(page: Page, url: string): Promise<Page> {
  const other = await page.context().newPage()
  await other.addInitScript((key) => sessionStorage.setItem('llava.key', key), KEY)
  await other.goto(url)
  await historyItem(other, '').first().waitFor()
  return other
}

/** Nobody hears a tab from now on, until it is loaded again. */
async function mute(page: Page): Promise<void> {
  await page.evaluate(() => {
    BroadcastChannel.prototype.postMessage = () => {}
  })
}

function bubble(page: Page, text: string) {
  return page.locator('.bubble').getByText(text, { exact: true })
}

function historyItem(page: Page, title: string) {
  return page.getByRole('navigation', { name: 'Conversations' }).locator('li', { hasText: title })
}

/** The questions of a conversation in the browser's database; null where it is not there. */
async function keptQuestions(page: Page, title: string): Promise<readonly string[] | null> {
  return page.evaluate(async (wanted) => {
    const opened = indexedDB.open('llava')
    await new Promise((resolve) => (opened.onsuccess = resolve))
    const all = opened.result.transaction('conversations').objectStore('conversations').getAll()
    await new Promise((resolve) => (all.onsuccess = resolve))
    opened.result.close()
    const kept = all.result as { title: string; turns: { role: string; text: string }[] }[]
    const found = kept.find((one) => one.title === wanted)
    return found?.turns.filter(({ role }) => role === 'user').map(({ text }) => text) ?? null
  }, title)
}
