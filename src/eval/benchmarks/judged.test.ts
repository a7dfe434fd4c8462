/** What judges say about clips, and what objects long answers name. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { readAnswers } from '../answers.ts'
import type { EvalFile } from '../eval-file.ts'
import { fill, readVerdict } from '../judged-answers.ts'
import { readPythonDict } from '../python-dict.ts'
import { findBenchmark, score } from '../score.ts'
import { objectsNamed, singular } from './chair.ts'
import { readHoundScore } from './hound-qa.ts'
import {
  jsonFile as json,
  jsonLines as lines,
  metricValues as values,
} from '../../../test/eval-files.ts'

describe('a dictionary that a judge wrote', () => {
  test('is read as data, cut to whole numbers, and refused out of range', () => {
    assert.deepEqual(readVerdict("{'pred': 'yes', 'score': 4.8}", true), { pred: 'yes', score: 4 })
    assert.deepEqual(readVerdict('Sure: {"pred": "Yes", "score": "3"} done', true), {
      pred: 'yes',
      score: 3,
    })
    assert.deepEqual(readVerdict("{'score': 0}", false), { score: 0 })
    for (const reply of [
      "{'score': 10}",
      "{'score': -1}",
      "{''score': 4.8}",
      '',
      'yes, 5',
      "{'pred': 'yes'}",
      "{'pred': 'maybe', 'score': 3}",
      "{'pred': 'yes', 'score': '4.8'}",
    ]) {
      assert.equal(readVerdict(reply, true), null, reply)
    }
  })
  test('is never run', () => {
    assert.equal(readPythonDict("{'score': __import__('os')}"), null)
    assert.equal(readPythonDict('{}'), null)
  })
})

test('what an answer holds fills no other place of the prompt', () => {
  assert.equal(
    fill('Q {question} A {pred}', { question: '{pred}', pred: '{question}' }),
    'Q {pred} A {question}',
  )
})

test('a detailed description has the average of whole grades; no verdict is 0, and counted', async () => {
  const reviews = lines('r.jsonl', [
    { question_id: 'v1', score: 4 },
    { question_id: 'v2', score: 3 },
    { question_id: 'v3', score: 0, unread: true },
  ])
  const report = await score('video-detail', { answers: [reviews] })
  assert.equal(values(report)['score']?.toFixed(2), '2.33')
  assert.equal(report.counts.unreadable, 1)
})

test('ActivityNet-QA: yes is right, no verdict is no and 0, samples of lmms-eval are read', async () => {
  const reviews = lines('r.jsonl', [
    { question_id: 'a', pred: 'yes', score: 4 },
    { question_id: 'b', pred: 'no', score: 1 },
    { question_id: 'c', pred: 'no', score: 0, unread: true },
  ])
  const report = await score('activitynet-qa', { answers: [reviews] })
  assert.deepEqual(
    [
      values(report)['accuracy']!.toFixed(1),
      values(report)['score']!.toFixed(2),
      report.counts.unreadable,
    ],
    ['33.3', '1.67', 1],
  )
  const sample = lines('s.jsonl', [
    {
      doc_id: 0,
      gpt_eval_score: { question_id: 'a', pred: 'No way', Correctness: 'yes', score: 5 },
    },
  ])
  assert.equal(values(await score('activitynet-qa', { answers: [sample] }))['accuracy'], 100)
  await assert.rejects(
    score('activitynet-qa', { answers: [lines('a.jsonl', [{ question_id: 'a', text: 'x' }])] }),
    { code: 'INPUT_ANSWERS_FIELD' },
  )
})

test('ActivityNet-QA asks with a capital and a question mark, and its judge sees question, answer and prediction', () => {
  const { ask, judge } = findBenchmark('activitynet-qa')
  const table = json('test.json', [
    {
      video_name: 'x',
      question_id: 'v_x_1',
      question: 'is the Athlete in',
      answer: 'yes',
      type: '3',
    },
  ])
  const [asked] = ask!.questions([table])
  assert.equal(
    asked!.prompt,
    'Is the athlete in? Answer the question using a single word or phrase.',
  )
  assert.equal(asked!.video, 'v_x.mp4')
  const answers = readAnswers([lines('a.jsonl', [{ question_id: 'v_x_1', text: 'Yes' }])])
  const [task] = judge!.tasks({ answers, questions: [table], labels: [] })
  assert.match(
    task!.messages[1]!.content,
    /Question: is the Athlete in\nCorrect Answer: yes\nPredicted Answer: Yes\n/,
  )
})

test('Video-ChatGPT asks three times about generic answers, once about temporal, once about a pair', async () => {
  const { ask, judge } = findBenchmark('video-chatgpt')
  const none = { question_1: 'None', question_2: 'None' }
  const files = [
    json('Generic/test.json', [{ video_name: 'v1', question: 'What?', ...none, answer: 'A' }]),
    json('Temporal/test.json', [{ video_name: 'v1', question: 'When?', ...none, answer: 'B' }]),
    json('Consistency/test.json', [
      { video_name: 'v1', question: 'None', question_1: 'One?', question_2: 'None', answer: 'C' },
      { video_name: 'v1', question: 'None', question_1: 'None', question_2: 'Two?', answer: 'C' },
    ]),
  ]
  const asked = ask!.questions(files)
  assert.deepEqual(
    asked.map(({ prompt }) => prompt),
    ['What?', 'When?', 'One?', 'Two?'],
  )
  const answers = readAnswers([
    lines(
      'a.jsonl',
      asked.map(({ id, prompt }) => ({ question_id: id, text: `to ${prompt}` })),
    ),
  ])
  const tasks = judge!.tasks({ answers, questions: files, labels: [] })
  assert.deepEqual(
    tasks.map(({ fields }) => fields['part']),
    ['correctness', 'detail', 'context', 'temporal', 'consistency'],
  )
  assert.match(
    tasks[4]!.messages[1]!.content,
    /Question 1: One\?\nQuestion 2: Two\?\nCorrect Answer: C\nPredicted Answer to Question 1: to One\?\nPredicted Answer to Question 2: to Two\?/,
  )
  const reviews = lines(
    'r.jsonl',
    tasks.map(({ fields }, i) => ({ ...fields, score: i })),
  )
  assert.deepEqual(values(await score('video-chatgpt', { answers: [reviews] })), {
    mean: 2,
    correctness: 0,
    detail: 1,
    context: 2,
    temporal: 3,
    consistency: 4,
  })
})

test('LLaVA-Hound: right from 3 on, the score stands on its line', async () => {
  assert.deepEqual(readHoundScore('Explanation: good.\nScore: 4'), { score: 4 })
  assert.deepEqual(readHoundScore('**Score:** 5'), { score: 5 })
  for (const reply of ['Score: 10', 'Score: 0', 'It deserves a score of 4', ''])
    assert.equal(readHoundScore(reply), null, reply)
  const reviews = lines('r.jsonl', [
    { question_id: 1, score: 3 },
    { question_id: 2, score: 2 },
  ])
  assert.deepEqual(values(await score('hound-qa', { answers: [reviews] })), {
    accuracy: 50,
    score: 2.5,
  })
})

test('ActivityNet-QA’s own two files: the judge sees the question of one and the answer of the other', () => {
  // It was asked about the question "undefined".
  const { judge } = findBenchmark('activitynet-qa')
  const questions = [
    json('test_q.json', [{ question: 'is it', question_id: '1', video_name: 'x' }]),
  ]
  const labels = [json('test_a.json', [{ answer: 'yes', type: 3, question_id: '1' }])]
  const answers = [{ id: '1', text: 'no', row: {} }]
  const [task] = judge!.tasks({ answers, questions, labels })
  assert.match(task!.messages[1]!.content, /Question: is it\nCorrect Answer: yes\n/)
  assert.throws(() => judge!.tasks({ answers, questions: [], labels }), {
    code: 'INPUT_QUESTIONS_COLUMN',
  })
})

test('LLaVA-Hound: the official script’s replies are yes and no, and its table stands beside them alone', async () => {
  const replies = [
    "{'pred': 'yes', 'score': 5}",
    "{'pred': 'no', 'score': 1}",
    "{'pred': 'yes', 'score': 4}",
  ]
  const rows = replies.map((response, i) => ({ id: `8467_2_${i}`, response }))
  const report = await score('hound-qa', { answers: [lines('eval.jsonl', rows)] })
  assert.deepEqual(
    report.metrics.map(({ name, value, published }) => [name, value!.toFixed(2), published.length]),
    [
      ['accuracy (yes/no)', '66.67', 28],
      ['score (yes/no)', '3.33', 21],
    ],
  )
  const five = await score('hound-qa', {
    answers: [lines('r.jsonl', [{ id: 'a', response: 'Score: 4' }])],
  })
  assert.deepEqual(five.metrics[0]!.published, [], 'another protocol is no peer')
})

test('LLaVA-Hound asks its conversations, and judges them by yes and no, with a caption by 1 to 5', () => {
  const { ask, judge } = findBenchmark('hound-qa')
  const conversations = [{ value: '<video>\nWhat color?' }, { value: 'white' }]
  const questions = [lines('test.jsonl', [{ id: 'a', video: 'v', conversations }])]
  assert.equal(ask!.questions(questions)[0]!.prompt, 'What color?')
  const prediction = { status: 'success', message: `white ${'x '.repeat(300)}` }
  const said = [
    { id: 'a', query: 'What color?', answer: 'white', model_prediction: prediction },
    { id: 'b', query: 'q', answer: 'r', model_prediction: { status: 'failed', message: '' } },
  ]
  const answers = readAnswers([lines('pred.jsonl', said)])
  assert.deepEqual(
    answers.map(({ id }) => id),
    ['a'],
  )
  for (const labels of [questions, [lines('pred.jsonl', said)]]) {
    const [task, ...others] = judge!.tasks({ answers, questions: [], labels })
    const [system, user] = task!.messages
    assert.match(system!.content, /determine if they match meaningfully/)
    assert.match(
      user!.content,
      /Question: What color\?\nCorrect Answer: white\nPredicted Answer: white x/,
    )
    assert.equal(user!.content.match(/ x/g)!.length, 255)
    assert.deepEqual(judge!.read("{'pred': 'Yes', 'score': 4.8}", task!), { pred: 'yes', score: 4 })
    assert.equal(judge!.read('Score: 4', task!), null)
    assert.equal(others.length, 0)
  }
  const plain = { id: 'a', video: 'v', question: 'q', answer: 'r', caption: 'c' }
  const [task] = judge!.tasks({ answers, questions: [lines('t.jsonl', [plain])], labels: [] })
  assert.match(task!.messages[0]!.content, /Ground Truth Video Caption\*\*: c/)
  assert.deepEqual(judge!.read('Score: 4', task!), { score: 4 })
})

describe('CHAIR', () => {
  const labels: EvalFile[] = [
    {
      name: 'synonyms.txt',
      text: 'person, man, woman, people\ndog, puppy\nhot dog, hotdog\nbus\ndining table, table\n',
    },
    json('instances_val2014.json', {
      categories: [
        { id: 1, name: 'person' },
        { id: 2, name: 'dog' },
        { id: 3, name: 'dining table' },
      ],
      annotations: [
        { image_id: 42, category_id: 1 },
        { image_id: 42, category_id: 3 },
      ],
    }),
  ]
  const questions = [
    lines('q.jsonl', [
      { question_id: 1, image: 'COCO_val2014_000000000042.jpg', text: 'Describe.' },
      { question_id: 2, image: 'COCO_val2014_000000000007.jpg', text: 'Describe.' },
    ]),
  ]

  test('counts objects that are named and not there', async () => {
    const answers = [
      lines('a.jsonl', [
        { question_id: 1, text: 'Two men and a puppy sit at the table.' },
        // The last line of synonyms.txt is empty: what is nothing in the singular meant an object.
        { question_id: 2, text: 'A lake. It’s s.' },
      ]),
    ]
    const report = await score('chair', { answers, questions, labels })
    assert.deepEqual(
      Object.entries(values(report)).map(([name, value]) => [name, value!.toFixed(1)]),
      [
        ['CHAIR_i', '33.3'],
        ['CHAIR_s', '50.0'],
        ['recall', '100.0'],
      ],
    )
    assert.deepEqual(
      report.outcomes.map(({ read, score: one }) => [read, one]),
      [
        ['dog', 0],
        ['', 1],
      ],
    )
    await assert.rejects(score('chair', { answers, questions, labels: labels.slice(1) }), {
      code: 'INPUT_LABELS_MISSING',
    })
    // Of another split every object is absent, and nothing was said.
    const instances = { images: [{ id: 9 }], categories: [], annotations: [] }
    const other = [...labels.slice(0, 1), json('instances_train2014.json', instances)]
    await assert.rejects(score('chair', { answers, questions, labels: other }), {
      code: 'INPUT_LABELS_FOREIGN',
      message: /none of 2 .*000000000042\.jpg/,
    })
  })

  test('is what the official script makes of drawn answers, boxes and captions', async () => {
    const recorded = JSON.parse(readFileSync('fixtures/eval/chair.json', 'utf8')) as {
      synonyms: string
      instances: object
      captions: object
      answers: { question_id: number; text: string }[]
      expected: { CHAIR_i: number; CHAIR_s: number; absent: Record<string, string[]> }
    }
    const { instances, captions, answers, expected } = recorded
    const report = await score('chair', {
      answers: [lines('a.jsonl', answers)],
      questions: [
        lines(
          'q.jsonl',
          answers.map(({ question_id }) => ({
            question_id,
            image: `COCO_val2014_${String(question_id).padStart(12, '0')}.jpg`,
            text: 'Describe it.',
          })),
        ),
      ],
      labels: [
        { name: 'synonyms.txt', text: recorded.synonyms },
        json('instances_val2014.json', instances),
        json('captions_val2014.json', captions),
      ],
    })
    const { CHAIR_i, CHAIR_s } = values(report)
    assert.ok(Math.abs((CHAIR_i as number) - expected.CHAIR_i) < 1e-9, `${CHAIR_i}`)
    assert.ok(Math.abs((CHAIR_s as number) - expected.CHAIR_s) < 1e-9, `${CHAIR_s}`)
    for (const { id, read } of report.outcomes) {
      assert.equal(read, expected.absent[id]?.join(', '), id)
    }
  })

  test('has the words of the script, with its quirks', () => {
    assert.deepEqual(
      ['buses', 'knives', 'ponies', 'glasses', 'benches', 'people', 'bus', 'dogs', 'ties'].map(
        singular,
      ),
      ['bus', 'knife', 'pony', 'glass', 'bench', 'person', 'bu', 'dog', 'ty'],
    )
    const meaning = new Map(['hot dog', 'dog'].map((object) => [object, object]))
    assert.deepEqual(objectsNamed('Hot dogs for dogs', meaning), ['hot dog', 'dog'])
  })
})
