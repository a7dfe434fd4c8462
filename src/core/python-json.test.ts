import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parsePythonJson, pythonNumberAt } from './python-json.ts'

const NUMBERS = [Number.NaN, Infinity, -Infinity]

/** As `json.dump` writes a value. */
function dumped(value: unknown): string {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  if (Array.isArray(value)) return `[${value.map(dumped).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${dumped(one)}`)
  return `{${fields.join(', ')}}`
}

test('what Python writes is read as it was, its numbers and texts with their names alike', () => {
  const texts = fc.oneof(fc.string(), fc.constantFrom('a: NaN, b', '\\"', '[-Infinity]', 'NaN'))
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      fc.constantFrom(...NUMBERS, null, true, 1.5),
      texts,
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(
        texts.filter((key) => key !== '__proto__'),
        tie('tree'),
        { maxKeys: 4, noNullPrototype: true },
      ),
    ),
  }))
  fc.assert(fc.property(tree, (value) => assert.deepEqual(parsePythonJson(dumped(value)), value)))
})

test('where the first such number stands is known, unless more is wrong', () => {
  assert.equal(pythonNumberAt('{"text": "NaN, ", "loss": [1, -Infinity]}'), 30)
  for (const text of ['{"text": "[NaN]"}', '{"a": NaN', '{NaN: 1}', '[-NaN]', '[nan]']) {
    assert.equal(pythonNumberAt(text), null, text)
  }
  for (const text of ['{"a": NaN', '{NaN: 1}', '[-NaN]', '']) {
    assert.throws(() => parsePythonJson(text), SyntaxError)
  }
})
