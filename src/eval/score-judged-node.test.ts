/** Answers that exist are judged as those of a run: the official files of every judged benchmark, whole, with what is missing counted. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { compareResults } from './compare-results.ts'
import type { EvalFile } from './eval-file.ts'
import { mixedVersions } from './judge-names.ts'
import { EndpointJudge, plainAddress } from './judge-endpoint.ts'
import { runJudge, type Judge, type JudgeCache, type JudgeReply } from './judge.ts'
import { scoreJudged } from './score-judged-node.ts'
import { findBenchmark, score } from './score.ts'
import { Endpoint } from '../serve/remote/endpoint.ts'
import { jsonFile, jsonLines, metricValues as values } from '../../test/eval-files.ts'

const memory = (): JudgeCache => {
  const kept = new Map<string, JudgeReply>()
  return { get: (key) => kept.get(key) ?? null, set: (key, reply) => void kept.set(key, reply) }
}

/** A judge that says the same of everything, and what it was asked. */
function saying(text: string, asked: string[] = []): Judge {
  return {
    name: 'j',
    identity: { kind: 'test', model: 'j' },
    ask: async ({ messages }) => {
      asked.push(messages.at(-1)!.content)
      return { text, promptTokens: 1, completionTokens: 1 }
    },
  }
}

type Files = { answers: EvalFile[]; questions?: EvalFile[]; labels?: EvalFile[] }

const judge = (name: string, files: Files, text: string, asked?: string[]) =>
  scoreJudged({
    questions: [],
    labels: [],
    ...files,
    benchmark: findBenchmark(name),
    judges: [saying(text, asked)],
    judgeCache: memory(),
    codeVersion: '1.2.3',
  })

describe('answers of official files', () => {
  const truth = jsonFile('mm-vet.json', {
    v1_0: { question: 'What is x?', answer: '5', capability: ['math'] },
    v1_1: { question: 'Who?', answer: 'he', capability: ['rec'] },
  })

  test('MM-Vet: the evaluator’s input and LLaVA’s lines, a question without an answer is missing and 0', async () => {
    const lines = jsonLines('llava.jsonl', [{ question_id: 0, text: 'five' }])
    for (const answers of [[jsonFile('m.json', { v1_0: 'five' })], [lines]]) {
      const asked: string[] = []
      const questions = [0, 1].map((id) => ({ question_id: id, image: 'a.png', text: 'q' }))
      const report = await judge(
        'mm-vet',
        { answers, labels: [truth], questions: [jsonLines('q.jsonl', questions)] },
        '0.5',
        asked,
      )
      assert.deepEqual(values(report), { total: 25, rec: 0, math: 50 })
      assert.deepEqual(report.counts, {
        questions: 2,
        answers: 1,
        missing: 1,
        extra: 0,
        unreadable: 0,
      })
      assert.match(asked[0]!, /What is x\? \| 5 \| five \|$/)
      assert.equal(asked.length, 1)
      assert.deepEqual(
        [report.recipe.judge, report.recipe.code],
        [[{ kind: 'test', model: 'j' }], '1.2.3'],
      )
    }
  })

  test('an answer whose truth did not come is extra, with the questions and without', async () => {
    // They were in no count: reviews are of what was judged.
    const vet = [jsonFile('m.json', { v1_0: 'five', v1_1: 'she', v1_2: 'it', v1_3: 'we' })]
    const ids = [0, 1, 2, 3]
    const asked = ids.map((id) => ({ question_id: id, image: 'a.png', text: 'q' }))
    const clip = (id: number) => ({ question_id: id, video_name: 'v', question: 'q', answer: 'a' })
    const clips = [
      jsonLines(
        'a.jsonl',
        ids.map((id) => ({ question_id: id, text: 't' })),
      ),
    ]
    const cases: [string, Files, EvalFile, string][] = [
      ['mm-vet', { answers: vet, labels: [truth] }, jsonLines('q.jsonl', asked), '0.5'],
      [
        'activitynet-qa',
        { answers: clips, labels: [jsonFile('test_a.json', [clip(0), clip(1)])] },
        jsonFile('test_q.json', ids.map(clip)),
        "{'pred': 'yes', 'score': 4}",
      ],
    ]
    for (const [name, files, questions, said] of cases) {
      for (const given of [files, { ...files, questions: [questions] }]) {
        const { counts } = await judge(name, given, said)
        assert.deepEqual([counts.questions, counts.missing, counts.extra], [2, 0, 2], name)
      }
    }
  })

  test('MM-Vet: the tables name the model as the answers do, and are not written of what no judge has read; the evaluator’s input always is', async () => {
    // They were of `reviews`, and of nonsense they said 0.0; the input was written where no judge came alone.
    const answers = [jsonFile('results/llava-v1.5-13b.json', { v1_0: 'five', v1_1: 'she' })]
    const files = { answers, labels: [truth] }
    const { written } = await judge('mm-vet', files, '0.5')
    const { 'mm-vet.json': input = '', ...tables } = written
    assert.deepEqual(JSON.parse(input), { v1_0: 'five', v1_1: 'she' })
    assert.deepEqual(tables, {
      'cap-score.csv': ',math,rec,total,std,runs\nllava-v1.5-13b,50.0,50.0,50.0,0.0,"[50.0]"\n',
      'cap-int-score.csv': ',math,rec,total,std,runs\nllava-v1.5-13b,50.0,50.0,50.0,0.0,"[50.0]"\n',
    })
    const nonsense = await judge('mm-vet', files, 'well done')
    assert.deepEqual([nonsense.metrics, nonsense.written], [[], { 'mm-vet.json': input }])
  })

  test('a judge at its own temperature is told in facts and recipe, which has another hash', async () => {
    const own: Judge = {
      ...saying('0.5'),
      ask: async () => ({
        text: '0.5',
        promptTokens: 1,
        completionTokens: 1,
        isOwnTemperature: true,
      }),
    }
    const [asked, drawn] = await Promise.all(
      [saying('0.5'), own].map((one) =>
        scoreJudged({
          benchmark: findBenchmark('mm-vet'),
          answers: [jsonFile('m.json', { v1_0: 'five' })],
          questions: [],
          labels: [truth],
          judges: [one],
          judgeCache: memory(),
        }),
      ),
    )
    assert.deepEqual(drawn!.recipe.judge, [{ kind: 'test', model: 'j', isOwnTemperature: true }])
    assert.equal(drawn!.judged[0]!.isOwnTemperature, true)
    assert.ok(!('isOwnTemperature' in asked!.judged[0]!))
    assert.notEqual(drawn!.recipe.hash, asked!.recipe.hash)
  })

  test('LLaVA-Bench: lines beside questions, contexts and references', async () => {
    const report = await judge(
      'llava-bench',
      {
        answers: [
          jsonLines(
            'a.jsonl',
            [3, 4].map((question_id) => ({ question_id, text: 't' })),
          ),
        ],
        questions: [
          jsonLines('q.jsonl', [{ question_id: 3, image: 'a.jpg', category: 'conv', text: 'q' }]),
        ],
        labels: [
          jsonLines('context.jsonl', [{ image: 'a.jpg', caption: 'c' }]),
          jsonLines('answers_gpt4.jsonl', [{ question_id: 3, text: 'r' }]),
        ],
      },
      '8 6\nfine',
    )
    assert.equal(values(report)['all'], 75)
    assert.equal(report.judged[0]!.reviews, 1)
    assert.deepEqual([report.counts.answers, report.counts.extra], [1, 1])
  })

  test('LLaVA-Bench (Wilder): the size of the set is that of the truth or the answers, not of the reviews', async () => {
    const rows = [{ question_id: 'a', Question: 'q', Answer: 'r' }]
    const of = async (kind: 'questions' | 'labels', truth: string, answers = 'a.jsonl') => {
      const given = [jsonLines(answers, [{ question_id: 'a', text: 't' }])]
      const files = { answers: given, [kind]: [jsonLines(truth, rows)] }
      return (await judge('llava-wilder', files, '8 6')).title
    }
    for (const kind of ['questions', 'labels'] as const) {
      assert.match(await of(kind, 'Medium/train.jsonl'), /medium/)
      assert.match(await of(kind, 'Small/train.jsonl'), /small/)
      assert.match(await of(kind, 'q.jsonl', 'run_llava_wilder_medium.jsonl'), /medium/)
    }
  })

  test('LLaVA-Bench: a question without an answer costs what it would if it were wrong', async () => {
    // It had −1 of −1, as what no judge has read: nine of ten without an answer were 500 of 100.
    const ids = Array.from({ length: 10 }, (_, i) => i)
    const asked = ids.map((id) => ({
      question_id: id,
      image: 'a.jpg',
      category: 'conv',
      text: `q${id}`,
    }))
    const own = {
      'llava-bench': {
        questions: [jsonLines('q.jsonl', asked)],
        labels: [
          jsonLines('context.jsonl', [{ image: 'a.jpg', caption: 'c' }]),
          jsonLines(
            'answers_gpt4.jsonl',
            ids.map((id) => ({ question_id: id, text: 'r' })),
          ),
        ],
      },
      'llava-wilder': {
        labels: [
          jsonLines(
            'w.jsonl',
            ids.map((id) => ({ question_id: id, Question: `q${id}`, Answer: 'r' })),
          ),
        ],
      },
    }
    for (const [name, files] of Object.entries(own)) {
      for (const count of [1, 6, 10]) {
        const given = ids.slice(0, count).map((id) => ({ question_id: id, text: 't' }))
        const said: string[] = []
        const report = await judge(
          name,
          { ...files, answers: [jsonLines('a.jsonl', given)] },
          '8 4',
          said,
        )
        const { answers, missing, unreadable } = report.counts
        assert.equal(values(report)['all'], 5 * count, name)
        assert.deepEqual([answers, missing, unreadable], [count, 10 - count, 0])
        assert.deepEqual([said.length, report.judged[0]!.reviews], [count, count])
        assert.ok(
          report.printed!.includes(`all ${5 * count}.0 80.0 ${4 * count}.0`),
          report.printed!,
        )
      }
      const one = [jsonLines('a.jsonl', [{ question_id: 0, text: 't' }])]
      const unread = await judge(name, { ...files, answers: one }, 'good')
      assert.deepEqual([unread.metrics, unread.counts.missing], [[], 9])
    }
  })

  test('ActivityNet-QA: a question without an answer is missing, not unreadable', async () => {
    const rows = [1, 2].map((id) => ({
      video_name: 'v',
      question_id: id,
      question: 'q',
      answer: 'a',
    }))
    const answers = [jsonLines('a.jsonl', [{ question_id: 1, text: 't' }])]
    const report = await judge(
      'activitynet-qa',
      { answers, labels: [jsonFile('test.json', rows)] },
      "{'pred': 'yes', 'score': 4}",
    )
    assert.deepEqual(values(report), { accuracy: 50, score: 2 })
    const { missing, unreadable } = report.counts
    assert.deepEqual([report.counts.answers, missing, unreadable], [1, 1, 0])
  })

  test('Video-ChatGPT: of half a pair no judge is asked, and it is no fault of the files', async () => {
    const labels = [
      jsonFile('consistency_qa.json', [{ video_name: 'v', Q1: 'q', Q2: 'r', A: 'a' }]),
    ]
    const answers = [jsonLines('a.jsonl', [{ question_id: 'consistency/0', text: 't' }])]
    const asked: string[] = []
    const report = await judge('video-chatgpt', { answers, labels }, "{'score': 4}", asked)
    assert.deepEqual([asked, report.metrics, report.counts.missing], [[], [], 1])
    const foreign = [jsonLines('a.jsonl', [{ question_id: 'other', text: 't' }])]
    await assert.rejects(judge('video-chatgpt', { answers: foreign, labels }, '4'), {
      code: 'INPUT_ANSWERS_FOREIGN',
    })
  })

  test("Video-ChatGPT: lmms-eval's three tasks answer the three sets", async () => {
    const none = { question_1: 'None', question_2: 'None' }
    const row = { video_name: 'v', question: 'q', ...none, answer: 'a' }
    const pair = { ...row, question: 'None' }
    const labels = [
      jsonFile('generic.json', [row]),
      jsonFile('temporal.json', [row]),
      jsonFile('consistency.json', [
        { ...pair, question_1: 'q' },
        { ...pair, question_2: 'r' },
      ]),
    ]
    const samples = (task: string, count: number) =>
      jsonLines(
        `m/20260101_000000_samples_videochatgpt_${task}.jsonl`,
        Array.from({ length: count }, (_, i) => ({
          doc_id: i,
          target: 'a',
          filtered_resps: ['p'],
        })),
      )
    const answers = [samples('gen', 1), samples('temporal', 1), samples('consistency', 2)]
    // Those of the generic questions were taken for answers to none, and scored 0.
    const report = await judge('video-chatgpt', { answers, labels }, "{'score': 4}")
    assert.deepEqual(values(report), {
      mean: 4,
      correctness: 4,
      detail: 4,
      context: 4,
      temporal: 4,
      consistency: 4,
    })
    const { missing, extra } = report.counts
    assert.deepEqual([missing, extra], [0, 0])
    const alone = await judge(
      'video-chatgpt',
      { answers: answers.slice(0, 1), labels: labels.slice(0, 1) },
      "{'score': 4}",
    )
    assert.deepEqual([values(alone)['context'], alone.counts.missing], [4, 0])
  })

  test('Video-ChatGPT: predictions with their own questions need no other files', async () => {
    const answers = [
      jsonFile('generic_preds.json', [{ video_name: 'v', Q: 'q', A: 'a', pred: 'p' }]),
      jsonFile('temporal_preds.json', [{ video_name: 'v', Q: 'q', A: 'a', pred: 'p' }]),
      jsonFile('consistency_preds.json', [
        { video_name: 'v', Q1: 'q', Q2: 'r', A: 'a', pred1: 'one', pred2: 'two' },
      ]),
    ]
    const asked: string[] = []
    const report = await judge('video-chatgpt', { answers }, "{'score': 4}", asked)
    assert.deepEqual([values(report)['mean'], asked.length], [4, 5])
    assert.match(asked.at(-1)!, /to Question 1: one\nPredicted Answer to Question 2: two/)
  })

  test('MathVista: responses without extraction are extracted', async () => {
    const row = {
      question_type: 'free_form',
      answer_type: 'integer',
      choices: null,
      precision: null,
      answer: '7',
      query: 'Question: q',
      metadata: { split: 'testmini' },
      response: 'It must be seven.',
    }
    const answers = [jsonFile('output.json', { 1: row, 2: { ...row, answer: '8' } })]
    assert.equal(values(await judge('mathvista', { answers }, '7'))['accuracy'], 50)
  })

  test('MathVista: what a judge extracts nothing from is counted and wrong, of several options too', async () => {
    // It became the nearest, the shortest, option: talk was right, and counted nowhere.
    const row = {
      question_type: 'multi_choice',
      answer_type: 'text',
      choices: ['ten apples', 'b', 'ninety'],
      answer: 'b',
      query: 'Question: q',
      metadata: { split: 'testmini' },
    }
    const responses = { 1: 'Some words.', 2: '', 3: 'b' }
    const outputs = Object.fromEntries(
      Object.entries(responses).map(([pid, response]) => [pid, { ...row, response }]),
    )
    const answers = [jsonFile('output.json', outputs)]
    const report = await judge('mathvista', { answers }, 'As a large model, '.repeat(20))
    assert.deepEqual(
      report.outcomes.map(({ score: right }) => right),
      [0, 0, 1],
    )
    assert.equal(report.counts.unreadable, 2)
    const official = { 1: { ...row, response: 'Some words.', extraction: '' } }
    const own = { 2: { ...row, response: 'b', extraction: 'b' } }
    const scored = await score('mathvista', {
      answers: [jsonFile('output.json', { ...official, ...own })],
    })
    assert.deepEqual([values(scored)['accuracy'], scored.counts.unreadable], [100, 1])
  })

  test('MathVista: a judge that talks extracts nothing, of options, numbers and lists; others are scored as the script has it', async () => {
    // The nearest option stood for the talk: 35 % of forty problems, and nothing was counted.
    const base = { response: 'Some words.', query: 'q', metadata: { split: 'testmini' } }
    const choice = { question_type: 'multi_choice', answer_type: 'text', choices: ['Yes', 'No'] }
    const free = { question_type: 'free_form', choices: null }
    const outputs = {
      1: { ...base, ...choice, answer: 'Yes' },
      2: { ...base, ...free, answer_type: 'integer', answer: '7' },
      3: { ...base, ...free, answer_type: 'float', precision: 1, answer: '1.2' },
      4: { ...base, ...free, answer_type: 'list', answer: '[1, 2]' },
    }
    const answers = [jsonFile('output.json', outputs)]
    for (const said of ['As an AI I cannot say.', 'N/A', '8 3\nbecause']) {
      const { metrics, counts, judged } = await judge('mathvista', { answers }, said)
      assert.deepEqual([metrics, counts.unreadable, judged[0]!.nonsense.length], [[], 4, 4], said)
    }
    const some = await judge('mathvista', { answers }, '7')
    assert.deepEqual([values(some)['accuracy'], some.counts.unreadable], [25, 2])
    const official = { 1: { ...outputs[1], extraction: 'As an AI I cannot say.' } }
    const scored = await score('mathvista', { answers: [jsonFile('output.json', official)] })
    assert.deepEqual([scored.outcomes[0]!.read, scored.counts.unreadable], ['Yes', 0])
  })

  test('questions of one id are refused before the judge is paid', async () => {
    const row = { video_name: 'v', question_id: 'v_1', question: 'q', answer: 'a' }
    const answers = [jsonLines('a.jsonl', [{ question_id: 'v_1', text: 't' }])]
    const labels = [jsonFile('test.json', [row, { ...row, question: 'r' }])]
    const asked: string[] = []
    await assert.rejects(judge('activitynet-qa', { answers, labels }, '', asked), {
      code: 'INPUT_QUESTIONS_DUPLICATE',
    })
    assert.deepEqual(asked, [])
  })

  test('of answers that are there twice a judge sees one; two that differ are refused before it is paid', async () => {
    const clip = (id: string) => ({
      id,
      question_id: id,
      video: 'v',
      video_name: 'v',
      question: 'q',
      answer: 'a',
    })
    const rows = ['7', '8'].map(clip)
    const lines = ['7', '8'].map((id) => ({
      question_id: id,
      image: 'a',
      text: 'q',
      category: 'conv',
    }))
    const wild = {
      questions: [jsonLines('q.jsonl', lines)],
      labels: [
        jsonLines('context.jsonl', [{ image: 'a', caption: 'c' }]),
        jsonLines('answers_gpt4.jsonl', lines),
      ],
    }
    const ids = ['7', '8']
    const graded = Object.fromEntries(
      ids.map((id) => [`v1_${id}`, { question: 'q', answer: 'a', capability: ['rec'] }]),
    )
    const problem = { question_type: 'free_form', answer_type: 'integer', answer: '7', query: 'q' }
    const generic = [0, 1].map((i) => ({ Q: `q${i}`, A: 'a', video_name: 'v' }))
    const cases: [string, Omit<Files, 'answers'>, (id: string) => string, string][] = [
      [
        'activitynet-qa',
        { labels: [jsonFile('t.json', rows)] },
        (id) => id,
        "{'pred': 'yes', 'score': 4}",
      ],
      [
        'hound-qa',
        { labels: [jsonFile('t.json', rows)] },
        (id) => id,
        "{'pred': 'yes', 'score': 4}",
      ],
      [
        'video-chatgpt',
        { labels: [jsonFile('generic_qa.json', generic)] },
        (id) => `generic/${Number(id) - 7}`,
        "{'score': 4}",
      ],
      ['llava-bench', wild, (id) => id, '8 8'],
      [
        'llava-wilder',
        {
          labels: [
            jsonLines(
              'small.jsonl',
              ids.map((id) => ({ question_id: id, Question: 'q', Answer: 'a' })),
            ),
          ],
        },
        (id) => id,
        '8 8',
      ],
      ['mm-vet', { labels: [jsonFile('mm-vet.json', graded)] }, (id) => id, '0.5'],
      [
        'mathvista',
        { labels: [jsonFile('testmini.json', Object.fromEntries(ids.map((id) => [id, problem])))] },
        (id) => id,
        '7',
      ],
    ]
    for (const [name, files, idOf, reply] of cases) {
      const line = (id: string, text: string) => ({ question_id: idOf(id), text })
      const given = [line('7', 'seven'), line('8', 'eight')]
      const merged = jsonLines('merge.jsonl', given)
      const once: string[] = []
      const twice: string[] = []
      const alone = await judge(name, { ...files, answers: [merged] }, reply, once)
      const doubled = [jsonLines('2_0.jsonl', given.slice(0, 1)), merged]
      const both = await judge(name, { ...files, answers: doubled }, reply, twice)
      assert.deepEqual([both.metrics, both.counts], [alone.metrics, alone.counts], name)
      // Several are asked at a time.
      assert.deepEqual(twice.toSorted(), once.toSorted(), name)
      const differing = [...doubled, jsonLines('old.jsonl', [line('7', 'nine')])]
      const asked: string[] = []
      await assert.rejects(
        judge(name, { ...files, answers: differing }, reply, asked),
        { code: 'INPUT_ANSWERS_DUPLICATE', message: /7|generic\/0/ },
        name,
      )
      assert.deepEqual(asked, [], name)
    }
  })

  test('questions in another order are refused before the judge is paid', async () => {
    // Answers say their place alone: each was judged beside another question and reference.
    const asked = ['How tall is it?', 'Which bar is red?', 'What year is this?', 'Who won?']
    const wilder = asked.map((question, i) => ({ Question: question, Answer: `a${i}` }))
    const generic = asked.map((question, i) => ({ Q: question, A: `a${i}`, video_name: `v${i}` }))
    const cases = [
      { name: 'llava-wilder', file: 'wilder.jsonl', rows: wilder, id: String, verdict: '8 8' },
      {
        name: 'video-chatgpt',
        file: 'generic_qa.json',
        rows: generic,
        id: (i: number) => `generic/${i}`,
        verdict: "{'score': 4}",
      },
    ]
    for (const { name, file, rows, id, verdict } of cases) {
      const lines = asked.map((prompt, i) => ({ question_id: id(i), prompt, text: `a${i}` }))
      const answers = [jsonLines('answers.jsonl', lines)]
      const heard: string[] = []
      const judged = (labels: readonly object[], questions: readonly object[] = []) =>
        judge(
          name,
          {
            answers,
            labels: [jsonFile(file, labels)],
            questions: questions.length > 0 ? [jsonFile(file, questions)] : [],
          },
          verdict,
          heard,
        )
      const foreign = { code: 'INPUT_LABELS_FOREIGN', message: /answer \S*0 .* is that of \S*3;/ }
      await assert.rejects(judged(rows.toReversed()), foreign)
      await assert.rejects(judged(rows.toReversed(), rows), foreign)
      assert.equal(heard.length, 0)
      assert.equal((await judged(rows)).counts.missing, 0)
    }
  })

  test('a benchmark of a rule, and answers to other questions, are refused', async () => {
    const answers = [jsonLines('a.jsonl', [{ question_id: 9, text: 't' }])]
    await assert.rejects(judge('pope', { answers }, 'yes'), { code: 'INPUT_JUDGE_UNUSED' })
    await assert.rejects(judge('mm-vet', { answers, labels: [truth] }, '0.5'), {
      code: 'INPUT_ANSWERS_FOREIGN',
    })
  })
})

test('an outcome holds the answer, and beside it what the judge said of it, in every judged benchmark', async () => {
  // The judge's words stood as the answer, or nothing did: no worst answers were shown, and runs had no other texts.
  const clip = { id: 'v_1', question: 'q', answer: 'a', pred: 'THE ANSWER', video_name: 'v' }
  const lines = [jsonLines('a.jsonl', [{ question_id: 0, text: 'THE ANSWER' }])]
  const truth = { v1_0: { question: 'q', answer: 'a', capability: ['math'] } }
  const row = { question_type: 'free_form', answer_type: 'text', answer: '7', query: 'q' }
  const cases: [string, Files, string][] = [
    ['activitynet-qa', { answers: [jsonFile('preds.json', [clip])] }, "{'pred': 'no', 'score': 1}"],
    ['video-detail', { answers: [jsonFile('preds.json', [clip])] }, "{'score': 1}"],
    ['mm-vet', { answers: lines, labels: [jsonFile('mm-vet.json', truth)] }, '0.1'],
    [
      'llava-wilder',
      { answers: lines, labels: [jsonLines('w.jsonl', [{ Question: 'q', Answer: 'r' }])] },
      '8 2\nBad.',
    ],
    [
      'mathvista',
      { answers: [jsonFile('o.json', { 1: { ...row, response: 'THE ANSWER' } })] },
      '8',
    ],
  ]
  for (const [name, files, said] of cases) {
    const { outcomes } = await judge(name, files, said)
    const shown = outcomes.map(({ given, judged }) => [given, judged])
    assert.deepEqual(shown, [['THE ANSWER', said]], name)
  }
  const official = {
    v_1: [
      { pred: 'no', score: 1 },
      { q: 'q', a: 'a', pred: 'THE ANSWER' },
    ],
  }
  const scored = await score('activitynet-qa', { answers: [jsonFile('r.json', official)] })
  assert.equal(scored.outcomes[0]!.given, 'THE ANSWER')
})

test('where a judge has said nothing that can be read there is no number, in every judged benchmark', async () => {
  const row = { id: 'v_1', question: 'q', answer: 'a', pred: 'p', video_name: 'v' }
  const chat = { video_name: 'v', Q: 'q', A: 'a', pred: 'p' }
  const hound = {
    id: 'a',
    query: 'q',
    answer: 'a',
    model_prediction: { status: 'success', message: 'm' },
  }
  const judged = {
    'activitynet-qa': [jsonFile('preds.json', [row])],
    'video-detail': [jsonFile('preds.json', [row])],
    'video-chatgpt': [jsonFile('generic.json', [chat])],
    'hound-qa': [jsonLines('preds.jsonl', [hound])],
  }
  for (const [name, answers] of Object.entries(judged)) {
    const report = await judge(name, { answers }, 'I am a teapot')
    assert.deepEqual(report.metrics, [], name)
    assert.equal(report.counts.unreadable, report.counts.answers, name)
  }
  const unread = [{ pid: '1', response: 'r', extraction: '' }]
  const labels = [
    jsonFile('t.json', { 1: { question_type: 'free_form', answer_type: 'text', answer: 'x' } }),
  ]
  const report = await score('mathvista', { answers: [jsonLines('r.jsonl', unread)], labels })
  assert.deepEqual(report.metrics, [])
})

describe('files of judges', () => {
  const folder = mkdtempSync(join(tmpdir(), 'llava-judges-'))
  after(() => rmSync(folder, { recursive: true }))
  const answers = [jsonLines('a.jsonl', [{ question_id: 0, text: 't' }])]
  const truth = { Question: 'q', Answer: 'r', image: 'a.jpg' }
  const seeing = (parts: Partial<Parameters<typeof scoreJudged>[0]>) =>
    scoreJudged({
      benchmark: findBenchmark('llava-wilder'),
      answers,
      questions: [],
      labels: [jsonLines('w.jsonl', [truth])],
      mediaFolder: folder,
      judgeCache: memory(),
      ...parts,
    })

  test('of one name are told apart, on the disk and in what is shown', async () => {
    // The second one's reviews were written over the first one's.
    writeFileSync(join(folder, 'a.jpg'), 'one')
    const at = (place: string, text: string, name = 'j'): Judge => ({
      ...saying(text),
      name,
      place,
      identity: { place },
    })
    const out = join(folder, 'out')
    const both = await seeing({ judges: [at('http://one', '8 6'), at('http://two', '9 3')], out })
    assert.deepEqual(
      both.judged.map(({ judge: name }) => name),
      ['j (http://one)', 'j (http://two)'],
    )
    const said = readdirSync(out).map((name) => readFileSync(join(out, name), 'utf8'))
    assert.match(
      said.join(''),
      /"tuple":\[8,6\][^]*"tuple":\[9,3\]|"tuple":\[9,3\][^]*"tuple":\[8,6\]/,
    )
  })

  test('are what is scored: what LLaVA-Bench prints of them names the file that was written', async () => {
    // It was called `reviews`, and otherwise when the file was scored.
    const out = join(folder, 'named')
    writeFileSync(join(folder, 'a.jpg'), 'one')
    const { printed } = await seeing({ judges: [saying('8 6')], out })
    const [name = '', ...others] = readdirSync(out)
    const file = { name, text: readFileSync(join(out, name), 'utf8') }
    assert.match(printed!, /^reviews-j\nall 75\.0/)
    assert.deepEqual(
      [others, (await score('llava-wilder', { answers: [file] })).printed],
      [[], printed],
    )
  })

  test('pictures are known by what they hold: another one under the name is asked about again', async () => {
    const judgeCache = memory()
    const calls = async (content: string, name = 'a.jpg') => {
      writeFileSync(join(folder, name), content)
      const labels = [jsonLines('w.jsonl', [{ ...truth, image: name }])]
      const { judged } = await seeing({ judgeCache, judges: [saying('8 6')], labels })
      return judged[0]!.calls
    }
    assert.deepEqual([await calls('one'), await calls('one'), await calls('two')], [1, 0, 1])
    assert.equal(await calls('one', 'elsewhere.jpg'), 0)
    const labels = [jsonLines('w.jsonl', [{ ...truth, image: 'nowhere.jpg' }])]
    await assert.rejects(seeing({ labels, judges: [saying('8 6')] }), {
      code: 'INPUT_PICTURE_MISSING',
    })
  })
})

test('a judge is another at another address: verdicts are not shared, and keys in it are told to nobody', async () => {
  assert.equal(plainAddress('https://me:secret@host:81/v1/?key=secret'), 'https://host:81/v1')
  const cache = memory()
  const spec = findBenchmark('mm-vet').judge!
  const truth = jsonFile('mm-vet.json', { v1_0: { question: 'q', answer: 'a', capability: [] } })
  const tasks = spec.tasks({
    answers: [{ id: '0', text: 't', row: {} }],
    questions: [],
    labels: [truth],
  })
  const scores = []
  for (const [url, grade] of [
    ['http://one/v1', '0.2'],
    ['http://two/v1', '0.9'],
    ['http://one/v1', 'asked again'],
  ] as const) {
    const reply = { choices: [{ message: { content: grade } }] }
    const fetch = async () => new Response(JSON.stringify(reply))
    const endpoint = new Endpoint({ url, fetch: fetch as typeof globalThis.fetch })
    const judge = new EndpointJudge({
      endpoint,
      model: 'm',
      readPicture: async () => new Uint8Array(),
    })
    assert.deepEqual(judge.identity, { kind: 'endpoint', model: 'm', url })
    const hashPicture = async (path: string) => path
    const { reviews } = await runJudge({ spec, tasks, judge, cache, concurrency: 1, hashPicture })
    scores.push(reviews[0]!.verdict)
  }
  assert.deepEqual(scores, [{ score: [0.2] }, { score: [0.9] }, { score: [0.2] }])
})

test('the versions that a judge’s server names are part of the recipe, and several in one score are counted and told', async () => {
  // Two versions behind one name gave one hash, and `compare` said that the recipes differ in nothing.
  const truth = { Question: 'q', Answer: 'r' }
  const judgeCache = memory()
  const judged = (version: string, count: number, cache = memory()) =>
    scoreJudged({
      benchmark: findBenchmark('llava-wilder'),
      answers: [
        jsonLines(
          'a.jsonl',
          Array.from({ length: count }, (_, id) => ({ question_id: id, text: `t${id}` })),
        ),
      ],
      questions: [],
      labels: [jsonLines('w.jsonl', Array<object>(count).fill(truth))],
      judges: [
        {
          ...saying(''),
          ask: async () => ({
            text: '8 6',
            promptTokens: 1,
            completionTokens: 1,
            model: version,
          }),
        },
      ],
      judgeCache: cache,
    })
  const [first, again, other] = [
    await judged('j-0314', 1, judgeCache),
    await judged('j-0314', 1),
    await judged('j-0613', 1),
  ]
  assert.deepEqual(first.recipe.judge, [{ kind: 'test', model: 'j', versions: ['j-0314'] }])
  assert.equal(first.recipe.hash, again.recipe.hash)
  assert.notEqual(first.recipe.hash, other.recipe.hash)
  assert.deepEqual(compareResults(first, other).recipeDiffers, ['judge'])
  assert.equal(mixedVersions(first.judged[0]!), null)

  const mixed = await judged('j-0613', 3, judgeCache)
  assert.deepEqual(mixed.judged[0]!.repliesOf, { 'j-0314': 1, 'j-0613': 2 })
  assert.match(mixedVersions(mixed.judged[0]!)!, /mixed .*: 1 of j-0314, 2 of j-0613$/)
})

test('answers that no judge has read are told as that', async () => {
  const answers = [jsonFile('a.json', [{ question_id: 'v_7', text: 'a' }])]
  for (const [name, what] of [
    ['activitynet-qa', /^eval: .* row 1 has nothing\. Answers need a judge first/],
    ['llava-wilder', /^eval: .* question v_7 has nothing\. Answers need a judge first/],
  ] as const)
    await assert.rejects(score(name, { answers }), { code: 'INPUT_ANSWERS_FIELD', message: what })
})
