/** Multiple choice of clips, several pictures and texts: how options are read and asked. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Rng } from '../../core/rng.ts'
import type { EvalFile } from '../eval-file.ts'
import {
  firstCapital,
  leadingLetter,
  mantisAnswer,
  mantisLetter,
  standaloneLetter,
} from '../metrics/choice-letter.ts'
import { findBenchmark, score } from '../score.ts'
import {
  jsonFile as json,
  jsonLines as lines,
  metricValues as values,
} from '../../../test/eval-files.ts'

/** Each expected value was printed by the function named, of lmms-eval at 75571cf (Video-MME: 0c1350d), under CPython 3.11. */
describe('letters are read as the official scripts read them', () => {
  test('mcq_acc, of MVBench and LLaVA-Interleave-Bench', () => {
    for (const [given, letter] of [
      ['B. Piling something up', 'B'],
      ['(C)', 'C'],
      ['(C) Not sure', 'C'],
      ['the answer is b', 'B'],
      ['a cat', 'A'],
      ['Yes!', 'yes'],
      ['D)', 'D'],
      ['B.\nbecause', 'B'],
      ["'E'", 'E'],
      ['1,000 (A)', 'A'],
      ['', ''],
      ['A/B', 'A'],
      ['é a', 'A'],
      ['none, of 3.5 the ones', 'none of 3.5 the ones'],
      ["it's x", "it's x"],
    ] as const)
      assert.equal(standaloneLetter(given), letter, given)
  })
  test('extract_characters_regex, of Video-MME', () => {
    for (const [given, letter] of [
      ['The best answer is C.', 'C'],
      ['The answer is: (B)', 'B'],
      ['Best option: D', 'B'],
      ['Apples', 'A'],
      ['none of them', ''],
      ['it is a very long answer that names no option at all here', ''],
    ] as const)
      assert.equal(firstCapital(given), letter, given)
  })
  test('_extract_answer_letter, of BLINK', () => {
    for (const [given, letter] of [
      ['(b) two', 'B'],
      [' C.', 'C'],
      ['The', 'T'],
      ['1', ''],
    ] as const)
      assert.equal(leadingLetter(given), letter)
  })
  test('get_prediction, of Mantis-Eval', () => {
    assert.equal(mantisLetter('Final Answer: (B) two', 4), 'B')
    assert.equal(mantisLetter('The answer is c', 4), 'C')
    assert.equal(mantisLetter('Zebra', 4), null)
    assert.equal(mantisAnswer('I think so. Answer: Red'), 'Red')
  })
})

test('MVBench’s truth is the text of an option, tasks are named by files', async () => {
  const rows = [
    { video: 'a.webm', question: 'What?', candidates: ['Not sure', 'Up', 'Down'], answer: 'Up' },
    { video: 'b.webm', question: 'What?', candidates: ['Not sure', 'Up', 'Down'], answer: 'Down' },
  ]
  const labels = [json('json/action_antonym.json', rows)]
  const { ask } = findBenchmark('mvbench')
  const [first] = ask!.questions(labels)
  assert.equal(
    first!.prompt,
    'Question:What?\nOption:\n(A) Not sure\n(B) Up\n(C) Down\nOnly give the best option.\n',
  )
  assert.equal(first!.video, 'ssv2_video_mp4/a.webm')
  const answers = [
    lines('a.jsonl', [
      { question_id: 'action_antonym/0', text: '(B) Up' },
      { question_id: 'action_antonym/1', text: '' },
    ]),
  ]
  assert.deepEqual(values(await score('mvbench', { answers, labels })), {
    overall: 50,
    action_antonym: 50,
  })
})

test('NExT-QA counts options from 0, and draws where none is named', async () => {
  const row = {
    video: 'v',
    qid: 6,
    type: 'CW',
    question: ' why? ',
    answer: 1,
    a0: 'x',
    a1: 'to sit down',
    a2: 'y',
    a3: 'z',
    a4: 'w',
  }
  const labels = [json('MC/test.json', [row])]
  const [asked] = findBenchmark('nextqa-mc').ask!.questions(labels)
  assert.equal(asked!.prompt, 'why?\nA. x\nB. to sit down\nC. y\nD. z\nE. w')
  assert.deepEqual([asked!.id, asked!.video], ['v_6', 'v.mp4'])
  const report = await score('nextqa-mc', {
    answers: [lines('a.jsonl', [{ question_id: 'v_6', text: 'B' }])],
    labels,
  })
  assert.deepEqual(values(report), { overall: 100, CW: 100 })
})

test('Video-MME is scored by length, BLINK by task, NLVR2 alone out of its table', async () => {
  const mme = lines('a.jsonl', [
    { question_id: '1', duration: 'short', answer: 'C', prediction: 'C.' },
    { question_id: '2', duration: 'long', answer: 'C', prediction: 'A' },
  ])
  assert.deepEqual(values(await score('video-mme', { answers: [mme] })), {
    overall: 50,
    long: 0,
    short: 100,
  })
  const blink = lines('b.jsonl', [
    { doc_id: 1, doc: { idx: 'v1', sub_task: 'Counting', answer: '(D)' }, filtered_resps: ['(D)'] },
  ])
  assert.deepEqual(values(await score('blink', { answers: [blink] })), {
    overall: 100,
    Counting: 100,
  })
  const table = json('in_domain.json', [
    {
      sample_id: 3,
      sub_task: 'NLVR2_Mantis',
      question: '<image> <image> q',
      answer: 'B',
      image_0: 'a.jpg',
      image_1: 'b.jpg',
      image_10: '',
    },
    { sample_id: 4, sub_task: 'QBench', question: 'q', answer: 'B' },
  ])
  const { ask } = findBenchmark('nlvr2')
  const [asked, ...others] = ask!.questions([table])
  assert.deepEqual([asked!.images, others.length], [['a.jpg', 'b.jpg'], 0])
  const answers = [lines('a.jsonl', [{ question_id: '3', text: 'B. yes' }])]
  assert.deepEqual(values(await score('nlvr2', { answers, labels: [table] })), { overall: 100 })
})

test('Mantis-Eval compares letters, whole options and short answers', async () => {
  const options = ['(A) one', '(B) two']
  const rows = [
    { id: 'm0', question_type: 'multi-choice', options, answer: 'B', prediction: 'Answer: B' },
    { id: 'm1', question_type: 'multi-choice', options, answer: '(A)', prediction: 'two' },
    {
      id: 'm2',
      question_type: 'short-answer',
      options: [],
      answer: 'Red',
      prediction: 'Final Answer: red',
    },
  ]
  assert.equal(
    values(await score('mantis-eval', { answers: [lines('a.jsonl', rows)] }))['overall']!.toFixed(
      1,
    ),
    '66.7',
  )
})

describe('MMLU', () => {
  const test_ = json('abstract_algebra/test-00000.json', [
    { question: ' 1 + 1? ', subject: 'abstract_algebra', choices: ['1', '2', '3', '4'], answer: 1 },
  ])
  const dev: EvalFile = {
    name: 'dev/abstract_algebra_dev.csv',
    text: Array.from({ length: 5 }, (_, i) => `"What, is ${i}?",a,b,c,d,C\n`).join(''),
  }

  test('asks without a template, with no examples or five, and ranks the letters', () => {
    const [zero] = findBenchmark('mmlu').ask!.questions([test_])
    const heading =
      'The following are multiple choice questions (with answers) about abstract algebra.\n\n'
    assert.equal(zero!.prompt, `${heading}1 + 1?\nA. 1\nB. 2\nC. 3\nD. 4\nAnswer:`)
    assert.deepEqual(zero!.choices, [' A', ' B', ' C', ' D'])
    const [five] = findBenchmark('mmlu-5').ask!.questions([dev, test_])
    assert.ok(
      five!.prompt.startsWith(
        `${heading}What, is 0?\nA. a\nB. b\nC. c\nD. d\nAnswer: C\n\nWhat, is 1?`,
      ),
    )
    assert.throws(() => findBenchmark('mmlu-5').ask!.questions([test_]), {
      code: 'INPUT_QUESTIONS_MISSING',
    })
    // Where all do not fit, the last examples go first.
    const { shorter, prompt } = five!
    assert.ok(prompt.includes('What, is 4?'))
    const prompts = [1, 2, 3, 4, 5].map((dropped) => shorter!(dropped)!)
    prompts.forEach((shown, i) => {
      assert.ok(!shown.includes(`What, is ${4 - i}?`))
      assert.equal(shown.split('Answer: C').length - 1, 4 - i)
    })
    assert.deepEqual([prompts.at(-1), shorter!(6), zero!.shorter], [zero!.prompt, null, undefined])
  })

  test('counts by area as the paper does, over questions', async () => {
    const csv = (subject: string, letters: string): EvalFile => ({
      name: `test/${subject}_test.csv`,
      text: [...letters].map((letter) => `Q,a,b,c,d,${letter}\n`).join(''),
    })
    const labels = [csv('anatomy', 'A'), csv('astronomy', 'BBC'), csv('virology', 'D')]
    const answers = [
      lines('a.jsonl', [
        { question_id: 'anatomy/0', text: 'A' },
        { question_id: 'astronomy/0', text: 'B' },
        { question_id: 'virology/0', text: 'C' },
      ]),
    ]
    const numbers = values(await score('mmlu', { answers, labels }))
    assert.equal(numbers['accuracy'], 40)
    assert.equal(numbers['other'], 50)
    assert.equal(Math.round(numbers['STEM']!), 33)
    assert.equal(numbers['virology'], 0)
  })

  test('reads the original tables without a header, and refuses others', async () => {
    const csv: EvalFile = { name: 'test/anatomy_test.csv', text: 'Q1,a,b,c,d,A\nQ2,a,b,c,d,D\n' }
    const answers = [
      lines('a.jsonl', [
        { question_id: 'anatomy/0', text: 'A' },
        { question_id: 'anatomy/1', text: 'B' },
      ]),
    ]
    assert.deepEqual(values(await score('mmlu', { answers, labels: [csv] })), { accuracy: 50 })
    await assert.rejects(score('mmlu', { answers, labels: [{ ...csv, text: 'Q1,a,b,c,d,E\n' }] }), {
      code: 'INPUT_QUESTIONS_BROKEN',
    })
  })
})

test('drawn options repeat with the seed', async () => {
  const row = {
    video: 'v',
    qid: 1,
    type: 'CW',
    question: 'q',
    answer: 1,
    a0: 'a',
    a1: 'b',
    a2: 'c',
    a3: 'd',
    a4: 'e',
  }
  const run = (seed: number) =>
    score('nextqa-mc', {
      answers: [lines('a.jsonl', [{ question_id: 'v_1', text: '?' }])],
      labels: [json('MC.json', [row])],
      seed,
    })
  assert.deepEqual(
    (await run(new Rng(5).integer(9))).outcomes,
    (await run(new Rng(5).integer(9))).outcomes,
  )
})
