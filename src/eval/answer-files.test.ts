import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerFiles } from './answer-files.ts'
import type { EvalFile } from './eval-file.ts'
import { score } from './score.ts'
import { jsonLines, metricValues } from '../../test/eval-files.ts'

/** As both programs write them, over several lines. */
const numbers = (name: string) => ({ name, text: JSON.stringify({ results: {} }, null, 2) })
const kept = (benchmark: string, files: readonly EvalFile[]) =>
  answerFiles(files, benchmark).map(({ name }) => name)

test('MMLU is scored from the folder that lm-evaluation-harness wrote, a file for each subject', async () => {
  const options = (best: number) => [0, 1, 2, 3].map((i) => [String(i === best ? -1 : -2), 'False'])
  const subject = (name: string, best: number) => {
    const sample = { doc_id: 0, target: '2', filtered_resps: options(best) }
    return jsonLines(`m/samples_mmlu_${name}_2026-11-28T00-00-00.jsonl`, [sample])
  }
  const folder = [
    numbers('m/results_2026-11-28T00-00-00.json'),
    subject('anatomy', 2),
    subject('virology', 1),
  ]
  assert.equal(metricValues(await score('mmlu', { answers: folder }))['accuracy'], 50)
})

test("of lmms-eval's folder the samples of the benchmark, where there are several", () => {
  const samples = (task: string) => jsonLines(`m/20260101_000000_samples_${task}.jsonl`, [])
  const folder = [
    numbers('m/20260101_000000_results.json'),
    samples('mme'),
    samples('videomme'),
    numbers('submissions/mme.json'),
  ]
  assert.deepEqual(kept('mme', folder), ['m/20260101_000000_samples_mme.jsonl'])
  assert.deepEqual(kept('video-mme', folder), ['m/20260101_000000_samples_videomme.jsonl'])
  assert.equal(kept('pope', folder).length, 2)
})

test("of VLMEvalKit's folder the tables with predictions", () => {
  const cells = [['index', 'question', 'prediction']]
  const folder = [
    { name: 'm_AI2D_TEST.xlsx', text: '', cells },
    { name: 'm_AI2D_TEST_acc.csv', text: '"split","Overall"\n"none","0.5"\n' },
    { name: 'm_MME.tsv', text: 'index\tprediction\n' },
    numbers('m_MME_score.json'),
  ]
  assert.deepEqual(kept('ai2d', folder), ['m_AI2D_TEST.xlsx'])
  assert.deepEqual(kept('mme', folder), ['m_MME.tsv'])
})

test('files of others are all answers', () => {
  const folder = [jsonLines('a.jsonl', []), numbers('b.json'), { name: 'c.csv', text: 'x,y\n' }]
  assert.deepEqual(answerFiles(folder, 'mme'), folder)
})

test('a file that is one whole object is not called cut off', async () => {
  const answers = [numbers('results_2026-11-28T00-00-00.json')]
  await assert.rejects(score('ai2d', { answers }), {
    code: 'INPUT_ANSWERS_BROKEN',
    message: /results_\S+ should be a list of JSON objects, or one on each line, it begins with/,
  })
})
