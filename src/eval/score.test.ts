import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { InputError } from '../core/errors.ts'
import { compareRuns } from './compare.ts'
import type { EvalFile } from './eval-file.ts'
import { BENCHMARKS } from './benchmarks/index.ts'
import type { WordNet } from './metrics/wordnet.ts'
import { readEvalFiles } from './read-node.ts'
import { findBenchmark, score, type ScoreRequest } from './score.ts'
import {
  jsonFile as json,
  jsonLines as lines,
  metricValues as values,
} from '../../test/eval-files.ts'

test('names are unique, found in any spelling, and unknown ones are refused with a list', () => {
  const names = BENCHMARKS.map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
  assert.equal(findBenchmark('Science-QA').name, 'scienceqa')
  assert.equal(findBenchmark('MMBench_CN').name, 'mmbench-cn')
  assert.throws(() => findBenchmark('nope'), /there is no benchmark "nope"; did you mean pope\?/)
  assert.throws(() => findBenchmark('texvqa'), /did you mean textvqa\?/)
  assert.throws(() => findBenchmark('imagenet'), /"imagenet"; there are vqav2, gqa/)
})

const POPE = {
  questions: [
    lines('q.jsonl', [
      { question_id: 1, image: 'a.jpg', text: 'Is there a cat?\nAnswer', category: 'random' },
      { question_id: 2, image: 'a.jpg', text: 'Is there a dog?\nAnswer', category: 'random' },
      { question_id: 3, image: 'b.jpg', text: 'Is there a cup?\nAnswer', category: 'random' },
    ]),
  ],
  labels: [
    lines('coco_pope_random.json', [
      { image: 'a.jpg', text: 'Is there a cat?', label: 'yes' },
      { image: 'a.jpg', text: 'Is there a dog?', label: 'no' },
      { image: 'b.jpg', text: 'Is there a cup?', label: 'yes' },
    ]),
  ],
}
const popeAnswers = (...texts: [number, string][]) => [
  lines(
    'a.jsonl',
    texts.map(([question_id, text]) => ({ question_id, text })),
  ),
]

test("POPE's rates are those of scikit-learn", async () => {
  const { yesNo } = JSON.parse(readFileSync('fixtures/eval/oracle.json', 'utf8')) as {
    yesNo: { truth: number[]; said: number[] } & Record<string, number>
  }
  const word = (value: number) => (value === 1 ? 'yes' : 'no')
  const asked = yesNo.truth.map((_, id) => ({ question_id: id, text: 'q', category: 'random' }))
  const { metrics } = await score('pope', {
    questions: [lines('q.jsonl', asked)],
    labels: [
      lines(
        'coco_pope_random.json',
        yesNo.truth.map((value) => ({ label: word(value) })),
      ),
    ],
    answers: popeAnswers(...yesNo.said.map((value, id): [number, string] => [id, word(value)])),
  })
  for (const name of ['accuracy', 'precision', 'recall', 'F1']) {
    const ours = metrics.find((one) => one.name === `${name} random`)!.value!
    assert.ok(Math.abs(ours / 100 - yesNo[name.toLowerCase()]!) < 1e-12, name)
  }
})

describe('answers', () => {
  test('in another order score the same, and a missing one counts as wrong', async () => {
    const all = await score('pope', {
      ...POPE,
      answers: popeAnswers([3, 'Yes'], [1, 'Yes'], [2, 'No']),
    })
    assert.equal(values(all)['F1 mean'], 100)
    const two = await score('pope', { ...POPE, answers: popeAnswers([1, 'Yes'], [2, 'No']) })
    assert.equal(values(two)['recall random'], 50)
    assert.deepEqual(two.counts, { questions: 3, answers: 2, missing: 1, extra: 0, unreadable: 0 })
  })

  test('to no question are counted, and none to any question is another benchmark', async () => {
    const extra = await score('pope', { ...POPE, answers: popeAnswers([1, 'Yes'], [9, 'No']) })
    assert.deepEqual([extra.counts.extra, extra.counts.missing], [1, 2])
    await rejects('pope', { ...POPE, answers: popeAnswers([9, 'No']) }, 'INPUT_ANSWERS_FOREIGN')
  })

  test('that contradict each other are refused; the same answer twice is one', async () => {
    const twice = popeAnswers([1, 'Yes'], [1, 'No'])
    await rejects('pope', { ...POPE, answers: twice }, 'INPUT_ANSWERS_DUPLICATE')
    const same = await score('pope', { ...POPE, answers: popeAnswers([1, 'Yes'], [1, 'Yes']) })
    assert.equal(same.counts.answers, 1)
  })

  test('without a text, without an id, or in a damaged file are refused', async () => {
    const bad = (file: EvalFile) => ({ ...POPE, answers: [file] })
    await rejects('pope', bad(lines('a.jsonl', [{ question_id: 1 }])), 'INPUT_ANSWERS_FIELD')
    await rejects('pope', bad(lines('a.jsonl', [{ text: 'Yes' }])), 'INPUT_ANSWERS_FIELD')
    await rejects(
      'pope',
      bad({ name: 'a.jsonl', text: '{"question_id": 1, "te' }),
      'INPUT_ANSWERS_BROKEN',
    )
  })
})

test('a field that is there and holds no text is told as what it holds, and in which row', async () => {
  // It was told as missing, among the names of all that are there; of samples a field that they never have.
  const row = { question_id: '0', prompt: 'p', text: 'Yes' }
  const sample = { doc_id: 0, target: 'yes' }
  for (const [change, message] of [
    [
      { ...row, text: null },
      /"text", a text or a number, one has null \({"question_id":"0","prompt":"p"}\); write/,
    ],
    [{ ...row, text: ['Yes'] }, /"text", .* one has \["Yes"\]/],
    [
      { ...row, question_id: null },
      /"question_id", .* one has null \({"prompt":"p","text":"Yes"}\)/,
    ],
    [{ question_id: '0' }, /"text", one has only question_id; is it another file\?/],
    [{ ...sample, filtered_resps: [null] }, /"filtered_resps", .* one has \[null\] \({"doc_id":0,/],
    [{ ...sample, filtered_resps: [] }, /"filtered_resps", .* one has \[\]/],
    [{ ...sample, filtered_resps: null, resps: [] }, /"resps", .* one has \[\]/],
    [
      { question_id: '0', model_prediction: { status: 'success', message: null } },
      /"message", .* one has null \({"status":"success"}\)/,
    ],
  ] as const) {
    await assert.rejects(score('pope', { ...POPE, answers: [lines('a.jsonl', [change])] }), {
      code: 'INPUT_ANSWERS_FIELD',
      message,
    })
  }
})

test('NaN is told as what Python writes, in whole files as in lines, and a file that is cut off as that', async () => {
  const list = '[{"question_id": 1,\n "text": "Yes", "loss": NaN}]'
  const files: [string, string, RegExp][] = [
    ['a.json', list, /line 2 has \S+ "Yes", "loss": NaN}]…; NaN and Infinity, which Python writes/],
    ['a.json', '{"args": {"x": -Infinity}, "logs": []}', /line 1 has …{"args": {"x": -Infinity}/],
    ['a.jsonl', '{"question_id": 1, "loss": NaN}', /line 1 of a.jsonl .*; NaN and Infinity/],
    ['a.json', list.slice(0, -1), /cut off\?/],
    ['a.jsonl', '{"loss": NaN, "text', /cut off\?/],
    ['a.json', '[{"text": "[NaN]"', /cut off\?/],
  ]
  for (const [name, text, message] of files) {
    const request = { ...POPE, answers: [{ name, text }] }
    await assert.rejects(score('pope', request), { code: 'INPUT_ANSWERS_BROKEN', message })
  }
  const labels = [{ name: 'l.json', text: '{"1": {"answer": NaN}}' }]
  const answers = popeAnswers([1, 'Yes'])
  await assert.rejects(score('gqa', { answers, labels }), {
    message: /l\.json .*which Python writes/,
  })
})

test('labels of other questions, needless files and missing ones are refused', async () => {
  const answers = popeAnswers([1, 'Yes'])
  const other = [
    lines(
      'coco_pope_random.json',
      Array.from({ length: 3 }, () => ({ image: 'z.jpg', label: 'no' })),
    ),
  ]
  await rejects('pope', { ...POPE, answers, labels: other }, 'INPUT_LABELS_FOREIGN')
  await rejects('pope', { ...POPE, answers, labels: [] }, 'INPUT_LABELS_MISSING')
  await rejects('mmbench', { answers, questions: POPE.questions }, 'INPUT_FILES_UNUSED')
})

describe("POPE's labels", () => {
  // What was not exactly "no" counted as yes, and files of other names as no labels at all.
  const rows = (label: (word: string) => unknown) => [
    { image: 'a.jpg', text: 'Is there a cat?', label: label('yes') },
    { image: 'a.jpg', text: 'Is there a dog?', label: label('no') },
    { image: 'b.jpg', text: 'Is there a cup?', label: label('yes') },
  ]
  const answers = popeAnswers([1, 'Yes'], [2, 'Yes'], [3, 'No'])
  const request = (labels: object[], name = 'coco_pope_random.json') => {
    return { ...POPE, answers, labels: [lines(name, labels)] }
  }

  test('are yes and no in any case, as those of samples are', async () => {
    const plain = values(await score('pope', { ...POPE, answers }))
    assert.equal(plain['F1 mean'], 50)
    for (const change of [
      (word: string) => word.toUpperCase(),
      (word: string) => ` ${word[0]!.toUpperCase()}${word.slice(1)} `,
    ]) {
      assert.deepEqual(values(await score('pope', request(rows(change)))), plain)
    }
  })

  test('that are anything else, of another name, or differ of one question are refused', async () => {
    const refused = (labels: ScoreRequest, code: string, message: RegExp) =>
      assert.rejects(score('pope', labels), { code, message })
    for (const other of ['maybe', 0, null]) {
      const labels = rows((word) => (word === 'no' ? other : word))
      await refused(
        request(labels),
        'INPUT_LABELS_MISSING',
        /label 2 of coco_pope_random\.json \("Is there a dog\?"\) should be yes or no, ("maybe"|0|null) came/,
      )
    }
    const own = rows((word) => word)
    await refused(
      request(own, 'pope_random.json'),
      'INPUT_LABELS_MISSING',
      /files coco_pope_CATEGORY\.json.*pope_random\.json came/,
    )
    const twice = [...own.slice(0, 2), { ...own[0], label: 'no' }]
    await refused(request(twice), 'INPUT_LABELS_DUPLICATE', /a\.jpg Is there a cat\?/)
  })

  test('are found by picture and text: a question without one of them is named, not its labels', async () => {
    for (const field of ['image', 'text']) {
      const row = { question_id: 1, image: 'a.jpg', text: 'Is there a cat?', category: 'random' }
      const questions = [lines('q.jsonl', [{ ...row, [field]: undefined }])]
      const labels = [lines('coco_pope_random.json', rows((word) => word).slice(0, 1))]
      await assert.rejects(score('pope', { questions, labels, answers: popeAnswers([1, 'Yes']) }), {
        code: 'INPUT_QUESTIONS_COLUMN',
        message: new RegExp(
          `question 1 of q\\.jsonl should have "${field}", .*columns are question_id`,
        ),
      })
    }
  })
})

test('labels without a question are refused by every benchmark, as what came', async () => {
  // GQA, VQAv2 and VizWiz scored as if none had come; others told of questions "()".
  const answers = [
    lines('a.jsonl', [
      {
        question_id: '1',
        prompt: 'q\nAnswer the question using a single word or phrase.',
        text: 'A',
      },
    ]),
  ]
  const questions = [lines('q.jsonl', [{ question_id: '1', image: 'a.jpg', text: 'q' }])]
  const grades = [json('grades.json', { v1_1: { score: [1] } })]
  for (const { name, files } of BENCHMARKS.filter((one) => one.files.labels !== undefined)) {
    const given = {
      answers: name === 'mm-vet' ? grades : answers,
      ...(files.questions === undefined ? {} : { questions }),
      // No word is compared.
      ...(name === 'nextqa-oe' ? { wordNet: {} as WordNet } : {}),
    }
    for (const text of ['{}', '[]']) {
      await assert.rejects(
        score(name, { ...given, labels: [{ name: 'l.json', text }] }),
        (error) => error instanceof InputError && !/\(\)|neither|none did/.test(error.message),
        `${name} ${text}`,
      )
    }
  }
  const gqa = { answers, labels: [json('l.json', {})] }
  await assert.rejects(score('gqa', gqa), {
    message: /questions and their truth, l\.json holds none/,
  })
})

test('the recipe changes with answers, truth and seed, and not with file names', async () => {
  const answers = popeAnswers([1, 'Yes'])
  const base = (await score('pope', { ...POPE, answers })).recipe.hash
  const renamed = [{ ...answers[0]!, name: 'other.jsonl' }]
  assert.equal((await score('pope', { ...POPE, answers: renamed })).recipe.hash, base)
  assert.notEqual((await score('pope', { ...POPE, answers, seed: 1 })).recipe.hash, base)
  assert.notEqual(
    (await score('pope', { ...POPE, answers: popeAnswers([1, 'No']) })).recipe.hash,
    base,
  )
})

test('MMBench counts a question only if all its rotations are right', async () => {
  const rows = [
    { index: 1, A: 'x', B: 'y', answer: 'A', prediction: 'A', 'l2-category': 'logic' },
    { index: 1000001, A: 'y', B: 'x', answer: 'B', prediction: 'B. x', 'l2-category': 'logic' },
    { index: 2, A: 'x', B: 'y', answer: 'A', prediction: 'x', 'l2-category': 'scene' },
    {
      index: 1000002,
      A: 'y',
      B: 'x',
      answer: 'B',
      prediction: 'cannot say',
      'l2-category': 'scene',
    },
  ]
  const report = await score('mmbench', { answers: [lines('a.jsonl', rows)] })
  assert.deepEqual(values(report), {
    circular: 50,
    vanilla: 75,
    'circular logic': 100,
    'circular scene': 0,
  })
  assert.equal(report.counts.unreadable, 1)
  const sheet = await assertRejected(
    score('mmbench', { answers: readEvalFiles('fixtures/eval/table.xlsx') }),
  )
  assert.match(sheet.message, /a letter as answer/)
})

test('MMBench: answers of all rounds are to the options as they were turned', async () => {
  // They were refused as answers that came twice.
  const table = [
    { index: 1, A: 'x', B: 'y', C: 'z', answer: 'B' },
    { index: 2, A: 'u', B: 'v', answer: 'A' },
  ]
  const said = (id: number, letters: string) =>
    [...letters].map((text, round) => ({ question_id: id, round_id: round, text }))
  // The right option y is B, then A, then C.
  const answers = (first: string, second: string) => [
    lines('a.jsonl', [...said(1, first), ...said(2, second)]),
  ]
  const scored = async (first: string, second: string) => {
    const labels = [lines('t.jsonl', table)]
    const report = await score('mmbench', { answers: answers(first, second), labels })
    const { circular, vanilla } = values(report)
    return [circular, vanilla, report.counts.questions, report.counts.missing]
  }
  assert.deepEqual(await scored('BAC', 'AB'), [100, 100, 5, 0])
  assert.deepEqual(await scored('BBB', 'AB'), [50, 60, 5, 0])
  assert.deepEqual(await scored('BA', 'AB'), [50, 80, 5, 1])
})

describe('MME', () => {
  const labels: EvalFile[] = [
    {
      name: 'count/a.txt',
      text: 'One?  Please answer yes or no.\tYes\nTwo? Please answer yes or no.\tNo\n',
    },
    {
      name: 'count/b.txt',
      text: 'Three? Please answer yes or no.\tYes\nFour? Please answer yes or no.\tNo\n',
    },
    { name: 'readme.txt', text: 'anything' },
  ]
  const ask = (picture: string, question: string, text: string) => ({
    question_id: `count/${picture}.png`,
    prompt: `${question}\nAnswer the question using a single word or phrase.`,
    text,
  })
  const answers = lines('a.jsonl', [
    ask('a', 'One?', 'Yes'),
    ask('a', 'Two?', 'No, not two'),
    ask('b', 'Three?', 'Yes'),
    ask('b', 'Four?', 'It may be'),
  ])

  test('adds accuracy and whole pictures, and writes what the official scorer reads', async () => {
    const report = await score('mme', { answers: [answers], labels })
    assert.deepEqual(values(report), { perception: 125, count: 125 })
    assert.equal(report.counts.unreadable, 1)
    const text = report.written['count.txt']!
    assert.match(text, /^a\.txt\tOne\?  Please answer yes or no\.\tYes\tYes\n/)
    const again = await score('mme', { answers: [{ name: 'results/count.txt', text }] })
    assert.deepEqual(values(again), values(report))
  })

  test('a task that was asked and has no answer at all counts, with its questions', async () => {
    const other = {
      name: 'color/c.txt',
      text: 'Red?  Please answer yes or no.\tYes\nBlue?  Please answer yes or no.\tNo\n',
    }
    const questions = lines('llava_mme.jsonl', [
      { question_id: 'count/a.png' },
      { question_id: 'color/c.png' },
    ])
    const both = [...labels, other]
    const report = await score('mme', { answers: [answers], labels: both, questions: [questions] })
    assert.deepEqual(values(report), { perception: 125, count: 125, color: 0 })
    assert.deepEqual([report.counts.questions, report.counts.missing], [6, 2])
    const unasked = await score('mme', { answers: [answers], labels: both })
    assert.deepEqual([unasked.counts.questions, unasked.counts.missing], [4, 0])
  })

  test('takes the truth from the lists of the official scorer as well', async () => {
    const list = labels
      .slice(0, 2)
      .map(({ name, text }) =>
        text.replaceAll(/^/gm, `${name.at(6)}.png\t`).replaceAll(/^..png\t$/gm, ''),
      )
    const report = await score('mme', {
      answers: [answers],
      labels: [{ name: 'count.txt', text: list.join('') }],
    })
    assert.equal(values(report)['perception'], 125)
  })

  test('a question without an answer is wrong, a picture with one question is refused', async () => {
    const three = { ...answers, text: answers.text.split('\n').slice(0, 3).join('\n') }
    const report = await score('mme', { answers: [three], labels })
    assert.deepEqual([values(report)['count'], report.counts.missing], [125, 1])
    const bare = lines('a.jsonl', [{ question_id: 'count/1.png', text: 'Yes' }])
    await assert.rejects(score('mme', { answers: [bare], labels }), {
      code: 'INPUT_ANSWERS_FIELD',
      message: /should have "prompt", .* an answer to count\/1\.png has no text there/,
    })
    const odd = { name: 'count.txt', text: 'a.png\tOne?\tYes\tYes\n' }
    await rejects('mme', { answers: [odd] }, 'INPUT_ANSWERS_PAIRS')
  })
})

test('MME: an empty answer is an answer, and wrong', async () => {
  const text =
    'a.png\tOne?\tYes\t\nb.png\tTwo?\tNo\tno.\na.png\tThree?\tNo\t No\nb.png\tFour?\tYes\tYES\r\n'
  const report = await score('mme', { answers: [{ name: 'count.txt', text }] })
  assert.deepEqual(values(report), { perception: 125, count: 125 })
  assert.deepEqual([report.counts.questions, report.counts.unreadable], [4, 1])
})

test("MM-Vet's evaluator input is written again from itself, and its samples by lmms-eval score", async () => {
  const input = json('a.json', { v1_0: 'x = 3', v1_1: 'a "cat"' })
  const { written } = await score('mm-vet', { answers: [input] })
  assert.deepEqual(JSON.parse(written['mm-vet.json']!), { v1_0: 'x = 3', v1_1: 'a "cat"' })
  const sample = (i: number, grade: number, capabilities: string) => ({
    doc_id: i,
    doc: { question_id: `v1_${i}` },
    gpt_eval_score: { question_id: `v1_${i}`, score: grade, capabilities },
  })
  const samples = [lines('s.jsonl', [sample(0, 0.5, 'ocr,math'), sample(1, 1, 'ocr')])]
  assert.deepEqual(values(await score('mm-vet', { answers: samples })), {
    total: 75,
    ocr: 75,
    math: 50,
  })
})

test('LLaVA-Bench leaves out reviews that no judge gave, as lmms-eval does', async () => {
  const reviews = [
    { doc_id: 0, gpt_eval_llava_all: { scores: [10, 5] } },
    { doc_id: 1, gpt_eval_llava_all: { scores: [-999, -999] } },
  ]
  const report = await score('llava-wilder', { answers: [lines('r.jsonl', reviews)] })
  assert.deepEqual([values(report)['all'], report.counts.missing], [50, 1])
})

test('MM-Vet averages grades over runs, in all and by capability', async () => {
  const grades = { v1_0: { score: [1, 0.8] }, v1_1: { score: [0, 0.2] } }
  const labels = [
    json('mm-vet.json', { v1_0: { capability: ['ocr', 'math'] }, v1_1: { capability: ['ocr'] } }),
  ]
  const { metrics } = await score('mm-vet', { answers: [json('grades.json', grades)], labels })
  const shown = metrics.map(({ name, value }) => [name, value?.toFixed(1)])
  assert.deepEqual(shown, [
    ['total', '50.0'],
    ['ocr', '50.0'],
    ['math', '90.0'],
  ])
  const ten = [json('grades.json', { v1_0: { score: [10] } })]
  await rejects('mm-vet', { answers: ten }, 'INPUT_GRADES_BROKEN')
})

test("LLaVA-Bench's reviews are read from a list and from lmms-eval's older file as well", async () => {
  const reviews = [
    { question_id: 0, tuple: [8, 6] },
    { question_id: 1, tuple: [8, 8] },
  ]
  const logs = reviews.map(({ question_id: id, tuple: scores }) => ({
    doc_id: id,
    filtered_resps: ['A house.'],
    gpt_eval_llava_all: { question_id: id, category: 'llava_bench_conv', scores },
  }))
  const samples = json('llava_in_the_wild.json', { args: {}, logs })
  for (const file of [json('reviews.json', reviews), samples])
    assert.equal(values(await score('llava-bench', { answers: [file] }))['all'], 87.5)
  assert.equal(values(await score('llava-wilder', { answers: [samples] }))['all'], 87.5)
})

test('LLaVA-Bench leaves unreadable reviews in, counted, and refuses answers without a judge', async () => {
  const reviews = [
    { question_id: 0, category: 'llava_bench_conv', tuple: [8, 6] },
    { question_id: 1, category: 'llava_bench_detail', tuple: [-1, -1] },
  ]
  const report = await score('llava-bench', { answers: [lines('r.jsonl', reviews)] })
  assert.deepEqual(values(report), { all: 71.4, llava_bench_conv: 75, llava_bench_detail: 100 })
  assert.equal(report.counts.unreadable, 1)
  await rejects(
    'llava-bench',
    { answers: [lines('a.jsonl', [{ question_id: 0, text: 'x' }])] },
    'INPUT_ANSWERS_FIELD',
  )
  const coco = [
    { question_id: 0, category: 'conv', tuple: [10, 8] },
    { question_id: 1, category: 'complex', tuple: [8, 10] },
  ]
  const told = await score('llava-bench-coco', { answers: [lines('r.jsonl', coco)] })
  assert.deepEqual(values(told), { all: 100, conv: 80, complex: 125 })
})

test('MMMU scores by subject, from answers by id and from rows with options', async () => {
  const labels = [
    json('answer_dict_val.json', {
      validation_Art_1: { question_type: 'multiple-choice', ground_truth: 'B' },
      validation_Art_Theory_2: { question_type: 'short-answer', ground_truth: ['24', '24.0'] },
    }),
  ]
  const answers = [json('a.json', { validation_Art_1: '(B)', validation_Art_Theory_2: 'It is 25' })]
  const report = await score('mmmu', { answers, labels })
  assert.deepEqual(values(report), {
    accuracy: 50,
    'Art and Design': 50,
    Art: 100,
    Art_Theory: 0,
  })
  const row = {
    id: 'validation_Art_1',
    answer: 'C',
    response: 'it must be the dark sea',
    options: `['xyz', "b's", 'the dark sea']`,
  }
  const rows = await score('mmmu', { answers: [lines('a.jsonl', [row])] })
  assert.equal(values(rows)['accuracy'], 100)
})

test("samples of lmms-eval and VLMEvalKit's tables hold their truth", async () => {
  const pope = [
    {
      doc_id: 0,
      doc: { question_id: '1', category: 'random', answer: 'yes' },
      filtered_resps: ['Yes'],
    },
    {
      doc_id: 1,
      doc: { question_id: '1', category: 'popular', answer: 'no' },
      filtered_resps: ['Yes'],
    },
  ]
  const { metrics } = await score('pope', { answers: [lines('s.jsonl', pope)] })
  assert.deepEqual(
    metrics.filter(({ name }) => name.startsWith('accuracy')).map(({ value }) => value),
    [100, 0, 50],
  )
  const mme = [
    {
      index: 0,
      category: 'OCR',
      image_path: 'a.jpg',
      question: 'q',
      answer: 'Yes',
      prediction: 'Yes',
    },
    {
      index: 1,
      category: 'OCR',
      image_path: 'a.jpg',
      question: 'r',
      answer: 'No',
      prediction: 'Yes',
    },
  ]
  assert.equal(values(await score('mme', { answers: [lines('s.jsonl', mme)] }))['OCR'], 50)
  const mmmu = [
    { index: 4, id: 'validation_Art_1', A: 'x', B: 'y', answer: 'B', prediction: 'B.' },
    { index: 5, id: 'validation_Art_2', A: 'x', B: 'y', answer: 'A', prediction: 'B' },
  ]
  assert.equal(values(await score('mmmu', { answers: [lines('s.jsonl', mmmu)] }))['accuracy'], 50)
})

test('MathVista takes extractions, and without one only what needs no judge', async () => {
  const choice = { question_type: 'multi_choice', answer_type: 'text', choices: ['cat', 'dog'] }
  const rows = {
    1: { ...choice, answer: 'dog', extraction: 'the (B)', response: 'It is (B).' },
    2: { ...choice, answer: 'dog', extraction: 'a dog', response: '?' },
    3: { ...choice, answer: 'cat', response: 'I think it is the first' },
    4: {
      question_type: 'free_form',
      answer_type: 'float',
      precision: 1,
      answer: '1.2',
      extraction: '1.24',
    },
    5: { question_type: 'free_form', answer_type: 'integer', answer: '7', response: '7.9' },
    6: {
      question_type: 'free_form',
      answer_type: 'float',
      precision: 2,
      answer: '2.0',
      response: 2,
    },
  }
  const { outcomes, counts } = await score('mathvista', { answers: [json('a.json', rows)] })
  assert.deepEqual(
    outcomes.map((one) => one.score),
    [1, 1, 0, 1, 1, 1],
  )
  assert.equal(counts.unreadable, 1)
  const plain = ['c', 'x', '(C', 'F', 'C', '(c)', 'ninety'].map((response, pid) => {
    const choices = ['ten apples', 'b', 'ninety']
    return { ...choice, pid: String(pid), choices, answer: 'ninety', response }
  })
  const read = await score('mathvista', { answers: [lines('m.jsonl', plain)] })
  assert.deepEqual(
    read.outcomes.map((one) => one.read),
    ['', '', '', '', 'ninety', 'ninety', 'ninety'],
  )
  assert.equal(read.counts.unreadable, 4)
})

test('ScienceQA is scored by the columns of its table where the dataset tells them', async () => {
  const problem = { choices: ['x', 'y'], answer: 1, subject: 'natural science', grade: 'grade3' }
  const labels = [
    json('problems.json', {
      1: { ...problem, hint: 'Read.', image: 'image.png' },
      2: { ...problem, hint: '', image: null, subject: 'language science', grade: 'grade12' },
    }),
    json('pid_splits.json', { test: ['1', '2'] }),
  ]
  const answers = [
    lines('a.jsonl', [
      { question_id: '1', prompt: '<image>', text: 'B' },
      { question_id: '2', prompt: 'q', text: 'A' },
    ]),
  ]
  const report = await score('scienceqa', { answers, labels })
  const columns = { NAT: 100, LAN: 0, TXT: 100, IMG: 100, NO: 0, 'G1-6': 100, 'G7-12': 0 }
  assert.deepEqual(values(report), { 'accuracy IMG': 100, accuracy: 50, ...columns })
  const table = { name: 'ScienceQA_VAL.tsv', text: 'index\tanswer\n0\tA' }
  const turns = [{ value: 'q\nA. x\nB. y' }, { value: 'B' }]
  const asked = json('q.json', [{ id: '1', conversations: turns }])
  for (const others of [labels.slice(0, 1), [table]]) {
    for (const questions of [[], [asked]]) {
      await rejects('scienceqa', { answers, questions, labels: others }, 'INPUT_LABELS_MISSING')
    }
  }
})

test("short answers are read from lmms-eval's samples and from tables", async () => {
  const samples = [
    { doc_id: 0, target: '14', doc: { type: 'human_test' }, filtered_resps: ['14.5'] },
    { doc_id: 1, target: 'Yes', doc: { type: 'augmented_test' }, filtered_resps: ['no'] },
  ]
  const chart = await score('chartqa', { answers: [lines('samples.jsonl', samples)] })
  assert.deepEqual(values(chart), { overall: 50, augmented: 0, human: 100 })
  const table = { name: 'a.tsv', text: 'index\tanswer\tprediction\n0\t1\tB. cat\n1\tC\tA' }
  assert.equal(values(await score('ai2d', { answers: [table] }))['overall'], 50)
  const doc = { questionId: 5, answers: ['0.28', '0.29'], prediction: '0.29' }
  assert.equal(
    values(await score('docvqa', { answers: [lines('a.jsonl', [doc])] }))['overall'],
    100,
  )
  // One letter is wrong of twelve, both spaces counted; with half of them wrong it is nothing.
  const poster = { questionId: 7, answers: ['climate map', 'map'], prediction: 'Climate  mop' }
  const far = { questionId: 8, answers: ['climate'], prediction: 'clothing' }
  const info = await score('infovqa', { answers: [lines('a.jsonl', [poster, far])] })
  assert.ok(Math.abs((values(info)['overall'] ?? 0) - (100 * 11) / 12 / 2) < 1e-9)
})

test('the submission that is written for DocVQA is read as answers', async () => {
  const questions = [
    { questionId: 1, question: 'What?', image: 'a.png', answers: ['0.28'] },
    { questionId: 2, question: 'Which?', image: 'b.png', answers: ['red'] },
  ]
  const file = (name: string, value: unknown) => ({ name, text: JSON.stringify(value) })
  const labels = [file('val_v1.0.json', { dataset_name: 'docvqa', data: questions })]
  const test = questions.map(({ answers: _answers, ...question }) => question)
  const asked = [file('test_v1.0.json', { dataset_name: 'docvqa', data: test })]
  const answers = [
    lines('a.jsonl', [
      { question_id: 1, text: '0.28' },
      { question_id: 2, text: 'blue' },
    ]),
  ]
  const { written } = await score('docvqa', { answers, labels: asked })
  const submission = { name: 'submission.json', text: written['submission.json'] ?? '' }
  assert.equal(values(await score('docvqa', { answers: [submission], labels }))['overall'], 50)
})

test("ChartQA's answers of people that look like lists are texts, but to VLMEvalKit where Python reads a list", async () => {
  const chart = async (truth: string, ...answers: string[]) => {
    const rows = answers.map((_, id) => ({ question_id: id, answer: truth, type: 'human_test' }))
    const given = answers.map((text, question_id) => ({ question_id, text }))
    const report = await score('chartqa', {
      answers: [lines('a.jsonl', given)],
      labels: [{ name: 'test.json', text: JSON.stringify(rows) }],
    })
    return report.outcomes.map((one) => one.score)
  }
  assert.deepEqual(await chart('[2017, 2023]', '[2017, 2023]', '2017', '2019'), [1, 0, 0])
  assert.deepEqual(await chart('[Australia, Italy]', '[Australia, Italy]', 'Australia'), [1, 0])
  assert.deepEqual(await chart('[]', 'x', '[]'), [0, 1])
  assert.deepEqual(await chart('12', '１２', '١٢', '12 '), [1, 1, 1])
  const rows = [
    ['[10, 20]', '20'],
    ['[10, 20]', '[10, 20]'],
    ['[Austria, Chile]', '[Austria, Chile]'],
    ['[Austria, Chile]', 'Chile'],
  ]
  const text = rows.map((cells, i) => `${[i, ...cells].join('\t')}\n`).join('')
  const table = { name: 'a.tsv', text: `index\tanswer\tprediction\n${text}` }
  const { outcomes } = await score('chartqa', { answers: [table] })
  assert.deepEqual(
    outcomes.map((one) => one.score),
    [1, 0, 1, 0],
  )
})

test('two runs are compared question by question', async () => {
  const run = async (...texts: [number, string][]) =>
    (await score('pope', { ...POPE, answers: popeAnswers(...texts) })).outcomes
  const first = await run([1, 'Yes'], [2, 'No'], [3, 'Yes'])
  const second = await run([1, 'No'], [2, 'No'], [3, 'Yes'])
  const { onlyFirst, onlySecond, bothRight, pValue } = compareRuns(first, second)
  assert.deepEqual([onlyFirst, onlySecond, bothRight, pValue], [['1'], [], 2, 1])
  assert.throws(() => compareRuns(first, second.slice(1)), InputError)
})

async function rejects(
  name: string,
  request: Parameters<typeof score>[1],
  code: string,
): Promise<void> {
  const error = await assertRejected(score(name, request))
  assert.equal(error.code, code, error.message)
}

async function assertRejected(promise: Promise<unknown>): Promise<InputError> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof InputError, String(error))
  return error
}
