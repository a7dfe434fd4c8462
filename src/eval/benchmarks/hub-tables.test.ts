/** Tables of the hub are asked and scored as the files that the authors released. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EvalFile, Row } from '../eval-file.ts'
import { questionFinder, releasedFiles } from '../question.ts'
import { findBenchmark, score } from '../score.ts'
import { jsonLines } from '../../../test/eval-files.ts'

const picture = async () => new Uint8Array(1)
const SHORT = 'Answer the question using a single word or phrase.'

function released(name: string, rows: Row[], file = 'data/test-0.parquet') {
  const table: EvalFile = { name: file, text: '', rows, sha256: 'x' }
  const { ask } = findBenchmark(name)
  const files = releasedFiles(ask, { questions: [table], labels: [] })
  return { ...files, asked: ask!.questions(files.questions) }
}

/** Every question answered by its truth. */
async function scored(name: string, made: ReturnType<typeof released>, texts: readonly string[]) {
  const answers = made.asked.map(({ id, prompt }, i) => ({
    question_id: id,
    prompt,
    text: texts[i],
  }))
  const { files } = findBenchmark(name)
  return score(name, {
    answers: [jsonLines('answers.jsonl', answers)],
    labels: made.labels,
    ...(files.questions === undefined ? {} : { questions: made.questions }),
  })
}

test('POPE: ids repeat from category to category, and each is asked', async () => {
  const rows = ['random', 'popular', 'adversarial'].flatMap((category) =>
    ['yes', 'no'].map((answer, i) => ({
      id: '0',
      question_id: String(i),
      question: `Is there a car ${i} in the image?`,
      answer,
      image: picture,
      category,
    })),
  )
  const made = released('pope', rows)
  assert.deepEqual(
    [made.asked.length, made.asked[0]!.prompt, made.asked[0]!.images],
    [6, `Is there a car 0 in the image?\n${SHORT}`, [picture]],
  )
  const right = await scored('pope', made, ['Yes', 'No', 'Yes', 'No', 'Yes', 'No'])
  assert.equal(right.metrics[0]!.value, 100)
  const half = await scored('pope', made, ['Yes', 'Yes', 'Yes', 'No', 'Yes', 'No'])
  assert.equal(half.metrics.find(({ name }) => name === 'accuracy random')!.value, 50)
})

test('MME: two questions of a picture are a pair, the instruction is LLaVA’s', async () => {
  const rows = ['Yes', 'No'].map((answer, i) => ({
    question_id: 'existence/0006.jpg',
    question: `Is there a thing ${i}?  Please answer yes or no.`,
    answer,
    category: 'existence',
    image: picture,
  }))
  const made = released('mme', rows)
  assert.equal(made.asked[1]!.prompt, `Is there a thing 1?\n${SHORT}`)
  const { metrics, counts, outcomes } = await scored('mme', made, ['Yes', 'Yes'])
  // A wrong answer stood in the report without its picture and question.
  const find = questionFinder(made.asked)
  assert.deepEqual(outcomes.map(find), made.asked)
  assert.equal(metrics.find(({ name }) => name === 'existence')!.value, 50)
  assert.equal(counts.missing, 0)
})

test('SEED-Bench: pictures and frames; SEED-IMG leaves the clips out', async () => {
  const row = (id: string, type: string, images: number): Row => ({
    question_id: id,
    question: 'How many?',
    choice_a: 'One',
    choice_b: 'Two',
    choice_c: 'Three',
    choice_d: 'Four',
    answer: 'B',
    data_type: type,
    question_type_id: 5,
    image: Array.from({ length: images }, () => picture),
  })
  const rows = [row('1', 'image', 1), row('2', 'video', 4)]
  const all = released('seed-bench', rows)
  assert.deepEqual(
    all.asked.map(({ images }) => images.length),
    [1, 4],
  )
  assert.match(all.asked[0]!.prompt, /^How many\?\nA\. One\nB\. Two\n/)
  assert.deepEqual(
    (await scored('seed-bench', all, ['B', 'C'])).metrics.map(({ name, value }) => [name, value]),
    [
      ['accuracy', 50],
      ['accuracy image', 100],
      ['accuracy video', 0],
      ['Instances Counting', 50],
    ],
  )
  const pictures = released('seed-img', rows)
  assert.equal(pictures.asked.length, 1)
  assert.equal((await scored('seed-img', pictures, ['B'])).metrics[0]!.value, 100)
})

test('a table of something else is refused by the column that is missing', () => {
  assert.throws(() => released('pope', [{ question_id: '1', text: 'x' }]), {
    code: 'INPUT_ANSWERS_FIELD',
  })
})
