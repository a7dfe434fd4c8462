/** The page under fingers: another context of the same browser, small and touched. */
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import {
  attached,
  composer,
  finished,
  answers,
  openSettings,
  PHOTO,
  type StepTools,
} from './parts.ts'
import { KEY } from './server.ts'

/** As many pictures as a question takes. */
const MOST_PICTURES = 16

export async function touch({ page, url }: StepTools): Promise<void> {
  const browser = page.context().browser()
  assert.ok(browser)
  const viewport = { width: 390, height: 700 }
  const context = await browser.newContext({ viewport, hasTouch: true, isMobile: true })
  const touched = await context.newPage()
  try {
    await touched.addInitScript((key) => {
      sessionStorage.setItem('llava.key', key)
      const numbers = { max_completion_tokens: '8' }
      localStorage.setItem('llava.settings', JSON.stringify({ numbers }))
    }, KEY)
    await touched.goto(url)
    await enterBeginsALine(touched)
    await manyPictures(touched)
    await touched.setViewportSize({ width: 740, height: 340 })
    await holdsSend(touched)
    await fieldsAreLarge(touched)
  } finally {
    await context.close()
  }
}

async function enterBeginsALine(page: Page): Promise<void> {
  await composer(page).tap()
  await page.keyboard.type('First')
  await page.keyboard.press('Enter')
  await page.keyboard.type('second')
  assert.equal(await composer(page).inputValue(), 'First\nsecond')
  await page.getByRole('button', { name: 'Send' }).tap()
  await finished(answers(page).first())
}

async function manyPictures(page: Page): Promise<void> {
  await page.locator('[data-part=files]').setInputFiles(Array<string>(MOST_PICTURES).fill(PHOTO))
  await attached(page)
    .nth(MOST_PICTURES - 1)
    .waitFor()
  await holdsSend(page)
}

/** What sends is in view, and so is some of the conversation. */
async function holdsSend(page: Page): Promise<void> {
  const [bottom, height, window] = await page.evaluate(() => [
    document.querySelector('.send')?.getBoundingClientRect().bottom ?? Infinity,
    document.querySelector('.conversation')?.clientHeight ?? 0,
    innerHeight,
  ])
  assert.ok((bottom ?? 0) <= (window ?? 0), `what sends ends at ${bottom} of ${window}`)
  assert.ok((height ?? 0) >= 40, `${height} pixels are left for the conversation`)
}

/** Phones zoom into fields of smaller type. */
async function fieldsAreLarge(page: Page): Promise<void> {
  const panel = await openSettings(page)
  await panel.getByLabel('Form').selectOption('JSON of a schema')
  const sizes = await page
    .locator('input:not([hidden]), select, textarea')
    .evaluateAll((fields) => fields.map((field) => parseFloat(getComputedStyle(field).fontSize)))
  assert.ok(sizes.length > 10)
  assert.ok(Math.min(...sizes) >= 16, `a field of ${Math.min(...sizes)} pixels`)
}
