/** Files that no answer comes of, beside those that one does. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import {
  answers,
  asked,
  attached,
  finished,
  openConversation,
  PHOTO,
  setNumber,
  TALL,
  type StepTools,
} from './parts.ts'

/** The beginning of a photo is none. */
const BROKEN = {
  name: 'broken.jpg',
  mimeType: 'image/jpeg',
  buffer: readFileSync(PHOTO).subarray(0, 100),
}
const DRAWING = { name: 'a.svg', mimeType: 'image/svg+xml', buffer: Buffer.from('<svg/>') }
const TITLE = 'What is whole here?'

export async function brokenPicture({ page, shoot }: StepTools): Promise<void> {
  const files = page.locator('[data-part=files]')
  const fault = page.locator('.composer .fault')
  const costs = page.locator('.question .medium-cost')
  await page.getByRole('button', { name: 'New conversation' }).first().click()
  await setNumber(page, 'Longest answer', '8')
  await files.setInputFiles(PHOTO)
  await finished(await asked(page, TITLE))
  await files.setInputFiles([DRAWING, BROKEN])
  await fault.getByText(/^a\.svg: neither a picture nor a clip\. broken\.jpg: /).waitFor()
  const failed = await asked(page, 'And here?')
  await failed.locator('.fault').waitFor()
  await shoot('broken-picture')
  // It is no longer sent, so it is in nobody's way.
  await fault.waitFor({ state: 'detached' })
  assert.equal(await costs.count(), 1)
  await files.setInputFiles(TALL)
  await attached(page)
    .getByText(/tokens$/)
    .waitFor()
  await page.reload()
  await openConversation(page, TITLE)
  await costs.waitFor()
  assert.equal(await fault.count(), 0)
  await files.setInputFiles([TALL, ...Array.from({ length: 16 }, () => PHOTO)])
  await fault.getByText(/^photo-640x480\.jpg: a request may have 16 pictures/).waitFor()
  await (await asked(page, 'And in all of them?')).getByText(/^photo-640x480\.jpg: /).waitFor()
  await fault.waitFor({ state: 'detached' })
  await finished(answers(page).last())
}
