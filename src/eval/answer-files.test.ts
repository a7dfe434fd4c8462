import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerFiles } from './answer-files.ts'
import type { EvalFile } from './eval-file.ts'
import { findBenchmark, score } from './score.ts'
import { jsonLines, metricValues } from '../../test/eval-files.ts'

/** As both programs write them, over several lines. */
const numbers = (name: string) => ({ name, text: JSON.stringify({ results: {} }, null, 2) })
const kept = (name: string, files: readonly EvalFile[]) => {
  const benchmark = findBenchmark(name)
  return answerFiles(files, benchmark, benchmark.judge !== undefined).map((file) => file.name)
}

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

const several = (message: RegExp) => ({ code: 'INPUT_ANSWERS_SEVERAL', message })

test('a task is that of a whole name: others that begin or end alike are not', () => {
  const samples = ['seedbench', 'seedbench_2', 'mmbench_cn_dev', 'mmbench_en_dev', 'video_dc499']
  const harness = ['mmlu_anatomy', 'mmlu_virology', 'hellaswag']
  const lmms = [...samples, 'nextqa_mc_test'].map((task) => `m/20260101_000000_samples_${task}`)
  const folder = [
    ...lmms,
    ...harness.map((task) => `m/samples_${task}_2026-01-01T00-00-00.00`),
  ].map((name) => jsonLines(`${name}.jsonl`, []))
  const tasksOf = (benchmark: string) =>
    kept(benchmark, folder).map((name) => /samples_(.+?)(?:_2026.*)?\.jsonl/.exec(name)?.[1])
  assert.deepEqual(tasksOf('seed-bench'), ['seedbench'])
  assert.deepEqual(tasksOf('mmbench'), ['mmbench_en_dev'])
  assert.deepEqual(tasksOf('mmbench-cn'), ['mmbench_cn_dev'])
  assert.deepEqual(tasksOf('video-detail'), ['video_dc499'])
  assert.deepEqual(tasksOf('nextqa-mc'), ['nextqa_mc_test'])
  assert.deepEqual(tasksOf('mmlu-5'), ['mmlu_anatomy', 'mmlu_virology'])
  assert.throws(() => tasksOf('hound-qa'), several(/should hold hound-qa, there are m/))
})

test('two runs of a task, and two tasks that are no parts of one, are told apart by their files', () => {
  const run = (date: string, task: string) =>
    jsonLines(`m/${date}_000000_samples_${task}.jsonl`, [{ doc_id: date }])
  const twice = [run('20260101', 'mme'), run('20260102', 'mme')]
  assert.throws(() => kept('mme', twice), several(/several runs of it .*20260101.*20260102/))
  const other = ['cot', 'format'].map((how) => run('20260101', `mathvista_testmini_${how}`))
  assert.throws(() => kept('mathvista', other), several(/several tasks of it/))
  const parts = ['adv', 'random'].map((part) => run('20260101', `pope_${part}`))
  assert.equal(kept('pope', parts).length, 2)
})

test('until 0.2 lmms-eval wrote a file for each task, and its numbers beside them', () => {
  const logs = (name: string) => ({ name, text: '{"args": {}, "logs": []}' })
  const others = [numbers('results.json'), { name: 'rank0_metric_eval_done.txt', text: 'rank 0' }]
  assert.deepEqual(kept('mme', [logs('mme.json'), logs('gqa.json'), ...others]), ['mme.json'])
  assert.deepEqual(kept('pope', [logs('mine.json'), ...others]), ['mine.json'])
})

test('what VLMEvalKit read or judged of predictions is taken where a judge scores', () => {
  const table = (name: string, ...columns: string[]) => {
    return { name, text: '', cells: [['index', 'prediction', ...columns]] }
  }
  const folder = [
    table('m/T1_G2/m_AI2D_TEST.xlsx'),
    table('m/m_AI2D_TEST.xlsx'),
    table('m/m_AI2D_TEST_exact_matching_result.xlsx', 'hit'),
    table('m/m_MMVet.xlsx'),
    table('m/m_MMVet_gpt-4-turbo.xlsx', 'log', 'score'),
    table('m/m_MathVista_MINI.xlsx'),
    table('m/m_MathVista_MINI_gpt-4-turbo.xlsx', 'res'),
    table('m/m_SEEDBench_IMG.xlsx'),
    table('m/m_RealWorldQA.xlsx'),
  ]
  assert.deepEqual(kept('ai2d', folder), ['m/m_AI2D_TEST.xlsx'])
  assert.deepEqual(kept('mm-vet', folder), ['m/m_MMVet_gpt-4-turbo.xlsx'])
  assert.deepEqual(kept('mathvista', folder), ['m/m_MathVista_MINI.xlsx'])
  assert.deepEqual(kept('seed-img', folder), ['m/m_SEEDBench_IMG.xlsx'])
  const asked = answerFiles(folder, findBenchmark('mm-vet'))
  assert.deepEqual(asked, [folder[3]])
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
  assert.throws(() => kept('pope', folder), several(/should hold pope or pope_\*, there are m/))
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
  assert.deepEqual(answerFiles(folder, findBenchmark('mme')), folder)
})

test('a file that is one whole object is not called cut off', async () => {
  const answers = [numbers('results_2026-11-28T00-00-00.json')]
  await assert.rejects(score('ai2d', { answers }), {
    code: 'INPUT_ANSWERS_BROKEN',
    message: /results_\S+ should be a list of JSON objects, or one on each line, it begins with/,
  })
})
