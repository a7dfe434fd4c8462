/** Published rows stand beside the set that they are of, and beside no other. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setOf } from '../question-set.ts'
import { findBenchmark, score } from '../score.ts'
import type { EvalFile } from '../eval-file.ts'
import { jsonFile, jsonLines } from '../../../test/eval-files.ts'
import { BENCHMARKS } from './index.ts'

describe('LLaVA-Bench (Wilder)', () => {
  const reviews = jsonLines('reviews.jsonl', [{ question_id: 'a', tuple: [10, 6] }])
  const small = jsonLines('Small.jsonl', [{ question_id: 'a', Question: 'q', Answer: 'r' }])
  const built = jsonLines('renamed.jsonl', [
    { question_id: 'a', image: 'images/0123456789abcdef.jpg', Question: 'q', Answer: 'r' },
  ])
  const of = (questions: readonly (typeof small)[]) =>
    score('llava-wilder', { answers: [reviews], askedFrom: { questions } })

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

  test('labels tell the size as questions do, and of the whole repository are the small set', () => {
    const of = (labels: readonly EvalFile[]) => setOf(findBenchmark('llava-wilder'), { labels })
    assert.match(of([{ ...small, name: 'Medium/train.jsonl' }]).title, /medium/)
    assert.match(of([{ ...small, name: 'llava_wilder_medium.jsonl' }]).title, /medium/)
    assert.match(of([small]).title, /small/)
    assert.match(of([built]).title, /Own questions/)
    const names = ['Medium/train.jsonl', 'Small/train.jsonl'].map((name) => ({ name }))
    const { pickLabels } = findBenchmark('llava-wilder').ask!
    assert.deepEqual(pickLabels!(names), [{ name: 'Small/train.jsonl' }])
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

  test("ScienceQA's question files are of the split in their names", async () => {
    const conversations = [{ value: 'q\nA. x\nB. y' }, { value: 'A' }]
    const answers = [jsonLines('llava.jsonl', [{ question_id: '1', text: 'A' }])]
    for (const [name, title] of [
      ['llava_test_CQM-A.json', 'ScienceQA (test)'],
      ['llava_val_CQM-A.json', 'ScienceQA (validation)'],
      ['llava_minival_QCM-LEA.json', 'ScienceQA (minival)'],
      ['llava_train_QCM-LEA.json', 'ScienceQA (train)'],
    ] as const) {
      const questions = [{ name, text: JSON.stringify([{ id: '1', image: 'i', conversations }]) }]
      const report = await score('scienceqa', { answers, questions })
      assert.equal(report.title, title)
      assert.equal(report.metrics[0]!.published.length > 0, title === 'ScienceQA (test)')
    }
  })

  test('the names of truths count more than those of answers', async () => {
    const answers = [jsonLines('M_MMBench_TEST_EN.jsonl', [{ question_id: 0, text: 'A' }])]
    const of = (dataset: string) =>
      score('mmbench', { answers, labels: [{ ...table(dataset), name: `${dataset}.tsv` }] })
    assert.equal((await of('MMBench_DEV_EN_V11')).title, 'MMBench V1.1 (dev)')
    assert.equal((await of('MMBench_DEV_EN')).title, 'MMBench (dev)')
  })

  test('files that are called after the benchmark are its own, labels before answers', async () => {
    // They were MMBench of dev and test, without published rows: VLMEvalKit's table of both has the benchmark's name.
    const plain = (name: string) => jsonLines(name, [{ question_id: 0, text: 'A' }])
    const truth = (name: string) => ({ ...table(''), name })
    const of = (name: string, answers: EvalFile, labels: readonly EvalFile[] = []) =>
      score(name, { answers: [answers], labels })
    for (const report of [
      await of('mmbench', truth('mmbench.tsv')),
      await of('mmbench', truth('llava-v1.5-13b_mmbench.tsv')),
      await of('mmbench', plain('run1_mmbench.jsonl'), [truth('mmbench_dev_20230712.tsv')]),
      await of('mmbench', plain('mmbench_en_test.jsonl'), [truth('mmbench_dev_20230712.tsv')]),
    ]) {
      assert.equal(report.title, 'MMBench (dev)')
      assert.ok(report.metrics[0]!.published.length > 0)
    }
    const labels = [truth('mmbench_dev_cn_20231003.tsv')]
    const chinese = await of('mmbench-cn', plain('mmbench_cn.jsonl'), labels)
    assert.equal(chinese.title, 'MMBench-CN (dev)')
    assert.ok(chinese.metrics[0]!.published.length > 0)
    for (const benchmark of BENCHMARKS) {
      const called = (text: string) => setOf(benchmark, { answers: [plain(`${text}.jsonl`)] }).title
      for (const text of [benchmark.name, `run_${benchmark.name.replaceAll('-', '_')}`])
        assert.equal(called(text), benchmark.title, text)
    }
  })

  test('MMBench: the column of splits tells which its table is of', async () => {
    const of = async (name: string, ...splits: readonly string[]) => {
      const lines = splits.map((split, i) => [i, 'q', 'x', 'y', 'A', 'A', split].join('\t'))
      const text = ['index question A B answer prediction split'.replaceAll(' ', '\t'), ...lines]
      const answers = [{ name, text: text.map((line) => `${line}\n`).join('') }]
      return (await score('mmbench', { answers })).title
    }
    assert.equal(await of('M_MMBench.tsv', 'dev', 'test'), 'MMBench (dev and test)')
    assert.equal(await of('upload.tsv', 'test', 'test'), 'MMBench (test)')
    assert.equal(await of('M_MMBench.tsv', 'dev', 'dev'), 'MMBench (dev)')
    assert.equal(await of('M_MMBench_V11.tsv', 'dev', 'test'), 'MMBench V1.1 (dev and test)')
  })

  test('what VLMEvalKit made of a table is of its set', async () => {
    for (const [name, dataset, title] of [
      ['video-mme', 'Video-MME_8frame_subs_score', 'Video-MME (with subtitles)'],
      ['video-mme', 'Video-MME_8frame_score', 'Video-MME (without subtitles)'],
      ['mmbench', 'MMBench_DEV_EN_V11_gpt4_result', 'MMBench V1.1 (dev)'],
    ] as const)
      assert.equal((await score(name, { answers: [table(dataset)] })).title, title)
  })

  test('MMBench in another language has no rows, and is passed over in a folder', async () => {
    for (const dataset of ['MMBench_DEV_CN', 'MMBench_DEV_RU', 'MMBench_DEV_CC']) {
      const { title, metrics } = await score('mmbench', { answers: [table(dataset)] })
      assert.match(title, /another language|CCBench/)
      assert.deepEqual(metrics[0]!.published, [])
    }
    const answers = [table('MMBench_DEV_CN'), table('MMBench_DEV_EN')]
    assert.equal((await score('mmbench', { answers })).title, 'MMBench (dev)')
    assert.equal((await score('mmbench-cn', { answers })).title, 'MMBench-CN (dev)')
    const tables = ['mmbench_dev_20230712.tsv', 'mmbench_dev_cn_20231003.tsv'].map((name) => ({
      name,
    }))
    const [english, chinese] = tables
    assert.deepEqual(findBenchmark('mmbench').ask!.pickLabels!(tables), [english])
    assert.deepEqual(findBenchmark('mmbench-cn').ask!.pickLabels!(tables), [chinese])
  })

  test('truths are of the split that they are named by, also where the released file was made of them', async () => {
    const tsv = (name: string, ...rows: readonly string[]) => ({
      name,
      text: rows.map((row) => `${row.replaceAll(' ', '\t')}\n`).join(''),
    })
    const science = (name: string) =>
      score('scienceqa', {
        answers: [jsonLines('a.jsonl', [{ question_id: 0, text: 'A' }])],
        questions: [tsv(name, 'index question A B answer image', '0 q x y A none')],
      })
    assert.equal((await science('ScienceQA_VAL.tsv')).title, 'ScienceQA (validation)')
    assert.equal((await science('validation-0-of-1.tsv')).title, 'ScienceQA (validation)')
    assert.equal((await science('ScienceQA_TEST.tsv')).title, 'ScienceQA (test)')
    const data = [{ questionId: 1, question: 'q', answers: ['a'] }]
    const titleOf = async (name: string, file: string) => {
      const answers = [jsonLines('run_test.jsonl', [{ question_id: 1, text: 'a' }])]
      return (await score(name, { answers, labels: [jsonFile(file, { data })] })).title
    }
    assert.equal(await titleOf('docvqa', 'test_v1.0.json'), 'DocVQA (test)')
    assert.equal(await titleOf('docvqa', 'val_v1.0.json'), 'DocVQA (val)')
    assert.equal(await titleOf('infovqa', 'infographicsVQA_test_v1.0.json'), 'InfoVQA (test)')
    const others = [
      ['chartqa', 'val_human.json', 'ChartQA (val)'],
      ['gqa', 'val_balanced_questions.json', 'GQA (val)'],
      ['mathvista', 'test-00000-of-00002.parquet', 'MathVista (test)'],
      ['nextqa-mc', 'val.csv', 'NExT-QA (multiple choice, val)'],
    ] as const
    for (const [name, file, title] of others)
      assert.equal(setOf(findBenchmark(name), { labels: [{ name: file, text: '' }] }).title, title)
  })

  test('MMMU: ids tell the split', async () => {
    const of = (split: string) =>
      score('mmmu', {
        answers: [jsonFile('aa.json', [{ id: `${split}_Art_0`, response: 'A', answer: 'A' }])],
      })
    assert.equal((await of('test')).title, 'MMMU (test)')
    assert.equal((await of('validation')).title, 'MMMU (val)')
  })

  test('TextVQA: the prompts beside the answers tell whether they held tokens', async () => {
    // Answers to LLaVA's own prompts that were called after lmms-eval's task lost their rows.
    const labels = [
      jsonLines('TextVQA_val.jsonl', [
        { question_id: 1, image_id: 'p', question: 'Who?', answers: Array(10).fill('a') },
      ]),
    ]
    const of = (benchmark: string, name: string, ...tokens: readonly string[]) => {
      const prompt = ['Who?', ...tokens, 'Answer the question using a single word or phrase.']
      const answers = [
        jsonLines(name, [{ question_id: 'p', prompt: prompt.join('\n'), text: 'a' }]),
      ]
      return score(benchmark, { answers, labels })
    }
    const ocr = 'Reference OCR token: A, B'
    for (const name of ['textvqa_val.jsonl', 'llava_textvqa_val.jsonl', 'a.jsonl']) {
      const own = await of('textvqa', name, ocr)
      assert.equal(own.title, 'TextVQA (val, with OCR tokens)')
      assert.equal(own.metrics[0]!.published.length, 10)
      assert.match((await of('textvqa', name)).title, /without OCR tokens/)
      assert.match((await of('textvqa-no-ocr', name)).title, /without OCR tokens/)
      assert.match((await of('textvqa-no-ocr', name, ocr)).title, /with OCR tokens/)
    }
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
