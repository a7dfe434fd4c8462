import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ToolFormat } from '../../families/tool-format.ts'
import { CallParser, type WrittenCall } from './call-parser.ts'

type Case = {
  readonly format: ToolFormat
  readonly answer: string
  readonly text: string
  readonly calls: readonly WrittenCall[]
  readonly isParallel?: boolean
  readonly isOpened?: boolean
}

const ONE = { name: 'weather', arguments: '{"city": "Bern"}' }
const TWO = { name: 'time', arguments: '{}' }
const WEATHER = '{"name": "weather", "arguments": {"city": "Bern"}}'
const TIME = '{"name": "time", "arguments": {}}'

const CASES: Readonly<Record<string, Case>> = {
  'words alone stay as they are': {
    format: 'hermes',
    answer: ' It is <tool cold, [TOOL_ <|py {"name": 1}\n\n',
    text: ' It is <tool cold, [TOOL_ <|py {"name": 1}\n\n',
    calls: [],
  },
  'a call between tags': {
    format: 'hermes',
    answer: `<tool_call>\n${WEATHER}\n</tool_call>`,
    text: '',
    calls: [ONE],
  },
  'words, then two calls': {
    format: 'hermes',
    answer: `I look.\n\n<tool_call>\n${WEATHER}\n</tool_call>\n<tool_call>${TIME}</tool_call>\n`,
    text: 'I look.',
    calls: [ONE, TWO],
  },
  'one call where only one is wanted': {
    format: 'hermes',
    answer: `<tool_call>\n${WEATHER}\n</tool_call>\n<tool_call>${TIME}</tool_call>`,
    text: '',
    calls: [ONE],
    isParallel: false,
  },
  'the closing tag inside of a text': {
    format: 'hermes',
    answer: '<tool_call>{"name":"weather","arguments":{"city":"</tool_call> \\" }"}}</tool_call>',
    text: '',
    calls: [{ name: 'weather', arguments: '{"city":"</tool_call> \\" }"}' }],
  },
  'numbers of more digits than a double has': {
    format: 'hermes',
    answer: '<tool_call>{"arguments": {"id": 12345678901234567890}, "name": "time"}</tool_call>',
    text: '',
    calls: [{ name: 'time', arguments: '{"id": 12345678901234567890}' }],
  },
  'a call without its closing tag, at the end': {
    format: 'hermes',
    answer: `<tool_call>${TIME}`,
    text: '',
    calls: [TWO],
  },
  'what nobody offered is words, and the call behind it is one': {
    format: 'hermes',
    answer: `<tool_call>{"name": "rm", "arguments": {}}</tool_call><tool_call>${TIME}</tool_call>`,
    text: '<tool_call>{"name": "rm", "arguments": {}}</tool_call>',
    calls: [TWO],
  },
  'a call that was cut off is words': {
    format: 'hermes',
    answer: 'Well <tool_call>\n{"name": "weather", "argu',
    text: 'Well <tool_call>\n{"name": "weather", "argu',
    calls: [],
  },
  'broken JSON is words': {
    format: 'hermes',
    answer: '<tool_call>{"name": weather}</tool_call> <tool_call>no',
    text: '<tool_call>{"name": weather}</tool_call> <tool_call>no',
    calls: [],
  },
  'arguments written as a text': {
    format: 'hermes',
    answer: '<tool_call>{"name": "weather", "arguments": "{\\"city\\": \\"Bern\\"}"}</tool_call>',
    text: '',
    calls: [ONE],
  },
  'a list behind the mark': {
    format: 'mistral',
    answer: ` [TOOL_CALLS] [${WEATHER}, ${TIME}]`,
    text: '',
    calls: [ONE, TWO],
  },
  'a list whose mark was in the prompt': {
    format: 'mistral',
    answer: `[${WEATHER}]`,
    text: '',
    calls: [ONE],
    isOpened: true,
  },
  'an empty list is words': {
    format: 'mistral',
    answer: '[TOOL_CALLS] []',
    text: '[TOOL_CALLS] []',
    calls: [],
  },
  'a list with a stranger is words': {
    format: 'mistral',
    answer: `[TOOL_CALLS][${WEATHER}, {"name": "rm", "arguments": {}}]`,
    text: `[TOOL_CALLS][${WEATHER}, {"name": "rm", "arguments": {}}]`,
    calls: [],
  },
  'bare JSON at the beginning': {
    format: 'llama3',
    answer: '\n{"name": "weather", "parameters": {"city": "Bern"}}',
    text: '',
    calls: [ONE],
  },
  'bare JSON behind the mark, several': {
    format: 'llama3',
    answer:
      '<|python_tag|>{"name": "weather", "parameters": {"city": "Bern"}}; {"name": "time", "parameters": {}}',
    text: '',
    calls: [ONE, TWO],
  },
  'JSON that is no call': {
    format: 'llama3',
    answer: ' {"answer": 7}; {"name": "time", "parameters": {}}',
    text: ' {"answer": 7}; {"name": "time", "parameters": {}}',
    calls: [],
  },
  'JSON behind words': {
    format: 'llama3',
    answer: 'So: {"name": "time", "parameters": {}}',
    text: 'So: {"name": "time", "parameters": {}}',
    calls: [],
  },
}

function parse(one: Case, pieces: readonly string[]) {
  const { format, isParallel = true, isOpened = false } = one
  const parser = new CallParser({ format, names: ['weather', 'time'], isParallel, isOpened })
  const parsed = [...pieces.map((piece) => parser.push(piece)), parser.end()]
  return {
    text: parsed.map(({ text }) => text).join(''),
    calls: parsed.flatMap(({ calls }) => calls),
  }
}

for (const [name, one] of Object.entries(CASES)) {
  test(`${one.format}: ${name}, in whatever pieces it comes`, () => {
    const expected = { text: one.text, calls: one.calls }
    assert.deepEqual(parse(one, [one.answer]), expected)
    assert.deepEqual(parse(one, [...one.answer]), expected)
    const cuts = fc.array(fc.nat(one.answer.length), { maxLength: 6 })
    fc.assert(
      fc.property(cuts, (places) => {
        const at = [0, ...places.sort((a, b) => a - b), one.answer.length]
        const pieces = at.slice(1).map((end, i) => one.answer.slice(at[i], end))
        assert.deepEqual(parse(one, pieces), expected)
      }),
      { numRuns: 30, seed: 6 },
    )
  })
}

test('words are told as soon as they cannot begin a call', () => {
  const parser = new CallParser({ format: 'hermes', names: ['time'], isParallel: true })
  assert.equal(parser.push('Hello <').text, 'Hello')
  assert.equal(parser.push('b>').text, ' <b>')
  assert.equal(parser.push(' <tool_').text, '')
  assert.equal(parser.push('box>').text, ' <tool_box>')
})

test('whatever an answer is, no character of words is lost', () => {
  const pieces = fc.array(
    fc.constantFrom(
      '<tool_call>',
      '</tool_call>',
      '{',
      '}',
      '"',
      '\\',
      ' ',
      'a',
      ': ',
      '[',
      ']',
      '\n',
    ),
  )
  fc.assert(
    fc.property(
      pieces,
      fc.constantFrom<ToolFormat>('hermes', 'mistral', 'llama3'),
      (words, format) => {
        const parser = new CallParser({ format, names: [], isParallel: true })
        const told = [...words.map((one) => parser.push(one)), parser.end()]
        assert.equal(told.map(({ text }) => text).join(''), words.join(''))
      },
    ),
    { numRuns: 500, seed: 7 },
  )
})
