/** The page as its steps use it: its parts, what is asked in it, and files that are given to it. */
import { readFileSync } from 'node:fs'
import type { Locator, Page } from 'playwright-core'

export type StepTools = {
  readonly page: Page
  /** What went wrong until now. */
  readonly faults: readonly string[]
  readonly url: string
  /** Takes a picture of the page, where pictures are wanted. */
  shoot(name: string): Promise<void>
}

export type Step = { readonly name: string; run(tools: StepTools): Promise<void> }

export const PHOTO = 'fixtures/pictures/photo-640x480.jpg'
export const WIDE = 'fixtures/pictures/photo-1344x336.png'
export const TALL = 'fixtures/pictures/photo-480x640.png'
export const CLIP = 'fixtures/pictures/animated-160x160.gif'
export const FILMS = ['fixtures/clips/b-frames.mp4', 'fixtures/clips/vp9.webm']

export function composer(page: Page): Locator {
  return page.getByLabel('Your question')
}

export function attached(page: Page): Locator {
  return page.locator('.composer .medium')
}

export function answers(page: Page): Locator {
  return page.locator('.answer')
}

/** Asks as people do, and returns the answer that begins. */
export async function asked(page: Page, question: string): Promise<Locator> {
  const before = await answers(page).count()
  await composer(page).fill(question)
  await page.keyboard.press('Enter')
  const answer = answers(page).nth(before)
  await answer.waitFor()
  return answer
}

export async function finished(answer: Locator): Promise<void> {
  await answer.getByRole('button', { name: 'Ask again' }).waitFor()
}

/** Begins a long answer, in a conversation of its own. */
export async function begunStory(page: Page, question: string): Promise<Locator> {
  await page.getByRole('button', { name: 'New conversation' }).first().click()
  const panel = await openSettings(page)
  await panel.getByLabel('Form').selectOption('What a pattern matches')
  await panel.getByLabel('Pattern of the whole answer').fill('(word ){2000}')
  await setNumber(page, 'Longest answer', '4000')
  const answer = await asked(page, question)
  await answer.locator('.prose').waitFor()
  return answer
}

export async function openSettings(page: Page): Promise<Locator> {
  const panel = page.locator('.settings')
  if (!(await panel.isVisible())) {
    await page.getByRole('button', { name: 'Settings', exact: true }).click()
  }
  await panel.waitFor()
  return panel
}

export async function openConversation(page: Page, title: string): Promise<void> {
  const history = page.getByRole('navigation', { name: 'Conversations' })
  await history.getByRole('button', { name: new RegExp(`^${title.replace('?', '\\?')}`) }).click()
}

export async function setNumber(page: Page, label: string, value: string): Promise<void> {
  const panel = await openSettings(page)
  await panel.getByLabel(label).fill(value)
}

/** A file as the browser hands it over when one is dropped or pasted. */
export async function give(
  page: Page,
  how: 'drop' | 'paste',
  path: string,
  type: string,
): Promise<void> {
  const bytes = readFileSync(path).toString('base64')
  await composer(page).evaluate(
    (field, file) => {
      const data = new DataTransfer()
      const decoded = Uint8Array.from(atob(file.bytes), (character) => character.charCodeAt(0))
      data.items.add(new File([decoded], file.name, { type: file.type }))
      const at = { bubbles: true, cancelable: true }
      if (file.how === 'paste') {
        field.dispatchEvent(new ClipboardEvent('paste', { ...at, clipboardData: data }))
        return
      }
      for (const name of ['dragenter', 'dragover', 'drop']) {
        field.dispatchEvent(new DragEvent(name, { ...at, dataTransfer: data }))
      }
    },
    { bytes, type, how, name: path.split('/').at(-1) ?? 'file' },
  )
}
