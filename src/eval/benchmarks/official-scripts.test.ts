/** MME and MM-Vet against their own scripts, LLaVA-Bench's layouts. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import type { EvalFile } from '../eval-file.ts'
import { InputError } from '../../core/errors.ts'
import { score } from '../score.ts'
import {
  jsonFile as json,
  jsonLines as lines,
  metricValues as values,
} from '../../../test/eval-files.ts'

type Recorded = {
  mmVet: { questions: object; grades: object; tables: Record<string, string> }
  mme: { results: Record<string, string>; printed: string }
}

const { mmVet, mme } = JSON.parse(readFileSync('fixtures/eval/judged.json', 'utf8')) as Recorded

describe("MME's official result files", () => {
  const files = Object.entries(mme.results).map(([task, text]): EvalFile => ({
    name: `answers/model/${task}.txt`,
    text,
  }))

  test('print what calculation.py prints', async () => {
    const report = await score('mme', { answers: files })
    assert.equal(report.printed, mme.printed)
    const total = Number(/total score: (\S+)/.exec(mme.printed)![1])
    assert.ok(Math.abs(values(report)['perception']! - total) < 1e-9)
  })

  test('score the same in any order of lines and files, beside other texts', async () => {
    const turned = files.toReversed().map(({ name, text }) => ({
      name,
      text: text.slice(0, -1).split('\n').toReversed().join('\r\n'),
    }))
    const readme = { name: 'answers/model/readme.txt', text: 'anything' }
    const report = await score('mme', { answers: [readme, ...turned] })
    assert.deepEqual(values(report), values(await score('mme', { answers: files })))
  })

  test('with half of the tasks print that half, and four lines of a picture are two pairs', async () => {
    const some = files.filter(({ name }) => /_|reasoning/.test(name))
    const report = await score('mme', { answers: some })
    assert.equal(report.printed, mme.printed.slice(mme.printed.indexOf('=========== Cognition')))
    const line = (truth: string, given: string) => `a.jpg\tOne?\t${truth}\t${given}\n`
    const text = [line('Yes', 'Yes'), line('No', 'No'), line('Yes', 'No'), line('No', 'No')].join(
      '',
    )
    const twice = await score('mme', { answers: [{ name: 'count.txt', text }] })
    assert.equal(values(twice)['count'], 75 + 50)
  })
})

describe("MM-Vet's grades", () => {
  const name = 'results/made_gpt-4-0613-grade-3runs.json'

  test('become the tables of its evaluator', async () => {
    const report = await score('mm-vet', {
      answers: [json(name, mmVet.grades)],
      labels: [json('mm-vet.json', mmVet.questions)],
    })
    for (const [table, expected] of Object.entries(mmVet.tables)) {
      const ours = cellsOf(report.written[`${table}.csv`]!)
      assert.deepEqual(ours, cellsOf(expected.replaceAll(/np\.float64\(([\d.]+)\)/g, '$1')), table)
    }
    assert.equal(values(report)['total']!.toFixed(1), cellsOf(mmVet.tables['cap-score']!)['total'])
  })

  test("are read from VLMEvalKit's table too, an empty cell being none", async () => {
    const rows = ['index\tcategory\tscore', '0\tocr, math\t0.5', '1\tocr\t1.0', '2\trec\t']
    const table = { name: 'MMVet_gpt-4-turbo.tsv', text: rows.join('\n') }
    const report = values(await score('mm-vet', { answers: [table] }))
    assert.deepEqual(
      [report['total'], report['ocr'], report['math'], report['rec']],
      [50, 75, 50, 0],
    )
    const ten = { ...table, text: rows.join('\n').replace('1.0', '10') }
    await assert.rejects(score('mm-vet', { answers: [ten] }), InputError)
  })
})

/** By column; sets of capabilities have no order. */
function cellsOf(csv: string): Record<string, string> {
  const [header = '', row = ''] = csv.trimEnd().split('\n')
  const cells = row.match(/"[^"]*"|[^,]+/g) ?? []
  const names = header.split(',').map((name) => name.split('_').sort().join('_'))
  return Object.fromEntries(names.map((name, i) => [name, cells[i] ?? '']))
}

describe("LLaVA-Bench's reviews", () => {
  const review = (question_id: number, category: string, tuple: [number, number]) => ({
    question_id,
    category,
    tuple,
  })
  const first = lines('reviews/a.jsonl', [review(0, 'llava_bench_conv', [8, 6])])
  const second = lines('reviews/gpt4_text_b.jsonl', [review(0, 'llava_bench_conv', [10, 9])])

  test('of several models are scored one after the other, as the folder is printed', async () => {
    const report = await score('llava-bench', { answers: [first, second] })
    assert.deepEqual(values(report), {
      'a: all': 75,
      'a: llava_bench_conv': 75,
      'b: all': 90,
      'b: llava_bench_conv': 90,
    })
    assert.equal(report.counts.questions, 2)
    const alone = await Promise.all(
      [first, second].map((one) => score('llava-bench', { answers: [one] })),
    )
    assert.equal(report.printed, alone.map(({ printed }) => printed).join(''))
    assert.match(report.printed!, /^a\nall 75\.0 80\.0 60\.0\n/)
  })

  test("are read from VLMEvalKit's table, and from lmms-eval's samples with their category", async () => {
    const table = {
      name: 'LLaVABench_score.tsv',
      text: 'index\tcategory\tscore\tgpt4_score\n0\tconv\t6\t8\n1\tdetail\t-1\t-1\n',
    }
    const report = await score('llava-bench', { answers: [table] })
    // Not rounded, as VLMEvalKit has it.
    assert.deepEqual(values(report), { all: 71.42857142857143, conv: 75, detail: 100 })
    const sample = {
      doc_id: 0,
      gpt_eval_llava_all: { scores: [10, 5], category: 'llava_bench_complex' },
    }
    const samples = await score('llava-bench', { answers: [lines('s.jsonl', [sample])] })
    assert.deepEqual(values(samples), { all: 50, llava_bench_complex: 50 })
  })

  test('without a pair are refused in either form', async () => {
    const table = { name: 't.tsv', text: 'index\tscore\tgpt4_score\n0\t6\t\n' }
    await assert.rejects(score('llava-bench', { answers: [table] }), InputError)
  })
})
