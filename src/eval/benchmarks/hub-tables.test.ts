/** Tables of the hub are asked and scored as the files that the authors released. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EvalFile, Row } from '../eval-file.ts'
import { questionFinder, releasedFiles, type LazyPicture } from '../question.ts'
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

test('answers that exist are scored against the tables, given as questions', async () => {
  const rows = ['yes', 'no'].map((answer, i) => ({
    question_id: String(i),
    question: `Is there a car ${i} in the image?`,
    answer,
    image: picture,
    category: 'random',
  }))
  const questions: EvalFile[] = [{ name: 'test-0.parquet', text: '', rows }]
  const texts = [
    { question_id: 'random/0', text: 'Yes' },
    { question_id: 'random/1', text: 'No' },
  ]
  const { metrics } = await score('pope', { answers: [jsonLines('a.jsonl', texts)], questions })
  assert.equal(metrics[0]!.value, 100)
  const gqa = { id: '7', imageId: 'n', question: 'What?', answer: 'car' }
  const report = await score('gqa', {
    answers: [jsonLines('a.jsonl', [{ question_id: '7', text: 'Car' }])],
    questions: [{ name: 'testdev-0.parquet', text: '', rows: [gqa] }],
  })
  assert.equal(report.metrics[0]!.value, 100)
})

test('a table of something else is refused by the column that is missing', () => {
  assert.throws(() => released('pope', [{ question_id: '1', text: 'x' }]), {
    code: 'INPUT_QUESTIONS_COLUMN',
  })
})

/** Released for the same questions as the rows beside it. */
function prompts(name: string, lines: readonly object[]): string[] {
  const file = jsonLines('questions.jsonl', lines)
  return findBenchmark(name)
    .ask!.questions([file])
    .map(({ prompt }) => prompt)
}

test('GQA: two tables, the pictures of one shared by the questions of the other and read once', async () => {
  let reads = 0
  const shared = async () => new Uint8Array([++reads])
  const table = (name: string, rows: Row[]): EvalFile => ({ name, text: '', rows, sha256: 'x' })
  const question = (id: string, imageId: string, text: string, answer: string): Row => ({
    id,
    imageId,
    question: text,
    answer,
    types: { structural: answer === 'no' ? 'verify' : 'query', semantic: 'global' },
  })
  const files = [
    table('testdev_balanced_images/testdev-0.parquet', [{ id: 'n161313', image: shared }]),
    table('testdev_balanced_instructions/testdev-0.parquet', [
      question('201307251', 'n161313', 'Is it overcast?', 'no'),
      question('2', 'n2', 'Who is wearing the DVD?', 'boy'),
      question('3', 'n161313', 'What is this?', 'road'),
    ]),
    table('train_all_images/train-0.parquet', [{ id: 'n161313', image: picture }]),
  ]
  const { ask } = findBenchmark('gqa')
  const made = releasedFiles(ask, { questions: ask!.pick!(files), labels: [] })
  const asked = ask!.questions(made.questions)
  assert.deepEqual(
    asked.slice(0, 2).map(({ prompt }) => prompt),
    prompts('gqa', [
      { question_id: '201307251', image: 'n161313.jpg', text: `Is it overcast?\n${SHORT}` },
      { question_id: '2', image: 'n2.jpg', text: `Who is wearing the DVD?\n${SHORT}` },
    ]),
  )
  assert.deepEqual(asked[1]!.images, ['n2.jpg'])
  const [first, , third] = asked.map(({ images }) => images[0] as LazyPicture)
  assert.deepEqual([await first!(), await third!(), reads], [Uint8Array.of(1), Uint8Array.of(1), 1])
  const { metrics } = await scored('gqa', { ...made, asked }, ['No', 'girl', 'Road.'])
  assert.deepEqual(
    metrics.slice(0, 3).map(({ name, value }) => [name, Math.round(value!)]),
    [
      ['accuracy', 67],
      ['binary', 100],
      ['global', 67],
    ],
  )
  // The same tables as labels of answers that exist.
  const again = await score('gqa', {
    answers: [jsonLines('answers.jsonl', [{ question_id: '2', text: 'Boy' }])],
    labels: [files[0]!, files[1]!],
  })
  assert.deepEqual([again.counts.questions, again.counts.missing], [3, 2])
})

test('VQAv2 and VizWiz: the split whose truth is public is asked and scored', async () => {
  const tens = (answer: string) => Array.from({ length: 10 }, () => answer)
  const vqa: Row = {
    question_id: 262148000,
    image_id: 262148,
    image: picture,
    question: 'Where is he looking?',
    answers: tens('down').map((answer, i) => ({ answer, answer_confidence: 'yes', answer_id: i })),
  }
  const made = released('vqav2', [vqa], 'data/validation-0.parquet')
  const line = { question_id: 262148000, image: 'x.jpg', text: `Where is he looking?\n${SHORT}` }
  assert.deepEqual(
    made.asked.map(({ id, prompt }) => [id, prompt]),
    [[262148000, ...prompts('vqav2', [line])]],
  )
  assert.equal((await scored('vqav2', made, ['Down'])).metrics[0]!.value, 100)

  const blind = { question_id: 'VizWiz_val_00000000', image: picture, category: 'other' }
  const question = "ok. there is another Picture i hope it's a better one."
  const val = released('vizwiz', [{ ...blind, question, answers: tens('solar') }])
  assert.equal(
    val.asked[0]!.prompt,
    `Ok. there is another picture i hope it's a better one.\nWhen the provided information is insufficient, respond with 'Unanswerable'.\n${SHORT}`,
  )
  const report = await scored('vizwiz', val, ['Solar'])
  assert.deepEqual(
    [report.metrics[0]!.value, report.written['submission.json']],
    [100, '[{"image": "VizWiz_val_00000000.jpg", "answer": "solar"}]'],
  )
  // The test split has no answers: only the submission is made.
  for (const answers of [[], null, tens('')]) {
    const test = released('vizwiz', [{ ...blind, question, answers }])
    assert.deepEqual(test.labels, [])
    assert.equal((await scored('vizwiz', test, ['Solar'])).metrics.length, 0)
  }
  const named = ['data/test-0.parquet', 'data/testdev-0.parquet', 'data/validation-0.parquet']
  const pick = (names: readonly string[]) =>
    findBenchmark('vqav2').ask!.pick!(names.map((name) => ({ name }))).map(({ name }) => name)
  assert.deepEqual(pick(named), [named[2]])
  assert.deepEqual(pick(named.slice(0, 2)), [named[1]])
  assert.deepEqual(pick(named.slice(0, 1)), [named[0]])
})

test('TextVQA: with OCR tokens and without, as LLaVA’s file has them', async () => {
  const row: Row = {
    image_id: '003a8ae2ef43b901',
    question_id: 34602,
    image: picture,
    question: 'what is the brand of this camera?',
    answers: [...Array.from({ length: 8 }, () => 'dakota'), 'dakota digital', 'nous les gosses'],
    ocr_tokens: ['DAKOTA', 'DIGITAL', 'Single-Use', 'Camera'],
  }
  const line = {
    question_id: '003a8ae2ef43b901',
    image: '003a8ae2ef43b901.jpg',
    text: `What is the brand of this camera?\nReference OCR token: DAKOTA, DIGITAL, Single-Use, Camera\n${SHORT}`,
  }
  for (const name of ['textvqa', 'textvqa-no-ocr']) {
    const made = released(name, [row], 'data/validation-0.parquet')
    assert.deepEqual(
      made.asked.map(({ prompt }) => prompt),
      prompts(name, [line]),
    )
    assert.equal((await scored(name, made, ['Dakota'])).metrics[0]!.value, 100)
  }
  // A table without tokens is not asked as if a picture had no text.
  const { ocr_tokens: _tokens, ...without } = row
  assert.throws(() => released('textvqa', [without]), { code: 'INPUT_QUESTIONS_FOREIGN' })
  assert.equal(released('textvqa-no-ocr', [without]).asked.length, 1)
  // Without a token the line stands there all the same.
  const bare = released('textvqa', [{ ...row, ocr_tokens: [] }])
  assert.match(bare.asked[0]!.prompt, /\nReference OCR token: \n/)
})

test('ScienceQA: pictures, contexts and the table by subject come out of the hub’s rows', async () => {
  const rows: Row[] = [
    {
      image: null,
      question: 'Would you find the word dozen  between these guide words?\ndaddy - definition',
      choices: ['no', 'yes'],
      answer: 0,
      hint: '',
      grade: 'grade3',
      subject: 'language science',
    },
    {
      image: picture,
      question: 'Which of the following could this test show?',
      choices: ['if it was damaged', 'how steady it was', 'whether it swings'],
      answer: 1,
      hint: 'The passage below describes a test.\nFigure: a parachute.',
      grade: 'grade8',
      subject: 'natural science',
    },
  ]
  const made = released('scienceqa', rows)
  const letter = "\nAnswer with the option's letter from the given choices directly."
  assert.deepEqual(
    made.asked.map(({ prompt, images }) => [prompt, images]),
    [
      [
        `Would you find the word dozen between these guide words?\ndaddy - definition\nA. no\nB. yes${letter}`,
        [],
      ],
      [
        `Context: The passage below describes a test.\nFigure: a parachute.\nWhich of the following could this test show?\nA. if it was damaged\nB. how steady it was\nC. whether it swings${letter}`,
        [picture],
      ],
    ],
  )
  const { metrics, outcomes } = await scored('scienceqa', made, ['A', 'C'])
  assert.deepEqual(Object.fromEntries(metrics.map(({ name, value }) => [name, value])), {
    'accuracy IMG': 0,
    accuracy: 50,
    NAT: 0,
    LAN: 100,
    TXT: 0,
    IMG: 0,
    NO: 100,
    'G1-6': 100,
    'G7-12': 0,
  })
  const find = questionFinder(made.asked)
  assert.deepEqual(outcomes.map(find), made.asked)
  const folders = ['ScienceQA-FULL/test-0', 'ScienceQA-FULL/validation-0', 'ScienceQA-IMG/test-0']
  const { pick } = findBenchmark('scienceqa').ask!
  assert.deepEqual(pick!(folders.map((name) => ({ name: `${name}.parquet` }))), [
    { name: 'ScienceQA-FULL/test-0.parquet' },
  ])
})

test('MM-Vet: the truth for the judge, and capabilities for the table, come out of the hub’s rows', async () => {
  const row: Row = {
    question_id: 'v1_0',
    image: picture,
    image_source: 'web',
    question: 'What is x in the equation?',
    answer: '-1<AND>-5',
    capability: 'ocr,math',
  }
  const made = released('mm-vet', [row])
  const line = { question_id: 0, image: 'v1_0.png', text: 'What is x in the equation?' }
  assert.deepEqual(
    made.asked.map(({ id, truth, prompt }) => [id, truth, prompt]),
    [[0, 'v1_0', ...prompts('mm-vet', [line])]],
  )
  const tasks = findBenchmark('mm-vet').judge!.tasks({
    answers: [{ id: '0', text: 'x = -1', row: {} }],
    questions: made.questions,
    labels: made.labels,
  })
  assert.match(
    tasks[0]!.messages[0]!.content,
    /\nWhat is x in the equation\? \| -1 <AND> -5 \| x = -1 \|$/,
  )
  const { metrics } = await score('mm-vet', {
    answers: [{ name: 'grades.json', text: '{"v1_0": {"score": [0.5]}}' }],
    labels: made.labels,
  })
  assert.deepEqual(
    metrics.map(({ name, value }) => [name, value]),
    [
      ['total', 50],
      ['ocr', 50],
      ['math', 50],
    ],
  )
})
