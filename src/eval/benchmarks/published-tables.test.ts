import assert from 'node:assert/strict'
import { test } from 'node:test'
import { score } from '../score.ts'
import { jsonFile, jsonLines } from '../../../test/eval-files.ts'
import { BENCHMARKS } from './index.ts'
import { SUBJECTS } from './mmmu.ts'

const valuesOf = (name: string, metric: string, model: string, source = '') =>
  BENCHMARKS.find((one) => one.name === name)!
    .published.filter(
      (row) => row.metric === metric && row.model === model && row.source.includes(source),
    )
    .map(({ value }) => value)

// Whole columns were missing.
test('every column of the published tables is data', () => {
  const cells = [
    ['gqa', 'accuracy', 'llava-v1.5-hd-13b', 'MODEL_ZOO', 64.7],
    ['pope', 'F1 adversarial', 'llava-v1.5-hd-13b', '', 85],
    ['mme', 'perception', 'llava-v1.6-vicuna-13b', '2024-05-10', 1575.1],
    ['mme', 'cognition', 'llava-onevision-qwen2-72b-si', '', 563],
    ['mathvista', 'accuracy', 'llava-v1.5-13b', '2024-05-10', 26.7],
    ['chartqa', 'overall', 'gpt-4v', '', 78.5],
    ['docvqa', 'overall test', 'llava-onevision-qwen2-7b', '', 87.5],
    ['infovqa', 'overall', 'llava-onevision-qwen2-0.5b-si', '', 44.8],
    ['llava-wilder', 'all of medium', 'llava-next-72b', 'gpt-4-vision-preview', 73.4],
    ['nextqa-oe', 'WUPS@0', 'llava-next-image-7b', '1 frame', 26],
    ['video-chatgpt', 'temporal', 'llava-next-image-34b', 'length 8192', 2.51],
    ['video-chatgpt', 'context', 'llava-interleave-qwen-14b', '', 3.98],
    ['activitynet-qa', 'score', 'video-chatgpt-7b', 'gpt-3.5-turbo-0613', 2.7],
    ['video-mme', 'overall with subtitles', 'llava-onevision-qwen2-72b', '', 69.5],
    ['mvbench', 'overall', 'llava-interleave-qwen-7b-dpo', '', 52.3],
    ['video-detail', 'score', 'llava-onevision-qwen2-72b-chat', '', 3.86],
    ['llava-bench', 'llava_bench_complex', 'bard-0718', '', 78.7],
    ['llava-bench-coco', 'all', 'llava-13b-v1 (conversation)', '', 73.8],
    ['scienceqa', 'accuracy', 'gpt-4', '', 82.69],
    [
      'hound-qa',
      'accuracy (yes/no)',
      'llava-hound-dpo',
      'mean of MSVD, MSRVTT and TGIF, judge gpt-3.5-turbo-0301',
      82.03,
    ],
    ['hound-qa', 'score (yes/no)', 'llava-hound-sft', 'TGIF, judge gpt-3.5-turbo-1106', 3.53],
  ] as const
  for (const [name, metric, model, source, value] of cells)
    assert.deepEqual(valuesOf(name, metric, model, source), [value], `${name} ${metric} ${model}`)
})

test('a model has one number of a metric in one source under one condition', () => {
  for (const { name, published } of BENCHMARKS) {
    const rows = published.map(({ model, metric, source }) => [model, metric, source].join('\n'))
    assert.equal(new Set(rows).size, rows.length, name)
    assert.ok(
      published.every(({ value }) => Number.isFinite(value)),
      name,
    )
  }
})

test('the number of a part stands beside no row of the whole, and says of what it is', async () => {
  const table = (name: string, rows: readonly string[]) => ({
    name,
    text: rows.map((row) => `${row.split(' ').join('\t')}\n`).join(''),
  })
  const text = 'Is there a dog in the image?'
  const pope = ['random', 'popular', 'adversarial'].map((category, i) => ({
    question: { question_id: i, image: 'a.jpg', text, category },
    label: jsonLines(`coco_pope_${category}.json`, [{ image: 'a.jpg', text, label: 'yes' }]),
    answer: { question_id: i, prompt: text, text: 'Yes' },
  }))
  const popeOf = (own: typeof pope) => ({
    questions: [
      jsonLines(
        'q.jsonl',
        own.map(({ question }) => question),
      ),
    ],
    labels: own.map(({ label }) => label),
    answers: [
      jsonLines(
        'a.jsonl',
        own.map(({ answer }) => answer),
      ),
    ],
  })
  const dimensions = ['correctness', 'detail', 'context', 'temporal', 'consistency']
  const chat = (names: readonly string[]) => ({
    answers: names.map((name) =>
      jsonFile(`${name}_results.json`, { v: [{ score: 4 }, { q: 'x' }] }),
    ),
  })
  const seed = (medium: string) =>
    jsonFile('SEED-Bench.json', {
      question_type: { 'Scene Understanding': 1 },
      questions: ['image', medium].map((data_type, i) => {
        return { question_id: i, answer: 'A', data_type, question_type_id: 1 }
      }),
    })
  const letters = [
    jsonLines(
      'a.jsonl',
      [0, 1].map((id) => ({ question_id: id, text: 'A' })),
    ),
  ]
  const science = table('ScienceQA_TEST.tsv', [
    'index question A B answer prediction category',
    '0 q x y A A natural',
  ])
  const samples = (...tasks: readonly string[]) => ({
    answers: tasks.map((task) =>
      jsonLines(`m/20260101_000000_samples_${task}.jsonl`, [
        { doc_id: 0, target: 'no', filtered_resps: ['no'] },
      ]),
    ),
  })
  const tasks = (name: string, count: number) =>
    samples(...Array.from({ length: count }, (_, i) => `${name}_${i}`))
  const charts = (...types: readonly string[]) => ({
    answers: [
      jsonLines(
        'a.jsonl',
        types.map((type, i) => ({ question_id: i, type, answer: 'x', prediction: 'x' })),
      ),
    ],
  })
  const clips = (...durations: readonly string[]) => ({
    answers: [
      jsonLines(
        '20260101_000000_samples_videomme_long.jsonl',
        durations.map((duration, i) => {
          const held = { question_id: `${i}`, duration, category: 'Knowledge', pred_answer: 'A' }
          const line = { doc_id: i, target: 'A', filtered_resps: ['A'] }
          return { ...line, videomme_perception_score: held }
        }),
      ),
    ],
  })
  const colleges = (...subjects: readonly string[]) => ({
    answers: subjects.map((subject) =>
      jsonFile(`${subject}/output.json`, [
        {
          id: `validation_${subject}_1`,
          question_type: 'multiple-choice',
          answer: 'A',
          all_choices: ['A', 'B'],
          index2ans: { A: 'x', B: 'y' },
          response: 'A',
        },
      ]),
    ),
  })
  const cases = [
    ['pope', 'F1 mean', samples('pope_adv'), 'adversarial alone'],
    ['pope', 'F1 mean', samples('pope_adv', 'pope_pop', 'pope_random'), undefined],
    ['mvbench', 'overall', tasks('mvbench', 1), '0 alone'],
    ['mvbench', 'overall', tasks('mvbench', 2), '2 of 20 parts'],
    ['mvbench', 'overall', tasks('mvbench', 20), undefined],
    ['blink', 'overall', tasks('blink', 1), '0 alone'],
    ['blink', 'overall', tasks('blink', 14), undefined],
    ['video-mme', 'overall', clips('long'), 'long alone'],
    ['video-mme', 'overall', clips('short', 'medium', 'long'), undefined],
    ['mmmu', 'accuracy', colleges('Art'), 'Art alone'],
    ['mmmu', 'accuracy', colleges('Art', 'Art_Theory'), '2 of 30 subjects'],
    ['mmmu', 'accuracy', colleges(...SUBJECTS), undefined],
    ['blink', 'overall', samples('blink'), undefined],
    ['chartqa', 'overall', charts('human_test'), 'human alone'],
    ['chartqa', 'overall', charts('human_test', 'augmented_test'), undefined],
    ['pope', 'F1 mean', popeOf(pope.slice(0, 1)), 'random alone'],
    ['pope', 'F1 mean', popeOf(pope), undefined],
    ['video-chatgpt', 'mean', chat(dimensions.slice(3, 4)), 'temporal alone'],
    ['video-chatgpt', 'mean', chat(dimensions), undefined],
    ['seed-bench', 'accuracy', { answers: letters, labels: [seed('image')] }, 'images alone'],
    ['seed-bench', 'accuracy', { answers: letters, labels: [seed('video')] }, undefined],
    ['seed-img', 'accuracy', { answers: letters, labels: [seed('image')] }, undefined],
    ['scienceqa', 'accuracy', { answers: [science] }, 'questions with pictures alone'],
  ] as const
  for (const [name, metric, files, part] of cases) {
    const { metrics } = await score(name, files)
    const own = metrics.find((one) => one.name === metric)!
    assert.equal(own.part, part, `${name} ${metric}`)
    assert.equal(own.published.length > 0, part === undefined, `${name} ${metric}`)
  }
})
