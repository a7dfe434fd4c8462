/**
 * The official answers of LLaVA-1.5-13B: their published scores, and the submissions that were made from them.
 *
 * The folder `assets/eval` is looked for beside the one that LLAVA_FIXTURES names. Several of these benchmarks may not be
 * passed on, so that the repository has no copy: without the folder this skips, aloud.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import {
  findBenchmark,
  readEvalFiles,
  releasedFiles,
  score,
  type EvalFile,
  type ScoreReport,
} from '../../src/eval/index.ts'
import { readRows, type Row } from '../../src/eval/eval-file.ts'
import { shownPrompt } from '../../src/eval/question.ts'

const FOLDER = join(process.env['LLAVA_FIXTURES'] ?? 'fixtures', '../assets/eval')
const ANSWERS = join(FOLDER, 'llava-v1.5-13b')
const skip = existsSync(ANSWERS) ? false : `there are no official answers at ${FOLDER}`

const read = (...parts: string[]) => readEvalFiles(join(ANSWERS, ...parts))

type Released = { readonly question_id: string; readonly image: string; readonly text: string }

const linesOf = ({ text }: Released) => text.split('\n') as [string, string]

/** The dataset's row of a released question: datasets have these in small letters. */
const HUB_ROWS: readonly (readonly [string, string, (row: Released) => Row])[] = [
  [
    'textvqa',
    'textvqa/llava_textvqa_val_v051_ocr.jsonl',
    (row) => {
      const [question, tokens] = linesOf(row)
      const words = tokens.slice('Reference OCR token: '.length)
      return {
        image_id: row.question_id,
        question: question.toLowerCase(),
        ocr_tokens: words === '' ? [] : words.split(', '),
      }
    },
  ],
  [
    'vizwiz',
    'vizwiz/llava_test.jsonl',
    (row) => ({ question_id: row.image.slice(0, -4), question: linesOf(row)[0].toLowerCase() }),
  ],
  [
    'gqa',
    'gqa/llava_gqa_testdev_balanced.jsonl',
    (row) => ({
      id: row.question_id,
      imageId: row.image.slice(0, -4),
      question: linesOf(row)[0],
      // Not in the released file, and no part of how it is asked.
      answer: 'no',
    }),
  ],
]

describe('official answers', { skip }, () => {
  test('POPE scores as published', async () => {
    const report = await score('pope', {
      answers: read('pope/answers/llava-v1.5-13b.jsonl'),
      questions: read('pope/llava_pope_test.jsonl'),
      labels: readEvalFiles(join(FOLDER, 'pope-coco')),
    })
    same(report, {
      'F1 random': '87.14',
      'F1 popular': '86.25',
      'F1 adversarial': '84.46',
      'F1 mean': '85.95',
    })
    assert.equal(report.counts.questions, 8910)
  })

  for (const form of ['output.jsonl', 'result.json']) {
    test(`ScienceQA scores as published, from ${form}`, async () => {
      const report = await score('scienceqa', {
        answers: read(`scienceqa/answers/llava-v1.5-13b_${form}`),
        questions: read('scienceqa/llava_test_CQM-A.json'),
      })
      same(report, { 'accuracy IMG': '71.64', accuracy: '74.39' })
      assert.equal(report.metrics[0]?.name, 'accuracy IMG')
    })
  }

  test("ScienceQA's result files are written as they are", async () => {
    const { written } = await score('scienceqa', {
      answers: read('scienceqa/answers/llava-v1.5-13b_output.jsonl'),
      questions: read('scienceqa/llava_test_CQM-A.json'),
    })
    for (const [ours, theirs] of [
      ['scienceqa_result.json', 'llava-v1.5-13b_result.json'],
      ['scienceqa_output.json', 'llava-v1.5-13b_output.jsonl'],
    ] as const) {
      const expected = readFileSync(join(ANSWERS, 'scienceqa/answers', theirs), 'utf8')
      assert.equal(written[ours] === expected, true, ours)
    }
  })

  test('MMBench scores as published, from the spreadsheet', async () => {
    const sheet = read('mmbench/answers_upload/mmbench_dev_20230712/llava-v1.5-13b.xlsx')
    const expected = { circular: '67.69', vanilla: '76.45' }
    same(await score('mmbench', { answers: sheet }), expected)
    const answers = read('mmbench/answers/mmbench_dev_20230712/llava-v1.5-13b.jsonl')
    const report = await score('mmbench', { answers, labels: sheet })
    same(report, expected)
    // Not the bytes: the spreadsheet that was sent has the time at which it was made.
    assert.deepEqual(report.sheets['submission.xlsx'], sheet[0]?.cells)
  })

  test('the VizWiz submission is the one that was sent', async () => {
    const { written } = await score('vizwiz', {
      answers: read('vizwiz/answers/llava-v1.5-13b.jsonl'),
      questions: read('vizwiz/llava_test.jsonl'),
    })
    const sent = readFileSync(join(ANSWERS, 'vizwiz/answers_upload/llava-v1.5-13b.json'), 'utf8')
    assert.equal(written['submission.json'] === sent, true)
  })

  test('the SEED-Bench submission is read and written as it was sent', async () => {
    const sent = read('seed_bench/answers_upload/llava-v1.5-13b.jsonl')
    const { written } = await score('seed-bench', { answers: sent })
    assert.equal(written['submission.jsonl'] === sent[0]?.text, true)
  })

  for (const [name, questions, answers] of [
    ['pope', 'pope/llava_pope_test.jsonl', 'pope/answers/llava-v1.5-13b.jsonl'],
    [
      'gqa',
      'gqa/llava_gqa_testdev_balanced.jsonl',
      'gqa/answers/llava_gqa_testdev_balanced/llava-v1.5-13b.jsonl',
    ],
    ['vizwiz', 'vizwiz/llava_test.jsonl', 'vizwiz/answers/llava-v1.5-13b.jsonl'],
    ['textvqa', 'textvqa/llava_textvqa_val_v051_ocr.jsonl', 'textvqa/answers/llava-v1.5-13b.jsonl'],
    ['scienceqa', 'scienceqa/llava_test_CQM-A.json', 'scienceqa/answers/llava-v1.5-13b.jsonl'],
  ] as const) {
    test(`${name} is asked as it was: question by question, the prompts of the official answers`, () => {
      const asked = findBenchmark(name).ask!.questions(read(questions))
      const answered = read(answers).flatMap(({ text }) => text.trim().split('\n'))
      const prompts = answered.map((line) => {
        const { question_id, prompt } = JSON.parse(line) as { question_id: unknown; prompt: string }
        return [String(question_id), prompt]
      })
      // Of ScienceQA only a few lines of the answers are left.
      const ids = new Set(prompts.map(([id]) => id))
      const own = asked.filter(({ id }) => ids.has(String(id)))
      assert.ok(own.length > 0)
      assert.deepEqual(
        own.map((one) => [String(one.id), shownPrompt(one)]),
        prompts,
      )
    })
  }

  for (const [name, file, rowOf] of HUB_ROWS) {
    test(`${name}: rows of the hub's table are asked as the released file asks them`, () => {
      const { ask } = findBenchmark(name)
      const [released] = read(file)
      const rows = readRows(released!).map((row) => rowOf(row as Released))
      const table = { name: 'data/validation-0.parquet', text: '', rows }
      const made = releasedFiles(ask, { questions: [table], labels: [] })
      const prompts = (files: readonly EvalFile[]) =>
        ask!.questions(files).map(({ prompt }) => prompt)
      const asked = prompts(made.questions)
      assert.ok(asked.length >= 5000)
      assert.deepEqual(asked, prompts([released!]))
    })
  }

  test('GQA predictions have the official form, one for each answer', async () => {
    const { written, counts } = await score('gqa', {
      answers: read('gqa/answers/llava_gqa_testdev_balanced/llava-v1.5-13b.jsonl'),
    })
    const text = written['testdev_balanced_predictions.json'] ?? ''
    assert.match(text, /^\[\{"questionId": "201307251", "prediction": "no"\}, \{/)
    assert.equal((JSON.parse(text) as unknown[]).length, counts.answers)
    assert.equal(counts.answers, 12578)
  })
})

function same({ metrics }: ScoreReport, expected: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(expected)) {
    const metric = metrics.find((one) => one.name === name)
    assert.equal(metric?.value?.toFixed(2), value, name)
    const { low, high } = metric?.interval95 ?? { low: Number.NaN, high: Number.NaN }
    assert.ok(low < metric!.value! && metric!.value! < high, `${name} lies in [${low}, ${high}]`)
  }
}
