/** Folders as official scripts leave them: what they wrote of the answers lies beside these, or in their place. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findBenchmark, score } from '../score.ts'
import { jsonFile, jsonLines, metricValues as values } from '../../../test/eval-files.ts'

test('MMMU: where only parsed_output.json is left, what was read is scored', async () => {
  const row = { question_type: 'multiple-choice', answer: 'B' }
  const open = { question_type: 'open', answer: ['$63,020', '63020'] }
  const answers = [
    jsonFile('m/Accounting/parsed_output.json', [
      { ...row, id: 'validation_Accounting_1', parsed_pred: 'B' },
      { ...row, id: 'validation_Accounting_2', parsed_pred: 'A' },
      { ...open, id: 'validation_Accounting_3', parsed_pred: [63020] },
      { ...open, id: 'validation_Accounting_4', parsed_pred: ['baroque'] },
    ]),
    jsonFile('m/Accounting/result.json', { acc: 0.5 }),
  ]
  const report = await score('mmmu', { answers })
  assert.deepEqual(values(report), { accuracy: 50, Accounting: 50 })
  assert.deepEqual(
    report.outcomes.map((one) => one.score),
    [1, 0, 1, 0],
  )
})

test('MathVista: the table of scores beside the answers is passed over', async () => {
  const row = {
    question_type: 'free_form',
    answer_type: 'text',
    answer: 'x',
    response: 'x',
    extraction: 'x',
  }
  const answers = [
    jsonFile('output_llava.json', { 1: { ...row, metadata: {} } }),
    jsonFile('scores_llava.json', { average: { accuracy: '66.67' }, task: {} }),
  ]
  assert.equal(values(await score('mathvista', { answers }))['accuracy'], 100)
})

test('MMBench: LLaVA’s answers alone want the table as labels', async () => {
  const answers = [
    jsonLines('llava.jsonl', [{ question_id: 241, round_id: 0, text: 'B', options: ['x'] }]),
  ]
  await assert.rejects(score('mmbench', { answers }), {
    code: 'INPUT_LABELS_MISSING',
    message: /mmbench_dev_20230712\.tsv.*give the table as labels/,
  })
})

test('Wilder: of a folder that was built only the questions are asked', () => {
  const names = [
    'bench.jsonl',
    'report.json',
    'review.jsonl',
    'work/build.json',
    'work/embeddings.jsonl',
  ]
  const { pick } = findBenchmark('llava-wilder').ask!
  assert.deepEqual(pick!(names.map((name) => ({ name }))), [{ name: 'bench.jsonl' }])
})

test('DocVQA and InfographicVQA: of the test split, whose truth the server keeps, its submission is written', async () => {
  const row = (questionId: number) => ({
    questionId,
    question: 'q',
    image: 'a.png',
    data_split: 'test',
  })
  for (const name of ['docvqa', 'infovqa']) {
    const file = { name: 'test_v1.0.json', text: JSON.stringify({ data: [row(5), row(6)] }) }
    const report = await score(name, {
      answers: [jsonLines('a.jsonl', [{ question_id: '5', text: '0.28' }])],
      labels: [file],
    })
    assert.deepEqual([report.metrics, report.counts.missing], [[], 1])
    assert.equal(
      report.written['submission.json'],
      '[{"questionId": 5, "answer": "0.28"}, {"questionId": 6, "answer": ""}]',
    )
    const table = [{ questionId: '5', question: 'q', answers: null }]
    const hub = { name: 'InfographicVQA/test-0.parquet', text: '', rows: table }
    const again = await score(name, {
      answers: [jsonLines('a.jsonl', [{ question_id: '5', text: 'x' }])],
      labels: [hub],
    })
    assert.equal(again.written['submission.json'], '[{"questionId": 5, "answer": "x"}]')
  }
})
