/** Published rows stand beside the set that they are of, and beside no other. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setOf } from '../question-set.ts'
import { findBenchmark, score } from '../score.ts'
import { jsonLines } from '../../../test/eval-files.ts'
import { BENCHMARKS } from './index.ts'

describe('LLaVA-Bench (Wilder)', () => {
  const reviews = jsonLines('reviews.jsonl', [{ question_id: 'a', tuple: [10, 6] }])
  const small = jsonLines('Small.jsonl', [{ question_id: 'a', Question: 'q', Answer: 'r' }])
  const built = jsonLines('renamed.jsonl', [
    { question_id: 'a', image: 'images/0123456789abcdef.jpg', Question: 'q', Answer: 'r' },
  ])
  const of = (askedFrom: readonly (typeof small)[]) =>
    score('llava-wilder', { answers: [reviews], askedFrom })

  test('what was built of own requests has neither its title nor its rows', async () => {
    const own = await of([built])
    assert.match(own.title, /Own questions/)
    assert.deepEqual(own.metrics[0]!.published, [])
    const released = await of([small])
    assert.equal(released.title, 'LLaVA-Bench (Wilder, small)')
    assert.ok(released.metrics[0]!.published.some(({ model }) => model === 'gpt-4v'))
  })

  test('the medium set has its own', () => {
    const medium = { ...small, name: 'Medium/train.jsonl' }
    const { title, published } = setOf(findBenchmark('llava-wilder'), { questions: [medium] })
    assert.match(title, /medium/)
    const values = published.map(({ metric, model, value }) => [metric, model, value])
    assert.deepEqual(values[0], ['all', 'llava-next-110b', 72.5])
    // Named by its own folder or file, it had the title and rows of the small one.
    const titleAt = (path: string) =>
      setOf(findBenchmark('llava-wilder'), {
        questions: [{ ...small, name: 'train.jsonl', path }],
      }).title
    assert.match(titleAt('/data/Wilder/Medium/train.jsonl'), /medium/)
    assert.match(titleAt('/data/Wilder-medium.jsonl'), /medium/)
    assert.match(titleAt('/data/llava_wilder_medium/train.jsonl'), /medium/)
    assert.match(titleAt('/data/Medium/medium-00000-of-00002.parquet'), /medium/)
    assert.match(titleAt('/data/medium-models/Small/train.jsonl'), /small/)
    // Folders of the machine that hold the letters gave the set another title.
    for (const path of [
      'medium-machine/w/test',
      'medium/w/test',
      'medium-machine/test',
      'mediums/q',
    ])
      assert.match(titleAt(`/tmp/${path}.jsonl`), /small/, path)
  })

  test('rows without ids are counted through all shards of the set', () => {
    const row = { Question: 'q', Answer: 'r', image: 'a.jpg' }
    const questions = ['0.jsonl', '1.jsonl'].map((name) => jsonLines(name, [row, row]))
    const { ask, judge } = findBenchmark('llava-wilder')
    const ids = ask!.questions(questions).map(({ id }) => String(id))
    assert.deepEqual(ids, ['0', '1', '2', '3'])
    const answers = ids.map((id) => ({ id, text: 't', row: {} }))
    const tasks = judge!.tasks({ answers, questions, labels: [] })
    assert.deepEqual(
      tasks.map(({ id }) => id),
      ids,
    )
  })

  test('a question without a reference is refused before anything is answered', () => {
    const { judge } = findBenchmark('llava-wilder')
    const questions = [jsonLines('bench.jsonl', [{ question_id: 'a', Question: 'q', Answer: '' }])]
    assert.throws(() => judge!.tasks({ answers: [], questions, labels: [] }), {
      code: 'INPUT_REFERENCES_MISSING',
      message: /a has none; write it into review\.jsonl/,
    })
  })
})

describe('answers of another set, or of another condition', () => {
  const line = { doc_id: 0, target: 'A', filtered_resps: ['A'] }
  const reviewed = { doc_id: 0, gpt_eval_llava_all: { scores: [10, 6] }, filtered_resps: ['a'] }
  const samples = (task: string, row: object) =>
    jsonLines(`m/20260101_000000_samples_${task}.jsonl`, [row])
  const table = (dataset: string) => ({
    name: `M/M_${dataset}.tsv`,
    text: ['index question A B answer prediction', '0 q x y A A']
      .map((row) => `${row.split(' ').join('\t')}\n`)
      .join(''),
  })
  const humans = { doc_id: 0, exact_match: 1, filtered_resps: ['a'] }
  const cases = [
    ['llava-wilder', samples('llava_wilder_small', reviewed), 'LLaVA-Bench (Wilder, small)', 70.5],
    [
      'llava-wilder',
      samples('llava_wilder_medium', reviewed),
      'LLaVA-Bench (Wilder, medium)',
      72.5,
    ],
    ['video-mme', samples('videomme', line), 'Video-MME (without subtitles)', 41.7],
    ['video-mme', samples('videomme_w_subtitle', line), 'Video-MME (with subtitles)', 40.4],
    ['video-mme', table('Video-MME_8frame'), 'Video-MME (without subtitles)', 41.7],
    ['video-mme', table('Video-MME_8frame_subs'), 'Video-MME (with subtitles)', 40.4],
    ['video-mme', table('Video-MME_0.5fps_subs'), 'Video-MME (with subtitles)', 40.4],
    ['scienceqa', table('ScienceQA_TEST'), 'ScienceQA (test)', 66.8],
    ['scienceqa', table('ScienceQA_VAL'), 'ScienceQA (validation)', null],
    ['mmbench', table('MMBench_DEV_EN'), 'MMBench (dev)', 64.3],
    ['mmbench', table('MMBench_TEST_EN'), 'MMBench (test)', null],
    ['mmbench-cn', table('MMBench_DEV_CN_V11'), 'MMBench-CN V1.1 (dev)', null],
    ['chartqa', samples('chartqa', line), 'ChartQA (test)', 79.7],
    ['chartqa', samples('chartqa_lite', line), 'ChartQA (test, lite)', null],
    ['ai2d', samples('ai2d_no_mask', line), 'AI2D (test, no mask)', null],
    ['docvqa', samples('docvqa_test', line), 'DocVQA (test)', 71.2],
    ['textvqa', samples('textvqa_val', humans), 'TextVQA (val, without OCR tokens)', null],
  ] as const

  for (const [name, file, title, first] of cases) {
    test(`${file.name} has the title and rows of ${title}`, async () => {
      const report = await score(name, { answers: [file] })
      assert.equal(report.title, title)
      assert.equal(report.metrics[0]!.published[0]?.value ?? null, first)
    })
  }

  test('the names of truths count more than those of answers', async () => {
    const answers = [jsonLines('M_MMBench_TEST_EN.jsonl', [{ question_id: 0, text: 'A' }])]
    const of = (dataset: string) =>
      score('mmbench', { answers, labels: [{ ...table(dataset), name: `${dataset}.tsv` }] })
    assert.equal((await of('MMBench_DEV_EN_V11')).title, 'MMBench V1.1 (dev)')
    assert.equal((await of('MMBench_DEV_EN')).title, 'MMBench (dev)')
  })

  test('a benchmark has its rows under the names that its sets give', () => {
    for (const { name, published, otherSets = [] } of BENCHMARKS)
      for (const row of otherSets.flatMap(({ rows = {} }) => Object.values(rows)))
        assert.ok(
          published.some(({ metric }) => metric === row),
          `${name} ${row}`,
        )
  })
})

test('MME: some of its tasks are not the half that is published', async () => {
  const lines = '1.jpg\tq\tYes\tYes\n1.jpg\tp\tNo\tNo\n'
  const of = (tasks: readonly string[]) =>
    score('mme', { answers: tasks.map((task) => ({ name: `${task}.txt`, text: lines })) })
  const cognition = [
    'commonsense_reasoning',
    'numerical_calculation',
    'text_translation',
    'code_reasoning',
  ]
  const { metrics } = await of(['existence', ...cognition])
  assert.deepEqual(
    metrics.slice(0, 2).map(({ name, part, published }) => [name, part, published.length > 0]),
    [
      ['perception', '1 of 10 tasks', false],
      ['cognition', undefined, true],
    ],
  )
})
