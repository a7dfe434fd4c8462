/** What a question is made of is there, or the row is refused by name: a prompt never holds the text of what is missing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EvalFile, Row } from './eval-file.ts'
import { releasedFiles } from './question.ts'
import { columnOptions, columnText } from './row-columns.ts'
import { BENCHMARKS } from './benchmarks/index.ts'
import { findBenchmark } from './score.ts'

const picture = async () => new Uint8Array(1)

function asked(name: string, file: EvalFile) {
  const { ask } = findBenchmark(name)
  return ask!.questions(releasedFiles(ask, { questions: [file], labels: [] }).questions)
}

const table = (rows: Row[], name = 'test/test-0.parquet'): EvalFile => ({ name, text: '', rows })

/** Everything that any benchmark's row has, but what is asked. */
const WITHOUT: Row = {
  question_id: '1',
  id: 'validation_Art_1',
  pid: '1',
  index: '1',
  sample_id: 1,
  idx: 'val_Counting_1',
  video: 'v',
  video_name: 'v',
  videoID: 'v',
  image: picture,
  image_id: '1',
  imageId: '1',
  answer: 'A',
  answers: ['A'],
  caption: 'c',
  gpt_answer: 'r',
  category: 'conv',
  options: ['x', 'y'],
  choices: ['x', 'y'],
  candidates: ['x', 'y'],
  foreign: 'Which?',
}

test('a table without the question’s column is refused with file, row, and what it has, by every benchmark', () => {
  // The description of a clip is asked for in the same words everywhere.
  const others = BENCHMARKS.filter(({ name }) => name !== 'video-detail')
  for (const { name } of others) {
    for (const row of [WITHOUT, { ...WITHOUT, question: '', text: '', query: ' ', Question: '' }]) {
      assert.throws(
        () => asked(name, table([row])),
        ({ message, code }: Error & { code: string }) =>
          code.startsWith('INPUT_') && message.includes('test-0.parquet'),
        name,
      )
    }
  }
  assert.throws(() => asked('chartqa', table([WITHOUT])), {
    code: 'INPUT_QUESTIONS_COLUMN',
    message:
      /question 1 of test\/test-0\.parquet should have a text as question or query, its columns are question_id, .*foreign; /,
  })
})

test('no prompt of multiple choice goes out without its options', () => {
  const { options: _o, choices: _c, candidates: _d, ...row } = WITHOUT
  for (const name of [
    'ai2d',
    'mvbench',
    'video-mme',
    'nextqa-mc',
    'blink',
    'mantis-eval',
    'mmmu',
    'mmbench',
    'seed-bench',
    'scienceqa',
  ]) {
    assert.throws(
      () => asked(name, table([{ ...row, question: 'Which?', prompt: 'Which?', index: 1 }])),
      { code: 'INPUT_QUESTIONS_COLUMN' },
      name,
    )
  }
})

test('options are a list, a printed list, or columns by letter; "None" is an option, an empty cell none', () => {
  const options = (row: Row) => columnOptions({ id: '1', row, file: table([row]) }, 'options')
  assert.deepEqual(options({ options: ['x', 2] }), ['x', '2'])
  assert.deepEqual(options({ options: "['x', \"it's\"]" }), ['x', "it's"])
  assert.deepEqual(options({ options: '[]', A: 'x', B: 'None', C: '', D: '' }), ['x', 'None'])
  assert.equal(columnText({ id: '1', row: { a: '', b: 3 }, file: table([]) }, 'a', 'b'), '3')
})

test('ChartQA is asked of query and label, AI2D and RealWorldQA of options in columns', () => {
  const chart = { query: 'How many?', label: ['14'], human_or_machine: 0, image: picture }
  assert.equal(
    asked('chartqa', table([chart]))[0]!.prompt,
    'How many?\nAnswer the question with a single word.',
  )
  const tsv: EvalFile = {
    name: 'T.tsv',
    text: 'index\tquestion\tA\tB\tC\tanswer\timage\n0\tWhich?\tx\ty\t\tA\ta.jpg\n',
  }
  assert.match(asked('ai2d', tsv)[0]!.prompt, /^Which\?\nA\. x\nB\. y\nAnswer with the option/)
  assert.equal(
    asked('realworldqa', tsv)[0]!.prompt,
    'Which?\n\nA. x\nB. y\nPlease answer directly with only the letter of the correct option and nothing else.',
  )
})

test('Video-ChatGPT’s own files are asked as the hub’s tables, the two questions of a clip apart', () => {
  const { ask, judge } = findBenchmark('video-chatgpt')
  const file = (name: string, row: object): EvalFile => ({ name, text: JSON.stringify([row]) })
  const files = [
    file('generic_qa.json', { Q: 'What?', A: 'a', video_name: 'v' }),
    file('temporal_qa.json', { Q: 'When?', A: 'a', video_name: 'v' }),
    file('consistency_qa.json', { Q1: 'Who?', Q2: 'Who else?', A: 'a', video_name: 'v' }),
  ]
  const questions = ask!.questions(files)
  assert.deepEqual(
    questions.map(({ id, prompt, video }) => [id, prompt, video]),
    [
      ['generic/0', 'What?', 'v.mp4'],
      ['temporal/0', 'When?', 'v.mp4'],
      ['consistency/0', 'Who?', 'v.mp4'],
      ['consistency/1', 'Who else?', 'v.mp4'],
    ],
  )
  const answers = questions.map(({ id }) => ({ id: String(id), text: 'said', row: {} }))
  const tasks = judge!.tasks({ answers, questions: files, labels: [] })
  assert.equal(tasks.length, 5)
  assert.match(tasks.at(-1)!.messages[1]!.content, /Question 1: Who\?\nQuestion 2: Who else\?/)
  assert.ok(tasks.every(({ messages }) => !/undefined/.test(messages[1]!.content)))
})
