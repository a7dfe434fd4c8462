import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { answerFiles } from './answer-files.ts'
import type { EvalFile } from './eval-file.ts'
import { findBenchmark, score } from './score.ts'
import { jsonFile, jsonLines, metricValues } from '../../test/eval-files.ts'

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
  // What generates has words, and scored 0.
  const words = { doc_id: 0, target: 'C', filtered_resps: ['C'] }
  const generated = jsonLines('m/samples_mmlu_generative_2026-11-28T00-00-00.jsonl', [words])
  await assert.rejects(score('mmlu', { answers: [generated] }), {
    code: 'INPUT_ANSWERS_FIELD',
    message: /log-probabilities of four letters, one has \["C"\]/,
  })
})

test('a letter of MMLU that could not come has the log-probability that Python writes', async () => {
  const sample = (...totals: readonly (string | null)[]) => {
    const filtered_resps = totals.map((total) => [total, 'False'])
    const row = { doc_id: 0, target: '1', filtered_resps }
    return jsonLines('m/samples_mmlu_anatomy_2026-11-28T00-00-00.jsonl', [row])
  }
  const accuracy = async (...totals: readonly string[]) =>
    metricValues(await score('mmlu', { answers: [sample(...totals)] }))['accuracy']
  assert.equal(await accuracy('-inf', '-3.5', '-4', '-Infinity'), 100)
  assert.equal(await accuracy('-1.5', '-inf', '-4', '-2'), 0)
  // As numpy's argmax has it: the first.
  assert.equal(await accuracy('-inf', '-inf', '-inf', '-inf'), 0)
  for (const none of ['nan', '', null])
    await assert.rejects(score('mmlu', { answers: [sample('-1', '-2', none, '-3')] }), {
      code: 'INPUT_ANSWERS_FIELD',
    })
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

describe('tasks that are parts of a benchmark are scored together, though each counts its rows from 0', () => {
  type Part = readonly [task: string, rows: readonly object[]]
  const sample = (doc_id: number, target: string, fields: object = {}) => ({
    doc_id,
    target,
    filtered_resps: ['A'],
    ...fields,
  })
  const rows = (...targets: string[]) => targets.map((target, i) => sample(i, target))
  const forms = {
    'samples of lmms-eval': ([task, own]: Part) =>
      jsonLines(`m/20260101_000000_samples_${task}.jsonl`, own),
    'its files until 0.2': ([task, own]: Part) => ({
      name: `m/${task}.json`,
      text: JSON.stringify({ args: {}, logs: own }),
    }),
  }
  for (const [title, file] of Object.entries(forms)) {
    const of = async (name: string, ...parts: Part[]) => {
      const { metrics, counts } = await score(name, { answers: parts.map(file) })
      return { counts, values: metricValues({ metrics }) }
    }
    test(title, async () => {
      const mvbench = await of(
        'mvbench',
        ['mvbench_action_sequence', rows('A', 'B', 'A', 'A')],
        ['mvbench_action_count', rows('B', 'B', 'A', 'B')],
      )
      assert.deepEqual([mvbench.counts.questions, mvbench.counts.answers], [8, 8])
      assert.deepEqual(mvbench.values, {
        overall: 50,
        action_count: 25,
        action_sequence: 75,
      })
      const blink = await of(
        'blink',
        ['blink_Counting', rows('(A)', '(B)')],
        ['blink_Relative_Depth', rows('(A)')],
      )
      assert.deepEqual(
        [blink.values['mean of parts'], blink.values['Counting'], blink.values['Relative_Depth']],
        [75, 50, 100],
      )
      const yes = (target: string) => [sample(0, target, { filtered_resps: ['yes'] })]
      const pope = await of('pope', ['pope_adv', yes('no')], ['pope_random', yes('yes')])
      assert.deepEqual(
        [pope.values['accuracy adversarial'], pope.values['accuracy random']],
        [0, 100],
      )
      const judged = (metric: string, points: number) => [
        { ...sample(0, 'a'), [`gpt_eval_score_${metric}`]: { score: points } },
      ]
      const video = await of(
        'video-chatgpt',
        ['videochatgpt_gen', judged('correctness', 4)],
        ['videochatgpt_temporal', judged('temporal', 2)],
      )
      assert.deepEqual([video.values['correctness'], video.values['temporal']], [4, 2])
    })
  }

  test('their labels are matched by the place in each part', async () => {
    const parts = ['action_sequence', 'action_count']
    const answers = parts.map((task) =>
      forms['samples of lmms-eval']([`mvbench_${task}`, rows('?')]),
    )
    const labels = parts.map((task, i) =>
      jsonFile(`json/${task}.json`, [
        { video: 'v', question: 'q', candidates: ['x', 'y'], answer: i === 0 ? 'x' : 'y' },
      ]),
    )
    const mvbench = metricValues(await score('mvbench', { answers, labels }))
    assert.deepEqual([mvbench['action_sequence'], mvbench['action_count']], [100, 0])
    const blink = ['counting', 'art_style', 'multi_view_reasoning'].map((task) =>
      forms['samples of lmms-eval']([`blink_${task}`, rows('?')]),
    )
    // The dataset's name of a part has a hyphen where the task's has none.
    const truth = ['Counting', 'Art_Style', 'Multi-view_Reasoning'].map((task, i) =>
      jsonFile(`${task}/val.json`, [{ idx: `val_${task}_1`, answer: i === 1 ? '(B)' : '(A)' }]),
    )
    const report = await score('blink', { answers: blink, labels: truth })
    const values = metricValues(report)
    assert.deepEqual([report.counts.missing, report.counts.extra], [0, 0])
    assert.deepEqual(
      [values['Counting'], values['Art_Style'], values['Multi-view_Reasoning']],
      [100, 0, 100],
    )
  })

  test('one part alone is matched with the labels of that part, in a folder or named', async () => {
    const truth = (answer: string) => [
      { video: 'v', question: 'q', candidates: ['x', 'y'], answer },
    ]
    const labels = [
      jsonFile('json/action_antonym.json', truth('y')),
      jsonFile('json/action_count.json', truth('x')),
    ]
    const own = Object.values(forms).map((form) => form(['mvbench_action_count', rows('?')]))
    for (const file of own) {
      for (const answers of [[file], [file, numbers('m/20260101_000000_results.json')]]) {
        const report = await score('mvbench', { answers, labels })
        const { action_count: count, action_antonym: antonym } = metricValues(report)
        assert.deepEqual([count, antonym, report.counts.missing], [100, 0, 1])
      }
    }
    const split = forms['samples of lmms-eval'](['pope_adv', rows('no')])
    const { metrics } = await score('pope', { answers: [split] })
    assert.ok(metrics.some(({ name }) => name === 'accuracy adversarial'))
  })

  test('two runs of one part are told apart', async () => {
    const dated = ['2026-01-01T00-00-00', '2026-01-02T00-00-00'].map((date) =>
      jsonLines(`m/samples_mmlu_anatomy_${date}.jsonl`, rows('0')),
    )
    assert.throws(() => kept('mmlu', dated), several(/several runs of it/))
  })
})

test("what VLMEvalKit made of a benchmark's predictions is none of its parts", () => {
  const table = (name: string, ...columns: string[]) => {
    return { name, text: '', cells: [['index', 'question', 'prediction', ...columns]] }
  }
  const made = [
    ['pope', 'm_POPE', 'm_POPE_auxmatch'],
    ['blink', 'm_BLINK', 'm_BLINK_exact_matching_result'],
    ['mvbench', 'm_MVBench_8frame', 'm_MVBench_8frame_score'],
    ['mvbench', 'm_MVBench_MP4_1fps', 'm_MVBench_MP4_1fps_score'],
    ['video-mme', 'm_Video-MME_0.5fps', 'm_Video-MME_0.5fps_score'],
  ] as const
  for (const [name, own, ...others] of made) {
    const folder = [own, ...others].map((one) => table(`${one}.xlsx`))
    folder.push({ name: `${own}_score.csv`, text: 'split,Overall\n', cells: [['split']] })
    assert.deepEqual(kept(name, folder), [`${own}.xlsx`])
  }
  const settings = ['8', '16'].map((count) => table(`m_MVBench_${count}frame.xlsx`))
  assert.throws(() => kept('mvbench', settings), several(/several tasks of it/))
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

test('of a folder that llava eval wrote the answers, or the reviews where a judge scores', async () => {
  // Its numbers and its record of the run were read as answers.
  const error = { question_id: 2, text: '', metadata: { error: 'no picture' } }
  const answers = [{ question_id: 1, text: 'a dog' }, error]
  const run = (name: string) => [
    jsonFile(`${name}/run.json`, { benchmark: name }),
    jsonFile(`${name}/result.json`, { metrics: [] }),
    jsonLines(`${name}/answers.jsonl`, answers),
    jsonLines(`${name}/reviews-gpt.jsonl`, [{ question_id: 1, tuple: [8, 6] }]),
  ]
  const folder = [...run('vizwiz'), ...run('llava-bench')]
  const questions = jsonLines(
    'q.jsonl',
    [1, 2].map((id) => ({ question_id: id, image: `${id}.jpg`, text: 'q' })),
  )
  const { counts } = await score('vizwiz', { answers: folder, questions: [questions] })
  assert.deepEqual(counts, { questions: 2, answers: 1, missing: 1, extra: 0, unreadable: 0 })
  assert.deepEqual(kept('llava-bench', folder), ['llava-bench/reviews-gpt.jsonl'])
  assert.deepEqual(kept('gqa', run('textvqa')), ['textvqa/answers.jsonl'])
  assert.throws(() => kept('gqa', folder), several(/one run of llava eval/))
})
