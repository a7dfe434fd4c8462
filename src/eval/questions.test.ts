/** Released question files as they are, and what is asked. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { EvalFile } from './eval-file.ts'
import type { Question } from './question.ts'
import { shownPrompt } from './question.ts'
import { BENCHMARKS } from './benchmarks/index.ts'
import { findBenchmark } from './score.ts'
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
  assert.deepEqual(vqa, { id: 262144000, prompt: row.text, images: [row.image], maxTokens: 128 })
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

describe('MMBench', () => {
  const picture = Buffer.from(Uint8Array.from({ length: 300 }, (_, i) => i)).toString('base64')
  const tsv = (rows: string[][]): EvalFile => ({
    name: 'a.tsv',
    text: [['index', 'question', 'hint', 'A', 'B', 'C', 'D', 'image'], ...rows]
      .map((row) => row.join('\t'))
      .join('\n'),
  })

  test('takes options to the first that is missing, hints where there are any, pictures by index', () => {
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
    assert.deepEqual(turned!.images[0], first!.images[0])
    assert.equal((first!.images[0] as Uint8Array).length, 300)
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
