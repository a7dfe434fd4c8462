import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InputError } from '../core/errors.ts'
import { score } from './score.ts'

const rows = Array.from({ length: 12 }, (_, i) => ({
  question: `What is in picture ${i}?\nA. x\nB. y\nPlease answer directly with only the letter`,
  answer: 'AB'[i % 2] as string,
}))
const table = (of: readonly object[]) => [
  {
    name: 'test-00000-of-00001.parquet',
    text: '',
    rows: of as Record<string, unknown>[],
    sha256: 'x',
  },
]
const answersTo = (prompts: readonly string[]) => [
  {
    name: 'answers.jsonl',
    text: prompts
      .map(
        (prompt, i) =>
          `${JSON.stringify({ question_id: String(i), prompt, text: rows[i]?.answer })}\n`,
      )
      .join(''),
  },
]
const answers = answersTo(rows.map(({ question }) => question))
const value = async (given: ReturnType<typeof answersTo>, labels: readonly object[]) =>
  (await score('realworldqa', { answers: given, labels: table(labels) })).metrics[0]?.value

test('the same rows in another order are refused by the first answer that is of another place', async () => {
  assert.equal(await value(answers, rows), 100)
  const moved = [...rows.slice(1), ...rows.slice(0, 1)]
  await assert.rejects(value(answers, moved), (error) => {
    assert.ok(error instanceof InputError)
    assert.equal(error.code, 'INPUT_LABELS_FOREIGN')
    assert.match(error.message, /answer 0 .* its prompt is that of 11; give the files/)
    return true
  })
})

test('the question in other words is still that question, and a prompt that is in no place is scored', async () => {
  const framed = rows.map(
    ({ question }) => `Look closely. ${question.replace('\n', '  \n ')} Thanks.`,
  )
  assert.equal(await value(answersTo(framed), rows), 100)
  assert.equal(await value(answersTo(rows.map(() => 'Well?')), rows), 100)
})

test('a short question that is a part of a few prompts in other words is no other place', async () => {
  const [first, ...rest] = rows
  const short = [{ ...first!, question: 'What is' }, ...rest]
  const words = rows.map((_, i) => (i < 3 ? 'What is it?' : 'Well?'))
  assert.equal(await value(answersTo(words), short), 100)
})
