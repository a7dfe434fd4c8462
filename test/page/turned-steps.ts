/** A picture whose file asks to be shown turned: browsers do it, and the model sees it as it is stored. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import sharp from 'sharp'
import { attached, type StepTools } from './parts.ts'

const TURNED = 'fixtures/pictures/exif-rotated-320x240.jpg'

export async function turnedPicture({ page, shoot }: StepTools): Promise<void> {
  await page.getByRole('button', { name: 'New conversation' }).first().click()
  await page.locator('[data-part=files]').setInputFiles(TURNED)
  const tile = attached(page).first()
  await tile.getByText('not turned').waitFor()
  await tile.getByRole('button', { name: /tokens, not turned: show what the model sees/ }).click()
  const dialog = page.getByRole('dialog', { name: 'What the model sees' })
  await dialog.getByText(/^Its file asks to be shown turned/).waitFor()
  const drawn = await thumbnail(await dialog.locator('.cut-base svg').screenshot())
  await shoot('turned')
  const stored = await thumbnail(readFileSync(TURNED))
  const turned = await thumbnail(await sharp(TURNED).rotate().toBuffer())
  assert.ok(
    difference(drawn, stored) < difference(drawn, turned) / 2,
    'it is drawn otherwise than the model sees it',
  )
  await page.keyboard.press('Escape')
  await tile.getByRole('button', { name: /^Remove / }).click()
}

/** A few grey pixels, whatever the shape was. */
function thumbnail(file: Buffer): Promise<Buffer> {
  return sharp(file).greyscale().resize(24, 24, { fit: 'fill' }).raw().toBuffer()
}

function difference(a: Buffer, b: Buffer): number {
  return a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] as number)), 0)
}
