/** Files of lmms-eval and VLMEvalKit give the numbers that these give themselves. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import type { Row } from './eval-file.ts'
import { score } from './score.ts'
import { jsonFile, jsonLines, metricValues } from '../../test/eval-files.ts'

type Recorded = {
  readonly samples: readonly Row[]
  readonly labels: readonly Row[]
  readonly expected: Readonly<Record<string, number>>
}

const { lmmsEval, vlmEvalKit } = JSON.parse(readFileSync('fixtures/eval/samples.json', 'utf8')) as {
  lmmsEval: Record<string, Recorded>
  vlmEvalKit: Record<string, { table: string; expected: Record<string, number> }>
}

/** The same with the dataset's row, in the one file of a task that versions before 0.3 wrote. */
function logsOf({ samples, labels }: Recorded): object {
  const logs = samples.map((sample, i) => {
    const { filtered_resps: text } = sample
    const isList = Array.isArray(labels[i]!['answers']) && String(sample['target']).startsWith('[')
    const target = isList ? labels[i]!['answers'] : sample['target']
    return { ...sample, doc: labels[i], target, resps: [[text]], filtered_resps: [text] }
  })
  return { args: { model: 'llava' }, model_configs: { task: 'x' }, logs, time: '0101_0000' }
}

/** What newer samples do not hold. */
const NEEDS_LABELS = ['vqav2', 'textvqa', 'vizwiz']

/** lmms-eval rounds MMMU's share to five decimals. */
const ROUNDED = 6e-4

function assertNumbers(
  found: Readonly<Record<string, number | null>>,
  expected: Readonly<Record<string, number>>,
  names: Readonly<Record<string, string>> = {},
): void {
  for (const [name, value] of Object.entries(expected)) {
    const ours = found[names[name] ?? name]
    assert.ok(typeof ours === 'number', `${name} is missing among ${Object.keys(found).join(', ')}`)
    assert.ok(Math.abs(ours - value) < ROUNDED, `${name}: ${value} expected, ${ours} came`)
  }
}

describe('samples of lmms-eval', () => {
  for (const [name, recorded] of Object.entries(lmmsEval)) {
    const { samples, labels, expected } = recorded
    const file = (version: string) =>
      `2025_samples_${name === 'scienceqa' ? 'scienceqa_img' : name}.${version}`
    // POPE's rates are shares there, and newer samples do not say of which split a question is.
    const percent = Object.fromEntries(
      Object.entries(expected).map(([key, value]) => [key, name === 'pope' ? 100 * value : value]),
    )
    const names = Object.fromEntries(
      Object.keys(expected).map((key) => [key, name === 'pope' ? `${key} all` : key]),
    )

    test(`${name}: without the dataset's row`, async () => {
      const truth = NEEDS_LABELS.includes(name) ? { labels: [jsonFile('t.json', labels)] } : {}
      const report = await score(name, { answers: [jsonLines(file('jsonl'), samples)], ...truth })
      assertNumbers(metricValues(report), percent, names)
      assert.deepEqual([report.counts.missing, report.counts.extra], [0, 0])
    })

    test(`${name}: with it, as until version 0.2`, async () => {
      const report = await score(name, { answers: [jsonFile(file('json'), logsOf(recorded))] })
      assert.equal(report.counts.questions, samples.length)
      const ofAll = Object.keys(expected).map((key) => [key, `${key} overall`])
      assertNumbers(
        metricValues(report),
        percent,
        name === 'pope' ? Object.fromEntries(ofAll) : names,
      )
    })
  }

  test('Mantis-Eval: without options a sample is as right as its task found it', async () => {
    // "left" begins with the letter L, which was read as one of 26.
    const sample = (id: number, said: string, correct: boolean) => ({
      doc_id: id,
      target: 'A',
      filtered_resps: said,
      mantis_score: { question_id: `m_${id}`, pred_answer: said, answer: 'A', correct },
    })
    const samples = [sample(0, 'left', true), sample(1, 'right', false)]
    const label = { id: 'm', question_type: 'multi-choice', question: 'Q', answer: 'A' }
    const labels = [0, 1].map((i) => ({
      ...label,
      id: `m_${i}`,
      options: ['(A) right', '(B) left'],
    }))
    const answers = [jsonLines('2026_samples_mantis.jsonl', samples)]
    const found = metricValues(await score('mantis-eval', { answers }))
    assert.equal(found['overall'], 50)
    // With the options it is read again: here the second is right.
    const report = await score('mantis-eval', { answers, labels: [jsonFile('t.json', labels)] })
    assert.deepEqual(
      report.outcomes.map((one) => one.score),
      [0, 1],
    )
  })

  test('of other rows than the labels in their place are refused', async () => {
    const { samples, labels } = lmmsEval['textvqa']!
    const answers = [jsonLines('s.jsonl', samples)]
    const turned = [jsonFile('t.json', labels.toReversed())]
    await assert.rejects(score('textvqa', { answers, labels: turned }), {
      code: 'INPUT_LABELS_FOREIGN',
    })
  })
})

describe('tables of VLMEvalKit', () => {
  for (const [name, { table, expected }] of Object.entries(vlmEvalKit)) {
    test(name, async () => {
      const report = await score(name, { answers: [{ name: `${name}.tsv`, text: table }] })
      assertNumbers(metricValues(report), expected)
    })
  }
})

test('lists that Python printed are read with their quotes and escapes', async () => {
  const row = {
    doc_id: 0,
    target: String.raw`['it\'s', "a\"b", 'c\nd', 'é']`,
    filtered_resps: "it's",
  }
  const report = await score('docvqa', { answers: [jsonLines('s.jsonl', [row])] })
  assert.equal(report.outcomes[0]!.expected, `it's | a"b | c\nd | é`)
})

describe('files of the official scripts', () => {
  test('BLINK: outputs of a task, predictions by question, and the mean of tasks', async () => {
    const row = (idx: string, prediction: string, answer: string) => ({ idx, prediction, answer })
    const outputs = [
      jsonFile('Counting.json', {
        val: [row('val_Counting_1', '(A)', '(A)'), row('val_Counting_2', 'A', '(A)')],
      }),
      jsonFile('IQ Test.json', { val: [row('val_IQ_Test_1', '(C)', '(C)')] }),
    ]
    const values = metricValues(await score('blink', { answers: outputs }))
    assert.deepEqual(
      [values['Counting'], values['IQ_Test'], values['mean of parts']],
      [50, 100, 75],
    )
    const answers = jsonFile('model.json', { val_Counting_1: '(A)', val_IQ_Test_1: '(B)' })
    const labels = jsonFile('val_answers.json', { val_Counting_1: '(A)', val_IQ_Test_1: '(C)' })
    const two = await score('blink', { answers: [answers], labels: [labels] })
    assert.equal(metricValues(two)['overall'], 50)
  })

  test('MathVista: an extraction that is the whole response is what its judge said', async () => {
    const said = { response: 'Sorry, I cannot help', extraction: 'Sorry, I cannot help' }
    const problem = { question_type: 'multi_choice', answer_type: 'text', choices: ['Yes', 'No'] }
    const outputs = { 1: { ...problem, ...said, answer: 'Yes' }, 2: { ...problem, answer: 'No' } }
    const report = await score('mathvista', { answers: [jsonFile('output_bard.json', outputs)] })
    assert.deepEqual([report.outcomes[0]!.read, report.counts.missing], ['Yes', 1])
  })

  test('Video-MME: clips with their questions', async () => {
    const questions = [
      { question_id: '001-1', options: [], answer: 'C', response: 'C. Berries.' },
      { question_id: '001-2', options: [], answer: 'A', response: 'D.' },
    ]
    const clips = [{ video_id: '001', duration: 'short', domain: 'Knowledge', questions }]
    const values = metricValues(await score('video-mme', { answers: [jsonFile('o.json', clips)] }))
    assert.deepEqual([values['overall'], values['short']], [50, 50])
  })

  test('MVBench: what the notebook keeps, task by task', async () => {
    const results = {
      acc_dict: { 'Action Sequence': [1, 2], 'State Change': [1, 1] },
      res_list: [
        { pred: '(A) He sat.', gt: '(A) He sat.' },
        { pred: 'B. He stood', gt: '(C) He ran' },
        { pred: '(B', gt: '(B) red' },
      ],
    }
    const values = metricValues(await score('mvbench', { answers: [jsonFile('r.json', results)] }))
    assert.deepEqual([values['Action Sequence'], values['State Change']], [50, 100])
    // The other way round it was another file.
    const { acc_dict, res_list } = results
    const turned = await score('mvbench', { answers: [jsonFile('r.json', { res_list, acc_dict })] })
    assert.deepEqual(metricValues(turned), values)
    await assert.rejects(score('mvbench', { answers: [jsonFile('r.json', { res_list })] }), {
      message: /r\.json .*"acc_dict" and "res_list"/,
    })
    for (const total of [1, 1e12, -1, 2.5, null, 'two']) {
      const other = { ...results, acc_dict: { ...results.acc_dict, 'Action Sequence': [1, total] } }
      await assert.rejects(score('mvbench', { answers: [jsonFile('r.json', other)] }), {
        code: 'INPUT_ANSWERS_BROKEN',
        message: /"acc_dict" in r\.json.* of the 3 answers in "res_list"/,
      })
    }
  })

  test('NExT-QA: predictions by question, types from the table', async () => {
    const answers = jsonFile('r.json', {
      '1_0': { prediction: 2, answer: 2 },
      '1_1': { prediction: 0, answer: 4 },
    })
    const alone = metricValues(await score('nextqa-mc', { answers: [answers] }))
    assert.equal(alone['overall'], 50)
    const text =
      'video,question,answer,qid,type,a0,a1,a2,a3,a4\n1,q,2,0,TP,a,b,c,d,e\n1,q,4,1,CW,a,b,c,d,e\n'
    const both = await score('nextqa-mc', {
      answers: [answers],
      labels: [{ name: 'test.csv', text }],
    })
    assert.deepEqual([metricValues(both)['TN'], metricValues(both)['CW']], [100, 0])
  })

  test('Video-ChatGPT: pairs of a verdict and what was asked, of all questions or of one', async () => {
    const asked = { q: 'Q', a: 'yes', pred: 'yes' }
    const all = {
      v_a_0: [{ pred: 'yes', score: 4 }, asked],
      v_b_0: [{ pred: 'no', score: '1' }, asked],
    }
    const values = metricValues(
      await score('activitynet-qa', { answers: [jsonFile('all.json', all)] }),
    )
    assert.deepEqual([values['accuracy'], values['score']], [50, 2.5])
    const single = Object.entries(all).map(([name, pair]) => jsonFile(`out/${name}.json`, pair))
    assert.deepEqual(metricValues(await score('activitynet-qa', { answers: single })), values)
    const dimensions = ['correctness', 'consistency'].map((name, i) =>
      jsonFile(`${name}_results.json`, { v_a_0: [{ score: 3 + i }, asked] }),
    )
    const means = metricValues(await score('video-chatgpt', { answers: dimensions }))
    assert.deepEqual(means, { mean: 3.5, correctness: 3, consistency: 4 })
  })

  test('LLaVA-Hound: replies that are read last; one that says nothing is counted', async () => {
    const rows = [
      { id: '1', response: 'Explanation: good\nScore: 4' },
      { id: '2', response: 'I cannot.' },
    ]
    const report = await score('hound-qa', { answers: [jsonLines('eval.jsonl', rows)] })
    assert.deepEqual(
      [metricValues(report), report.counts.unreadable],
      [{ accuracy: 50, score: 2 }, 1],
    )
  })

  test('MMLU: log-probabilities of lm-evaluation-harness, a file for each subject', async () => {
    const sample = (doc_id: number, target: string, best: number) => ({
      doc_id,
      target,
      filtered_resps: [0, 1, 2, 3].map((i) => [i === best ? '-0.5' : '-2.25', 'False']),
    })
    const files = [
      jsonLines('samples_mmlu_anatomy_2024-05-01T10-00-00.jsonl', [
        sample(0, '2', 2),
        sample(1, '0', 1),
      ]),
      jsonLines('samples_mmlu_virology_2024-05-01T10-00-00.jsonl', [sample(0, '3', 3)]),
    ]
    const values = metricValues(await score('mmlu', { answers: files }))
    assert.deepEqual([values['anatomy'], values['virology']], [50, 100])
  })
})

test('the tables of the hub are the truth of GQA, options of tables that of RealWorldQA', async () => {
  const labels = [jsonFile('testdev.json', [{ id: '20', answer: 'no', imageId: 'n1' }])]
  const gqa = await score('gqa', {
    answers: [jsonLines('a.jsonl', [{ question_id: '20', text: 'No.' }])],
    labels,
  })
  assert.equal(metricValues(gqa)['accuracy'], 100)
  const text = 'index\tquestion\tA\tB\tanswer\tprediction\n0\tWhich?\tLeft\tRight\tB\tright\n'
  const real = await score('realworldqa', { answers: [{ name: 'RealWorldQA.tsv', text }] })
  assert.equal(metricValues(real)['overall'], 100)
})

test('of a whole download the files of other splits are passed over', async () => {
  const row = (answer: string) => ({ question: 'Q', answer, prediction: '14', index: 1 })
  const files = ['test', 'train', 'validation'].map((split, i) =>
    jsonFile(`data/${split}-00000-of-00001.json`, [row(i === 0 ? '14' : '99')]),
  )
  const report = await score('chartqa', {
    answers: [jsonFile('a.json', [row('14')])],
    labels: files,
  })
  assert.deepEqual([report.counts.questions, metricValues(report)['overall']], [1, 100])
})
