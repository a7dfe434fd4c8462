import assert from 'node:assert/strict'
import { test } from 'node:test'
import { score } from './score.ts'
import { jsonLines } from '../../test/eval-files.ts'

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
const foreign = (message: RegExp) => ({ code: 'INPUT_LABELS_FOREIGN', message })
const answers = answersTo(rows.map(({ question }) => question))
const value = async (given: ReturnType<typeof answersTo>, labels: readonly object[]) =>
  (await score('realworldqa', { answers: given, labels: table(labels) })).metrics[0]?.value

test('the same rows in another order are refused by the first answer that is of another place', async () => {
  assert.equal(await value(answers, rows), 100)
  const moved = [...rows.slice(1), ...rows.slice(0, 1)]
  const message = /answer 0 .* its prompt is that of 11; give the files/
  await assert.rejects(value(answers, moved), foreign(message))
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

test('a short question that is a part of the only strange prompt, or of all of them, is no other place', async () => {
  const short = [{ ...rows[0]!, question: 'What is' }, ...rows.slice(1)]
  const own = short.map(({ question }) => question)
  const one = [...own.slice(0, -1), 'What is it?']
  assert.equal(await value(answersTo(one), short), 100)
  assert.equal(await value(answersTo(own.map(() => 'What is shown here?')), short), 100)
})

test('the later rounds of MMBench have the options of other rows', async () => {
  const colours = ['red', 'green', 'blue']
  const turned = (id: number, by: number) =>
    [...colours.slice(by), ...colours.slice(0, by)].map((colour) => `${colour} ${id}`)
  const balls = [1, 2].flatMap((id) =>
    [0, 1, 2].map((by) => ({
      index: id + 1e6 * by,
      question: `Which colour is ball ${id}?`,
      id,
      by,
    })),
  )
  const labels = balls.map(({ id, by, ...row }) => {
    const options = turned(id, by)
    return {
      ...row,
      ...Object.fromEntries(options.map((option, i) => ['ABC'[i], option])),
      answer: 'ABC'[options.indexOf(`red ${id}`)],
    }
  })
  // The authors' script turns the options of each row, those of turned rows too.
  const said = balls.flatMap(({ index, question, id, by }) =>
    [0, 1, 2].map((round) => {
      const options = turned(id, (by + round) % 3)
      const lines = options.map((option, i) => `${'ABC'[i]}. ${option}`)
      const text = 'ABC'[options.indexOf(`red ${id}`)]
      return { question_id: index, round_id: round, prompt: [question, ...lines].join('\n'), text }
    }),
  )
  const files = { answers: [jsonLines('a.jsonl', said)], labels: [jsonLines('t.jsonl', labels)] }
  const { counts, metrics } = await score('mmbench', files)
  assert.deepEqual([counts.questions, counts.missing, metrics[0]?.value], [18, 0, 100])
})

test('samples of lmms-eval are of the rows in their places: by their input, where they hold no id', async () => {
  const asked = ['How tall is it?', 'Which bar is red?', 'What year is this?', 'Who won?']
  const samples = asked.map((question, i) => ({
    doc_id: i,
    input: `${question}\nAnswer the question with a single word.`,
    target: String(i),
    filtered_resps: String(i),
  }))
  const given = [jsonLines('2026_samples_x.jsonl', samples)]
  const scored = async (name: string, labels: readonly object[]) => {
    const report = await score(name, { answers: given, labels: table(labels) })
    return report.metrics[0]?.value
  }
  const forms = {
    chartqa: asked.map((question, i) => ({ question, answer: String(i) })),
    // Ids that are the places of other rows.
    docvqa: asked.map((question, i) => ({ questionId: 3 - i, question, answers: [String(i)] })),
  }
  for (const [name, labels] of Object.entries(forms)) {
    assert.equal(await scored(name, labels), 100, name)
    await assert.rejects(scored(name, labels.toReversed()), foreign(/answer 0 .* is that of 3;/))
  }
})

test('the questions of ScienceQA have no ids: samples are of those in their places', async () => {
  const asked = ['Which is a fish?', 'Which is a bird?', 'Which is a tree?', 'Which is a rock?']
  const samples = asked.map((question, i) => ({
    doc_id: i,
    input: `${question}\nA. x\nB. y`,
    target: 'AB'[i % 2],
    filtered_resps: 'AB'[i % 2],
  }))
  const labels = asked.map((question, i) => ({ question, choices: ['x', 'y'], answer: i % 2 }))
  const given = [jsonLines('2026_samples_scienceqa_img.jsonl', samples)]
  const scored = (rows: readonly object[]) =>
    score('scienceqa', { answers: given, questions: table(rows) })
  assert.equal((await scored(labels)).metrics[1]?.value, 100)
  await assert.rejects(scored(labels.toReversed()), foreign(/answer 0 .* is that of 3;/))
})
