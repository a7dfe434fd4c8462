/** What is pasted or dropped beside pictures for the composer. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import {
  answers,
  asked,
  attached,
  composer,
  finished,
  PHOTO,
  setNumber,
  type StepTools,
} from './parts.ts'

export async function pasteAnywhere({ page }: StepTools): Promise<void> {
  await page.getByRole('button', { name: 'New conversation' }).first().click()
  // As a program for tables puts it: the text, and a picture of it.
  assert.equal(await paste(page, 'textarea[aria-label="Your question"]', 'Cells'), false)
  await attached(page).first().waitFor()
  assert.equal(await paste(page, 'textarea[aria-label="Your question"]', 'photo.jpg'), true)
  await attached(page).nth(1).waitFor()
  await composer(page).blur()
  assert.equal(await paste(page, 'body', ''), true)
  await attached(page).nth(2).waitFor()
  for (let left = 3; left > 0; left--) {
    await page.getByRole('button', { name: 'Remove photo.jpg' }).first().click()
  }
}

export async function pasteIntoEdited({ page }: StepTools): Promise<void> {
  await setNumber(page, 'Longest answer', '8')
  await finished(await asked(page, 'A question without a picture'))
  await page.locator('.question').hover()
  await page.getByRole('button', { name: 'Edit the question' }).click()
  await paste(page, 'textarea[aria-label="Edited question"]', '')
  await page.locator('.editor .medium').waitFor()
  assert.equal(await attached(page).count(), 0)
  await page.getByLabel('Edited question').press('Enter')
  await page.locator('.question .medium-cost').waitFor()
  await finished(answers(page).first())
}

export async function dropLink({ page }: StepTools): Promise<void> {
  const isKept = (place: string) =>
    page.locator(place).evaluate((element) => {
      const data = new DataTransfer()
      data.setData('text/uri-list', 'http://127.0.0.1:9/')
      const at = { bubbles: true, cancelable: true, dataTransfer: data }
      return ['dragover', 'drop'].map((name) => !element.dispatchEvent(new DragEvent(name, at)))
    })
  assert.deepEqual(await isKept('.conversation'), [true, true])
  assert.deepEqual(await isKept('.composer textarea'), [false, false], 'a field takes text')
}

/** A picture with a text beside it. True where the page kept the text from the field. */
async function paste(page: Page, place: string, text: string): Promise<boolean> {
  const bytes = readFileSync(PHOTO).toString('base64')
  return page.locator(place).evaluate(
    (element, given) => {
      const data = new DataTransfer()
      if (given.text !== '') data.setData('text/plain', given.text)
      const decoded = Uint8Array.from(atob(given.bytes), (character) => character.charCodeAt(0))
      data.items.add(new File([decoded], 'photo.jpg', { type: 'image/jpeg' }))
      const at = { bubbles: true, cancelable: true, clipboardData: data }
      return !element.dispatchEvent(new ClipboardEvent('paste', at))
    },
    { bytes, text },
  )
}
