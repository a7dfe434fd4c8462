/** Where the focus goes, and what is asked before turns are replaced. */
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import { answers, asked, finished, setNumber, type StepTools } from './parts.ts'

export async function replaceAsked({ page, shoot }: StepTools): Promise<void> {
  await page.getByRole('button', { name: 'New conversation' }).first().click()
  await setNumber(page, 'Longest answer', '8')
  await finished(await asked(page, 'An early question'))
  await finished(await asked(page, 'A late question'))
  const again = answers(page).first().getByRole('button', { name: 'Ask again' })
  await again.focus()
  await page.keyboard.press('Enter')
  await page.getByText('What came after it is replaced.').waitFor()
  await focused(page, 'Cancel')
  await shoot('ask-again')
  await page.keyboard.press('Enter')
  await focused(page, 'Ask again')
  assert.equal(await page.locator('.bubble').count(), 2)
  await again.click()
  await page.getByRole('button', { name: 'Replace' }).press('Enter')
  await page.locator('.bubble').nth(1).waitFor({ state: 'detached' })
  await page.locator('.answer:focus').waitFor()
  await finished(answers(page).first())
}

export async function editByKeys({ page }: StepTools): Promise<void> {
  const edit = page.getByRole('button', { name: 'Edit the question' })
  await edit.focus()
  await page.keyboard.press('Enter')
  await focused(page, 'Edited question')
  await page.keyboard.press('Escape')
  await page.getByLabel('Edited question').waitFor({ state: 'detached' })
  await focused(page, 'Edit the question')
  await page.keyboard.press('Enter')
  await page.getByLabel('Edited question').fill('Another question')
  await page.keyboard.press('Enter')
  await page.locator('.bubble').getByText('Another question').waitFor()
  await page.locator('.answer:focus').waitFor()
  await finished(answers(page).first())
  await page.getByRole('button', { name: 'Delete all…' }).click()
  await focused(page, 'Keep them')
  await page.keyboard.press('Enter')
  await focused(page, 'Delete all…')
}

/** Views move the focus once they are drawn. */
async function focused(page: Page, name: string): Promise<void> {
  await page.waitForFunction((wanted) => {
    const element = document.activeElement as HTMLElement
    return (element.getAttribute('aria-label') ?? element.innerText) === wanted
  }, name)
}
