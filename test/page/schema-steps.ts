/** Answers of a form: schemas that are made of fields or written. */
import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import {
  asked,
  composer,
  finished,
  openSettings,
  PHOTO,
  setNumber,
  type StepTools,
} from './parts.ts'

export async function jsonAnswer({ page, shoot }: StepTools): Promise<void> {
  await page.getByRole('button', { name: 'New conversation' }).first().click()
  const panel = await openSettings(page)
  await panel.getByLabel('Form').selectOption('JSON of a schema')
  await panel.getByRole('button', { name: 'JSON Schema' }).click()
  const text = panel.getByLabel('JSON Schema', { exact: true })
  await text.fill('{ "type": "object", "properties": { "a": { "type": "strin" } } ')
  await panel.getByText('this is no JSON').waitFor()
  await text.fill('{ "type": "object", "properties": { "a": { "type": "strin" } } }')
  await panel.getByText('"strin" is none of').waitFor()
  await shoot('schema-fault')
  await text.fill(JSON.stringify(SCHEMA))
  await panel.getByRole('button', { name: 'Fields' }).click()
  await panel.getByRole('button', { name: 'Check with the server' }).click()
  await panel.getByText('The server takes it.').waitFor()
  await setNumber(page, 'Longest answer', '')
  await page.locator('[data-part=files]').setInputFiles(PHOTO)
  const answer = await asked(page, 'What is to be seen?')
  await finished(answer)
  const given = JSON.parse(await answer.locator('.json').innerText()) as Record<string, unknown>
  assert.deepEqual(Object.keys(given), Object.keys(SCHEMA.properties))
  assert.ok(SCHEMA.properties.light.enum.includes(given['light'] as string))
  await shoot('json')
}

const SCHEMA = {
  type: 'object',
  properties: {
    isOutdoors: { type: 'boolean' },
    light: { enum: ['day', 'night', 'unclear'] },
    objects: { enum: ['none', 'one', 'many'] },
  },
  required: ['isOutdoors', 'light', 'objects'],
}

export async function removeField({ page }: StepTools): Promise<void> {
  const panel = await openSettings(page)
  await panel.getByLabel('Form').selectOption('JSON of a schema')
  await panel.getByRole('button', { name: 'JSON Schema' }).click()
  const text = panel.getByLabel('JSON Schema', { exact: true })
  await text.fill(JSON.stringify(SCHEMA))
  await panel.getByRole('button', { name: 'Fields' }).click()
  await panel.getByRole('button', { name: 'Remove light' }).click()
  const choices = panel.getByLabel('What objects may be, with commas between')
  assert.equal(await choices.inputValue(), 'none, one, many')
  await panel.getByLabel('Form').selectOption('Free text')
}

/** Names that begin as others' names, have none, or are whole numbers stand as they are typed. */
export async function nameFields({ page, shoot }: StepTools): Promise<void> {
  await page.getByRole('button', { name: 'New conversation' }).first().click()
  const panel = await openSettings(page)
  await panel.getByRole('button', { name: 'Reset' }).click()
  await panel.getByLabel('Form').selectOption('JSON of a schema')
  await panel.getByRole('button', { name: 'Field', exact: true }).click()
  const names = panel.getByLabel('Name of the field')
  const written = () =>
    names.evaluateAll((all) => all.map((one) => (one as HTMLInputElement).value))
  const type = async (at: number, name: string) => {
    await names.nth(at).press('ControlOrMeta+A')
    await page.keyboard.type(name)
  }
  await type(3, 'people')
  await panel.getByText('Another field is called people').first().waitFor()
  assert.deepEqual(await written(), ['caption', 'objects', 'people', 'people'])
  await composer(page).fill('Is it sent?')
  assert.equal(await page.getByRole('button', { name: 'Send' }).isDisabled(), true)
  await page.getByText('a field of the answer cannot be sent').waitFor()
  await shoot('schema-name-taken')
  await page.reload()
  await openSettings(page)
  assert.deepEqual(await written(), ['caption', 'objects', 'people', 'people'])
  await names.nth(3).press('End')
  await page.keyboard.type('_count')
  assert.deepEqual(await written(), ['caption', 'objects', 'people', 'people_count'])
  await names.nth(3).fill('')
  await panel.getByText('A field needs a name.').waitFor()
  await type(3, '2nd object')
  await type(1, '2024')
  assert.deepEqual(await written(), ['caption', '2024', 'people', '2nd object'])
  await panel.getByText('2024 will come first in the answer').waitFor()
  const sent = ['2024', 'caption', 'people', '2nd object']
  assert.deepEqual(Object.keys((await keptSchema(page)).properties), sent)
  await shoot('schema-names')
  await panel.getByRole('button', { name: 'Reset' }).click()
}

/** Choices stand as they are typed, and what they cannot say again is left as text. */
export async function nameChoices({ page }: StepTools): Promise<void> {
  const panel = await openSettings(page)
  await panel.getByLabel('Form').selectOption('JSON of a schema')
  await panel.getByLabel('Kind of people').selectOption('One of')
  const choices = panel.getByLabel('What people may be, with commas between')
  await choices.fill('')
  await panel.getByText('There is nothing to choose from').waitFor()
  await choices.pressSequentially('none, some, ')
  assert.equal(await choices.inputValue(), 'none, some, ')
  assert.deepEqual((await keptSchema(page)).properties['people'], { enum: ['none', 'some'] })
  await panel.getByRole('button', { name: 'JSON Schema' }).click()
  const commas = { enum: ['red, dark', 'blue'] }
  const text = { type: 'object', properties: { colour: commas }, required: ['colour'] }
  await panel.getByLabel('JSON Schema', { exact: true }).fill(JSON.stringify(text))
  await panel.getByText('More than a list of fields').waitFor()
  await panel.getByRole('button', { name: 'Reset' }).click()
}

async function keptSchema(page: Page): Promise<{ properties: Record<string, unknown> }> {
  const settings = await page.evaluate(() => localStorage.getItem('llava.settings'))
  const { schema } = JSON.parse(settings ?? '{}') as { schema: string }
  return JSON.parse(schema) as { properties: Record<string, unknown> }
}
