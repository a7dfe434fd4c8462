import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { formOf, intersectionOverUnion, readInForm } from '../metrics/mini-answer.ts'
import { findBenchmark, score } from '../score.ts'
import { jsonLines as lines } from '../../../test/eval-files.ts'

const item = (task: string, i: number, answer: string, choices?: string[]) => ({
  id: `${task}-${i}`,
  image: `${i}.png`,
  task,
  question: `q${i}`,
  answer,
  ...(choices && { choices }),
})
const truth = (answer: string, choices: string[] = []) => ({ answer, choices })

const LABELS = [
  lines('presence.jsonl', [
    item('presence', 0, 'Yes'),
    item('presence', 1, 'No'),
    item('presence', 2, 'Yes'),
    item('presence', 3, 'Yes'),
  ]),
  lines('boxes.jsonl', [
    item('boxes', 0, '[0.00, 0.00, 0.50, 0.50]'),
    item('boxes', 1, '[0.50, 0.50, 1.00, 1.00]'),
  ]),
  lines('json.jsonl', [
    item('json', 0, '{"star": 1, "circle": 2}'),
    item('json', 1, '[{"shape": "star"}]'),
  ]),
]
const ANSWERS = [
  lines('answers.jsonl', [
    { question_id: 'presence-0', text: 'yes.' },
    { question_id: 'presence-1', text: 'Yes' },
    { question_id: 'presence-2', text: 'No' },
    { question_id: 'boxes-0', text: '[0.0, 0.0, 0.5, 0.4]' },
    { question_id: 'boxes-1', text: 'at the bottom' },
    { question_id: 'json-0', text: '{"circle":2,"star":1}' },
    { question_id: 'json-1', text: '[{"shape": "star"' },
  ]),
]

test('tasks are scored in the form of their truths, beside what the commonest answer would score', async () => {
  const report = await score('quick', { answers: ANSWERS, labels: LABELS })
  const values = Object.fromEntries(
    report.metrics.map(({ name, value, baseline }) => [
      name,
      [Math.round(value!), baseline && Math.round(baseline.value)],
    ]),
  )
  assert.deepEqual(values, {
    overall: [38, 50],
    'mean of tasks': [42, undefined],
    boxes: [50, 0],
    'boxes mean overlap': [40, undefined],
    json: [50, 50],
    'json valid': [50, undefined],
    presence: [25, 75],
    // One yes right, one false, two missed: 2 / (2 + 1 + 2).
    'presence F1': [40, undefined],
  })
  assert.deepEqual(report.counts, { questions: 8, answers: 7, missing: 1, extra: 0, unreadable: 2 })
})

test('a limited run is scored over what it asked', async () => {
  const asked = new Set(['presence-0', 'presence-1'])
  const { counts, metrics } = await score('mini', {
    answers: [lines('a.jsonl', [{ question_id: 'presence-0', text: 'Yes' }])],
    labels: LABELS,
    asked,
  })
  assert.deepEqual([counts.questions, counts.missing, metrics[0]!.value], [2, 1, 50])
})

test('questions come with their pictures, one or several, and keep their task', () => {
  const { ask } = findBenchmark('mini-pairs')
  const rows = [
    item('pairs', 0, 'First'),
    { ...item('pairs', 1, 'Second'), image: ['a.png', 'b.png'] },
    { ...item('pairs', 2, 'x'), image: undefined },
  ]
  const asked = ask!.questions([lines('pairs.jsonl', rows)])
  assert.deepEqual(
    asked.map(({ images }) => images),
    [['0.png'], ['a.png', 'b.png'], []],
  )
  assert.deepEqual(asked[0]!.extra, { task: 'pairs' })
})

describe('a form', () => {
  test('is that of all truths', () => {
    assert.equal(formOf([truth('Yes'), truth('no')]), 'yes-no')
    assert.equal(formOf([truth('A', ['x', 'y']), truth('B', ['x', 'y'])]), 'letter')
    assert.equal(formOf([truth('3'), truth('seven')]), 'number')
    assert.equal(formOf([truth('[0.1, 0.2, 0.3, 0.4]')]), 'box')
    assert.equal(formOf([truth('{"a": 1}'), truth('[]')]), 'json')
    assert.equal(formOf([truth('Yes'), truth('3')]), 'text')
  })

  const cases = [
    ['letter', 'B. Star', truth('B', ['Moon', 'Star']), 1],
    ['letter', 'star', truth('B', ['Moon', 'Star']), 1],
    ['letter', 'A star', truth('B', ['Moon', 'Star']), 0],
    ['number', 'Three', truth('3'), 1],
    ['number', '3.0', truth('3'), 1],
    ['number', '3 or 4', truth('3'), 0],
    ['text', ' royal  GALA. ', truth('Royal Gala'), 1],
    ['text', 'two', truth('2'), 1],
    ['text', 'a royal gala', truth('Royal Gala'), 0],
    ['box', '[0, 0, 0.5, 0.25]', truth('[0.0, 0.0, 0.5, 0.5]'), 1],
    ['box', '[0, 0, 0.5, 0.24]', truth('[0.0, 0.0, 0.5, 0.5]'), 0],
    ['box', '[0.5, 0, 0, 0.5]', truth('[0.0, 0.0, 0.5, 0.5]'), 0],
    ['json', '{"b": [1, 2], "a": 1}', truth('{"a": 1, "b": [1, 2]}'), 1],
    ['json', '{"b": [2, 1], "a": 1}', truth('{"a": 1, "b": [1, 2]}'), 0],
  ] as const
  for (const [form, given, expected, right] of cases) {
    test(`${form}: ${given} for ${expected.answer} is ${right === 1 ? 'right' : 'wrong'}`, () => {
      assert.equal(readInForm(form, given, expected).score, right)
    })
  }
})

test('overlap is the area in common over the area of both', () => {
  assert.equal(intersectionOverUnion([0, 0, 1, 1], [0, 0, 1, 1]), 1)
  assert.equal(intersectionOverUnion([0, 0, 0.5, 1], [0.5, 0, 1, 1]), 0)
  assert.ok(Math.abs(intersectionOverUnion([0, 0, 2, 2], [1, 1, 3, 3]) - 1 / 7) < 1e-12)
  assert.equal(intersectionOverUnion([0, 0, 0, 0], [0, 0, 0, 0]), 0)
})
