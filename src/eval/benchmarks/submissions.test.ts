/** Files that people hold of what the official scripts wrote, given back as answers. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { score } from '../score.ts'
import { findBenchmark } from '../index.ts'
import { jsonFile, jsonLines, metricValues } from '../../../test/eval-files.ts'

const humans = (...texts: string[]) => texts.map((answer) => ({ answer }))
const TEN = humans('red', 'red', 'red', 'red', 'red', 'red', 'blue', 'blue', 'two', 'two')

describe('submissions are answers too', () => {
  test('VQAv2: questions by number', async () => {
    const answers = [jsonFile('s.json', [{ question_id: 7, answer: 'blue' }])]
    const labels = [jsonFile('v2.json', { annotations: [{ question_id: 7, answers: TEN }] })]
    assert.deepEqual(metricValues(await score('vqav2', { answers, labels })), { accuracy: 60 })
  })

  test('VizWiz: pictures by name, with and without the question file', async () => {
    const answers = [jsonFile('s.json', [{ image: 'a.jpg', answer: 'Red.' }])]
    const labels = [jsonFile('val.json', [{ image: 'a.jpg', question: 'q', answers: TEN }])]
    const questions = [jsonLines('q.jsonl', [{ question_id: 0, image: 'a.jpg', text: 'q' }])]
    for (const more of [{}, { questions }]) {
      const report = await score('vizwiz', { answers, labels, ...more })
      assert.deepEqual(metricValues(report), { accuracy: 100 })
      assert.equal(report.written['submission.json'], '[{"image": "a.jpg", "answer": "red"}]')
    }
  })
})

test('samples of lmms-eval without human answers are scored by what they hold', async () => {
  const rows = [1, 0.3].map((exact_match, doc_id) => ({
    doc_id,
    target: 'red',
    filtered_resps: 'red',
    exact_match,
  }))
  for (const name of ['vqav2', 'textvqa']) {
    const report = await score(name, { answers: [jsonLines('s.jsonl', rows)] })
    assert.deepEqual(metricValues(report), { accuracy: 65 })
  }
})

test('ScienceQA: a whole share stays a float, and a result file tells its questions with pictures', async () => {
  const turn = (image: object, id: string, letter: string) => ({
    id,
    ...image,
    conversations: [
      { from: 'human', value: 'Which?\nA. x\nB. y' },
      { from: 'gpt', value: letter },
    ],
  })
  const questions = [jsonFile('q.json', [turn({ image: '1.png' }, '1', 'A'), turn({}, '2', 'B')])]
  const result = { acc: 50.0, correct: 1, count: 2, results: {}, outputs: { 1: 'A', 2: 'A' } }
  const report = await score('scienceqa', { answers: [jsonFile('r.json', result)], questions })
  assert.match(report.written['scienceqa_result.json'] ?? '', /"acc": 50\.0,/)
  assert.match(report.printed ?? '', /Accuracy: 50\.00%, IMG-Accuracy: 100\.00%/)
  // The script divides by the pictures that were asked about.
  const texts = [jsonFile('q.json', [turn({}, '1', 'A'), turn({}, '2', 'B')])]
  const plain = await score('scienceqa', {
    answers: [jsonFile('r.json', result)],
    questions: texts,
  })
  assert.equal(plain.printed, null)
})

test('MM-Vet: the tables beside the grades are passed over, and alone refused', async () => {
  const table = {
    name: 'm_gpt-4-cap-score-1runs.csv',
    text: ',rec,ocr,total,std,runs\nm,30.1,20.0,25.5,0.0,[25.5]\n',
  }
  const grades = jsonFile('m_gpt-4-grade-1runs.json', {
    v1_0: { model: ['gpt-4-0613'], content: ['0.5'], score: [0.5] },
  })
  assert.equal(metricValues(await score('mm-vet', { answers: [table, grades] }))['total'], 50)
  await assert.rejects(score('mm-vet', { answers: [table] }), { code: 'INPUT_ANSWERS_FOREIGN' })
})

test('MM-Vet: a question without an answer has an empty one in the submission, and is missing', async () => {
  const ask = (id: number) => ({ question_id: id, image: 'v1_0.png', text: 'q' })
  const questions = [jsonLines('llava-mm-vet.jsonl', [ask(0), ask(1)])]
  const answers = [jsonLines('a.jsonl', [{ question_id: 0, text: 'one' }])]
  const report = await score('mm-vet', { answers, questions })
  assert.deepEqual(JSON.parse(report.written['mm-vet.json']!), { v1_0: 'one', v1_1: '' })
  assert.deepEqual([report.counts.questions, report.counts.missing], [2, 1])
  const twice = jsonLines('llava-mm-vet.jsonl', [ask(0), ask(0)])
  const { questions: read } = findBenchmark('mm-vet').ask!
  assert.throws(() => read([twice]), { code: 'INPUT_QUESTIONS_DUPLICATE' })
})

test('the same line given twice is one; two lines that differ are refused', async () => {
  const pair = (id: number, ...tuple: [number, number]) => ({
    question_id: id,
    category: 'a',
    tuple,
  })
  const reviews = (...rows: object[]) => ({ answers: [jsonLines('r.jsonl', rows)] })
  const same = await score('llava-bench', reviews(pair(1, 8, 4), pair(1, 8, 4), pair(2, 0, 5)))
  assert.equal(same.counts.questions, 2)
  assert.deepEqual(
    same.outcomes.map((one) => one.score),
    [0.5, 1],
  )
  const differing = score('llava-bench', reviews(pair(1, 8, 4), pair(1, 8, 5)))
  await assert.rejects(differing, { code: 'INPUT_ANSWERS_DUPLICATE' })

  const prompt = (text: string) => `${text} Please answer yes or no.`
  const line = (text: string, answer: string) => ({
    question_id: 'count/1.png',
    prompt: prompt(text),
    text: answer,
  })
  const truth = ['Two cats?', 'Three cats?'].map(
    (one, i) => `1.png\t${prompt(one)}\t${i ? 'No' : 'Yes'}\n`,
  )
  const labels = [{ name: 'count.txt', text: truth.join('') }]
  const mme = (...rows: object[]) => score('mme', { answers: [jsonLines('a.jsonl', rows)], labels })
  const both = [line('Two cats?', 'Yes'), line('Three cats?', 'No')]
  assert.equal(metricValues(await mme(...both, both[0]!))['count'], 200)
  await assert.rejects(mme(...both, line('Two cats?', 'No')), { code: 'INPUT_ANSWERS_DUPLICATE' })
})

test('GQA: predictions are scored by the types of questions, as eval.py prints them', async () => {
  const question = (answer: string, structural: string, semantic: string) => ({
    answer,
    types: { structural, semantic, detailed: 'x' },
  })
  const labels = [
    jsonFile('testdev_balanced_questions.json', {
      1: question('no', 'verify', 'attr'),
      2: question('dog', 'query', 'rel'),
      3: question('cat', 'query', 'attr'),
    }),
  ]
  const predictions = ['no', 'cat', 'cat'].map((prediction, i) => ({
    questionId: String(i + 1),
    prediction,
  }))
  const report = await score('gqa', { answers: [jsonFile('p.json', predictions)], labels })
  const { accuracy, ...types } = metricValues(report)
  assert.equal(accuracy?.toFixed(2), '66.67')
  assert.deepEqual(types, { attr: 100, binary: 100, open: 50, query: 50, rel: 0, verify: 100 })
})

test('samples that leave something open do not spoil the others', async () => {
  const generic = { score: 4, video_name: 'v', Q: 'q', A: 'a', pred: 'p' }
  const half = { video_name: 'v', Q1: 'q', A: 'a', pred1: 'p' }
  const sample = { doc_id: 0, target: 'a', filtered_resps: 'p' }
  const answers = [
    jsonLines('samples_videochatgpt_gen.jsonl', [
      { ...sample, gpt_eval_score_correctness: generic },
    ]),
    jsonLines('samples_videochatgpt_consistency.jsonl', [
      { ...sample, gpt_eval_score_consistency: half },
    ]),
  ]
  const values = metricValues(await score('video-chatgpt', { answers }))
  assert.deepEqual(values, { mean: 4, correctness: 4 })
  // What was drawn where nothing could be read is only in the sample's own verdict.
  const drawn = [true, false].map((exact_match, doc_id) => ({
    doc_id,
    target: '1',
    filtered_resps: 'who knows',
    exact_match,
  }))
  const report = await score('nextqa-mc', { answers: [jsonLines('s.jsonl', drawn)] })
  assert.equal(metricValues(report)['overall'], 50)
})

test('MME: result files are found beside others, and of one model', async () => {
  const line = (truth: string) => `0.txt\tIs it?\t${truth}\tYes\n`
  const results = { name: 'm/count.txt', text: line('Yes') + line('No') }
  const other = jsonFile('m/score.json', {})
  const report = await score('mme', { answers: [results, other] })
  assert.equal(metricValues(report)['count'], 50)
  const twice = [results, { ...results, name: 'n/count.txt' }]
  await assert.rejects(score('mme', { answers: twice }), /n\/count\.txt is not the only file/)
})

describe('a split without truth has a submission and no score', () => {
  test('MMMU: letters as they are read, open answers as they are', async () => {
    const labels = [
      jsonLines('test.jsonl', [
        { id: 'test_Math_1', options: "['peach', 'apple']", answer: '?' },
        { id: 'test_Math_2', options: '[]', answer: '?', question_type: 'open' },
        { id: 'test_Math_3', options: "['a', 'b']", answer: '?' },
      ]),
    ]
    const answers = [
      jsonLines('a.jsonl', [
        { question_id: 'test_Math_1', text: 'It is (B).' },
        { question_id: 'test_Math_2', text: 'about 7' },
      ]),
    ]
    const report = await score('mmmu', { answers, labels })
    assert.deepEqual([report.metrics, report.outcomes, report.counts.missing], [[], [], 1])
    assert.deepEqual(JSON.parse(report.written['submission.json']!), {
      test_Math_1: 'B',
      test_Math_2: 'about 7',
      test_Math_3: '',
    })
  })

  test('MathVista: the result file with the responses', async () => {
    const row = { question: 'q', question_type: 'free_form', answer_type: 'text', answer: '' }
    const labels = [jsonFile('test.json', { 1: { pid: '1', ...row }, 2: { pid: '2', ...row } })]
    const answers = [jsonLines('a.jsonl', [{ question_id: '1', text: 'seven', pid: '1' }])]
    const report = await score('mathvista', { answers, labels })
    assert.deepEqual([report.metrics, report.outcomes, report.counts.missing], [[], [], 1])
    const { answer: _answer, ...sent } = row
    assert.deepEqual(JSON.parse(report.written['submission.json']!), {
      1: { pid: '1', ...sent, response: 'seven' },
      2: { pid: '2', ...sent, response: '' },
    })
  })

  test('MMBench: the table with the predictions, whether or not it has the column', async () => {
    const head = ['index', 'question', 'hint', 'A', 'B', 'C', 'D', 'category', 'split']
    const row = ['7', 'q', '', 'x', 'y', '', '', 'c', 'test']
    for (const more of [[], [['answer', '']]]) {
      const lines = [head, row].map((cells, i) => [...cells, ...more.map((one) => one[i] ?? '')])
      const labels = [
        { name: 'mmbench_test.tsv', text: lines.map((cells) => cells.join('\t')).join('\n') },
      ]
      const answers = [jsonLines('a.jsonl', [{ question_id: 7, text: 'B' }])]
      const report = await score('mmbench', { answers, labels })
      assert.deepEqual([report.metrics, report.outcomes, report.counts.missing], [[], [], 0])
      const [columns, cells] = report.sheets['submission.xlsx']!
      assert.equal(cells![columns!.indexOf('prediction')], 'B')
      assert.equal(columns!.indexOf('prediction'), 6)
    }
  })
})
