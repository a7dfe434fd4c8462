import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  parsePythonFloat,
  pythonFixed,
  pythonFloat,
  pythonJson,
  pythonRound,
  pythonStrip,
  pythonWords,
} from './python-text.ts'

test('JSON has the spaces, breaks and escapes of json.dumps', () => {
  const value = { a: [1, 'é🙂\u007f\n"', null, true], b: {}, c: [] }
  assert.equal(
    pythonJson(value),
    String.raw`{"a": [1, "\u00e9\ud83d\ude42\u007f\n\"", null, true], "b": {}, "c": []}`,
  )
  assert.equal(pythonJson({ a: [1, 2] }, { indent: 2 }), '{\n  "a": [\n    1,\n    2\n  ]\n}')
  const ordered = new Map([
    ['10', 0],
    ['9', 1],
  ])
  assert.equal(pythonJson(ordered), '{"10": 0, "9": 1}')
})

test('decimals are the nearest, ties to even', () => {
  const cases: [number, number, string][] = [
    [0.125, 2, '0.12'],
    [0.375, 2, '0.38'],
    [2.5, 0, '2'],
    [3.5, 0, '4'],
    [-0.125, 2, '-0.12'],
    [2.675, 2, '2.67'],
    [1.005, 2, '1.00'],
    [85.95, 1, '86.0'],
  ]
  for (const [value, digits, text] of cases) assert.equal(pythonFixed(value, digits), text)
  assert.equal(pythonRound(62.45, 1), 62.5)
  assert.equal(pythonFloat(1), '1.0')
  assert.equal(pythonFloat(0.1 + 0.2), '0.30000000000000004')
  const sizes = [1e16, 1e15, 1e-4, 1e-5, 2.5e-7, -0, NaN, -Infinity]
  assert.deepEqual(sizes.map(pythonFloat), [
    '1e+16',
    '1000000000000000.0',
    '0.0001',
    '1e-05',
    '2.5e-07',
    '-0.0',
    'nan',
    '-inf',
  ])
})

test('spaces and numbers are those of str and float', () => {
  assert.deepEqual(pythonWords('\u00a0a\u001fb \u2003c\ufeff'), ['a', 'b', 'c\ufeff'])
  assert.equal(pythonStrip('\u0085 x\t'), 'x')
  const texts = [' 1_000 ', '.5', '5.', '1e-2', '-inf', '1__0', '0x10', '', '1,0']
  const values = [1000, 0.5, 5, 0.01, -Infinity, null, null, null, null]
  assert.deepEqual(texts.map(parsePythonFloat), values)
  assert.ok(Number.isNaN(parsePythonFloat('nan')))
  assert.deepEqual(['１２.５', '٣', '𝟙𝟘', '²', 'Ⅷ'].map(parsePythonFloat), [
    12.5,
    3,
    10,
    null,
    null,
  ])
})
