/** Released question files as they are, and what is asked. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EvalFile } from './eval-file.ts'
import type { LazyPicture, Question } from './question.ts'
import { shownPrompt } from './question.ts'
import { BENCHMARKS } from './benchmarks/index.ts'
import { findBenchmark, score } from './score.ts'
import { jsonFile as json, jsonLines as lines } from '../../test/eval-files.ts'

const ask = (name: string, file: EvalFile): Question[] => findBenchmark(name).ask!.questions([file])
const LETTER = "Answer with the option's letter from the given choices directly."
const SHORT = 'Answer the question using a single word or phrase.'

test('every benchmark says how it is asked', () => {
  assert.deepEqual(
    BENCHMARKS.filter((one) => one.ask === undefined).map(({ name }) => name),
    [],
  )
})

test('LLaVA’s question files are asked as they are, with their ids and limits', () => {
  const row = {
    question_id: 262144000,
    image: 'COCO_test2015_000000262144.jpg',
    text: `Is it?\n${SHORT}`,
  }
  const [vqa] = ask('vqav2', lines('q.jsonl', [row]))
  assert.deepEqual(vqa, {
    id: 262144000,
    prompt: row.text,
    images: [row.image],
    maxTokens: 128,
    isVisual: true,
  })
  assert.equal(ask('mm-vet', lines('q.jsonl', [{ ...row, question_id: 3 }]))[0]!.maxTokens, 1024)
  assert.equal(ask('mm-vet', lines('q.jsonl', [{ ...row, question_id: 3 }]))[0]!.truth, 'v1_3')
  assert.equal(
    ask('mme', lines('q.jsonl', [{ ...row, question_id: 'OCR/1.jpg' }]))[0]!.group,
    'OCR/1.jpg',
  )
})

test('TextVQA is asked with the OCR tokens and without', () => {
  const text = `What Brand?\nReference OCR token: a, b\n${SHORT}`
  const file = lines('q.jsonl', [{ question_id: 'x', image: 'x.jpg', text }])
  assert.equal(ask('textvqa', file)[0]!.prompt, text)
  const [bare] = ask('textvqa-no-ocr', file)
  assert.deepEqual([bare!.prompt, bare!.truth], [`What Brand?\n${SHORT}`, 'x what brand?'])
})

test('ScienceQA asks text questions without a picture, and answer files say which had one', () => {
  const turns = (value: string) => [
    { from: 'human', value },
    { from: 'gpt', value: 'B' },
  ]
  const [seen, read] = ask(
    'scienceqa',
    json('q.json', [
      { id: '5', image: '5/image.png', conversations: turns('<image>\nQ\nA. x\nB. y') },
      { id: '6', conversations: turns('Q') },
    ]),
  )
  assert.deepEqual(
    [seen!.images, seen!.prompt, shownPrompt(seen!)],
    [['5/image.png'], `Q\nA. x\nB. y\n${LETTER}`, `<image>\nQ\nA. x\nB. y\n${LETTER}`],
  )
  assert.deepEqual([read!.images, shownPrompt(read!)], [[], `Q\n${LETTER}`])
})

test('ScienceQA’s fine-tune is asked without an instruction, its truth is the letter at the end of a solution', async () => {
  const turns = (truth: string) => [{ value: 'Q\nA. x\nB. y' }, { value: truth }]
  const file = json('llava_test_QCM-LEA.json', [
    { id: '0', conversations: turns('Look. The answer is A. Or so they say. The answer is B.') },
    { id: '1', conversations: turns('LECTURE: l\nSOLUTION: s\n###\nANSWER: A.') },
  ])
  assert.equal(ask('scienceqa', file)[0]!.prompt, 'Q\nA. x\nB. y')
  const answers = [
    { question_id: '0', text: 'l s The answer is B.' },
    { question_id: '1', text: 'The answer is B.' },
  ]
  const request = { answers: [lines('a.jsonl', answers)], questions: [file] }
  const { metrics } = await score('scienceqa', request)
  assert.equal(metrics.find(({ name }) => name === 'accuracy')!.value, 50)
  await assert.rejects(
    score('scienceqa', {
      ...request,
      questions: [json('q.json', [{ id: '0', conversations: turns('no letter') }])],
    }),
    { code: 'INPUT_ANSWERS_BROKEN', message: /The answer is X/ },
  )
})

describe('MMBench', () => {
  const picture = Buffer.from(Uint8Array.from({ length: 300 }, (_, i) => i)).toString('base64')
  const tsv = (rows: string[][]): EvalFile => ({
    name: 'a.tsv',
    text: [['index', 'question', 'hint', 'A', 'B', 'C', 'D', 'image'], ...rows]
      .map((row) => row.join('\t'))
      .join('\n'),
  })

  test('takes options to the first that is missing, hints where there are any, pictures by index', async () => {
    const [first, turned] = ask(
      'mmbench',
      tsv([
        ['7', 'Q?', 'H', 'x', 'y', 'nan', 'z', picture],
        ['1000007', 'Q?', 'nan', 'y', 'x', '', '', '7'],
      ]),
    )
    assert.equal(first!.prompt, `H\nQ?\nA. x\nB. y\n${LETTER}`)
    assert.equal(shownPrompt(first!), 'H\nQ?\nA. x\nB. y')
    assert.deepEqual(first!.extra, { round_id: 0, options: ['x', 'y'], option_char: ['A', 'B'] })
    assert.equal(turned!.prompt, `Q?\nA. y\nB. x\n${LETTER}`)
    assert.deepEqual([first!.group, turned!.group], ['7', '7'])
    for (const { images } of [first!, turned!])
      assert.equal((await (images[0] as LazyPicture)())?.length, 300)
  })

  test('takes an index as a number too, as JSON has it', () => {
    const row = { index: 7, question: 'Q?', A: 'x', B: 'y', image: picture }
    const asked = ask('mmbench', lines('a.jsonl', [row, { ...row, index: 1_000_007, image: 7 }]))
    assert.deepEqual(
      asked.map(({ images }) => images.length),
      [1, 1],
    )
  })

  test('decodes no picture before it is read', (t) => {
    const { mock } = t.mock.method(globalThis, 'atob')
    const rows = [['7', 'Q?', '', 'x', 'y', '', '', picture]]
    const [first] = ask('mmbench', tsv(rows))
    assert.equal(first!.images.length, 1)
    assert.equal(mock.callCount(), 0)
  })

  test('takes for no option what pandas does, and sodium for one', () => {
    const [first] = ask('mmbench', tsv([['7', 'Q?', 'na', 'Cl', 'Na', 'N/a', 'K', picture]]))
    assert.deepEqual(first!.extra?.['options'], ['Cl', 'Na', 'N/a', 'K'])
    const [other] = ask('mmbench', tsv([['7', 'Q?', '', 'Cl', 'F', 'N/A', 'K', picture]]))
    assert.deepEqual(other!.extra?.['options'], ['Cl', 'F'])
  })

  test('asks in Chinese where the benchmark is, and names a picture that is nowhere', () => {
    const [first] = ask('mmbench-cn', tsv([['7', 'Q?', '', 'x', 'y', '', '', picture]]))
    assert.equal(first!.prompt, 'Q?\nA. x\nB. y\n请直接回答选项字母。')
    assert.throws(() => ask('mmbench', tsv([['7', 'Q?', '', 'x', 'y', '', '', '9']])), {
      code: 'INPUT_QUESTIONS_PICTURE',
    })
  })
})

test('datasets’ own tables are asked with the instructions of lmms-eval', () => {
  const id = { question_id: '1' }
  const of = (name: string, row: object) =>
    ask(name, json('t.json', [{ ...id, answer: '1', ...row }]))[0]!
  assert.equal(
    of('ai2d', { question: 'Q', options: ['x', 'y'] }).prompt,
    `Q\nA. x\nB. y\n${LETTER}`,
  )
  assert.equal(
    of('chartqa', { question: 'Q' }).prompt,
    'Q\nAnswer the question with a single word.',
  )
  assert.deepEqual(
    [of('docvqa', { question: 'Q' }).prompt, of('docvqa', { question: 'Q' }).maxTokens],
    [`Q\n${SHORT}`, 32],
  )
  assert.equal(of('realworldqa', { question: ' Q\nA. x ' }).prompt, 'Q\nA. x')
  assert.equal(
    of('mathvista', { pid: '1', query: 'Hint: h\nQuestion: q' }).prompt,
    'Hint: h\nQuestion: q',
  )
})

test('MMMU takes the pictures that question and options name, in their order', () => {
  const row = {
    id: 'validation_Art_1',
    question: 'Which is <image 2>?',
    options: "['<image 1>', 'b']",
    answer: 'A',
    question_type: 'multiple-choice',
    image_1: { bytes: null, path: 'one.png' },
    image_2: 'two.png',
    image_3: 'three.png',
  }
  const [choice] = ask('mmmu', json('t.json', [row]))
  assert.equal(choice!.prompt, `Which is <image 2>?\nA. <image 1>\nB. b\n\n${LETTER}`)
  assert.deepEqual(choice!.images, ['one.png', 'two.png'])
  const [open] = ask('mmmu', json('t.json', [{ ...row, question_type: 'open' }]))
  assert.equal(open!.prompt, `Which is <image 2>?\n\n${SHORT}`)
})

describe('whole downloads', () => {
  const picked = (name: string, files: readonly string[]) =>
    findBenchmark(name).ask!.pick!(files.map((file) => ({ name: file }))).map((file) => file.name)

  test('of splits, sizes and languages that lie together, the benchmark’s is asked', () => {
    const document = ['DocVQA/test-0.parquet', 'DocVQA/validation-0.parquet']
    const poster = ['InfographicVQA/test-0.parquet', 'InfographicVQA/validation-0.parquet']
    // Both were asked as one, and the posters' words counted as the documents'.
    assert.deepEqual(picked('docvqa', [...document, ...poster]), ['DocVQA/validation-0.parquet'])
    assert.deepEqual(picked('infovqa', [...document, ...poster]), [
      'InfographicVQA/validation-0.parquet',
    ])
    // The split testmini begins as test does.
    assert.deepEqual(picked('mathvista', ['data/test-0.parquet', 'data/testmini-0.parquet']), [
      'data/testmini-0.parquet',
    ])
    assert.deepEqual(picked('mathvista', ['testmini.json']), ['testmini.json'])
    assert.deepEqual(picked('llava-wilder', ['Medium/train-0.parquet', 'Small/train-0.parquet']), [
      'Small/train-0.parquet',
    ])
    // A word that begins alike is no size.
    const likeSmall = ['smaller/a.jsonl', 'Small/b.jsonl']
    assert.deepEqual(picked('llava-wilder', likeSmall), ['Small/b.jsonl'])
    assert.deepEqual(
      picked('mmlu', ['a/dev-0.parquet', 'a/test-0.parquet', 'auxiliary_train/train-0.parquet']),
      ['a/test-0.parquet'],
    )
  })

  test('of MMBench’s tables those of dev in one language', () => {
    const tables = [
      'mmbench_dev_20230712.tsv',
      'mmbench_dev_cn_20231003.tsv',
      'mmbench_test_20230712.tsv',
    ]
    assert.deepEqual(picked('mmbench', tables), [tables[0]])
    assert.deepEqual(picked('mmbench-cn', tables), [tables[1]])
    assert.deepEqual(picked('mmbench-cn', ['cn/dev-0.parquet', 'en/dev-0.parquet']), [
      'cn/dev-0.parquet',
    ])
    assert.deepEqual(picked('mmbench', ['MMBench_DEV_CN.tsv', 'MMBench_DEV_EN.tsv']), [
      'MMBench_DEV_EN.tsv',
    ])
    assert.deepEqual(picked('mmbench', ['my-table.tsv']), ['my-table.tsv'])
  })
})

test('NLVR2 is asked of the JSON with folders of pictures as of the table', () => {
  const conversations = [{ value: 'True? <image>\n<image>' }, { value: 'A' }]
  const metadata = { dataset: 'NLVR2_Mantis', question_type: 'multi-choice' }
  const rows = [
    { sample_id: 7, conversations, image: ['Split1/a.jpg', 'Split1/b.jpg'], metadata },
    { sample_id: 8, conversations, image: [], metadata: { ...metadata, dataset: 'QBench' } },
  ]
  const [first, ...others] = ask('nlvr2', json('multi_image_in_domain.json', rows))
  assert.deepEqual(
    [first!.id, first!.prompt, first!.images, others.length],
    ['7', 'True? <image>\n<image>', ['Split1/a.jpg', 'Split1/b.jpg'], 0],
  )
})
