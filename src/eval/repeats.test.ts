/** What comes twice: the same answer is one, in scores and in submissions; answers, truths and questions that differ are refused. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { EvalFile } from './eval-file.ts'
import { evaluate } from './evaluate-node.ts'
import { findBenchmark, score, type ScoreRequest } from './score.ts'
import { jsonFile, jsonLines } from '../../test/eval-files.ts'

type Files = Pick<ScoreRequest, 'questions' | 'labels'> & { readonly answers: object[] }

const chunk = (name: string, rows: readonly object[]) => jsonLines(name, rows)
const sample = (doc_id: number, target: string, fields: object = {}) => ({
  doc_id,
  target,
  filtered_resps: ['A'],
  ...fields,
})
const likely = (doc_id: number, target: string) => ({
  doc_id,
  target,
  subject: 'anatomy',
  filtered_resps: [0, 1, 2, 3].map((i) => [i === doc_id ? '-1' : '-2', 'False']),
})
const mmbench = (index: number) => ({
  index,
  question: 'q',
  A: 'x',
  B: 'y',
  answer: index === 0 ? 'A' : 'B',
  prediction: 'A',
})
const mathvista = (pid: string, answer: string) => ({
  pid,
  question_type: 'free_form',
  answer_type: 'text',
  answer,
  query: 'q',
  response: '7',
})
const yesNo = (doc_id: number, answer: string) => ({
  doc_id,
  filtered_resps: ['Yes'],
  doc: { question_id: 'a/1.png', category: 'OCR', question: `q${doc_id}`, answer },
})
/** lmms-eval's row with the humans' answers. */
const held = (question: string, answer: string) => ({
  doc_id: 7,
  filtered_resps: ['red'],
  doc: { question, answers: [answer] },
})
const humans = Array.from({ length: 10 }, () => ({ answer: 'red' }))
const lettered = (question_id: number, fields: object = {}) => ({
  question_id,
  prompt: `q${question_id}`,
  text: 'A',
  ...fields,
})

const CASES: Readonly<Record<string, Files>> = {
  'gqa without labels': { answers: [lettered(1), lettered(2)] },
  gqa: {
    answers: [lettered(1), lettered(2)],
    labels: [jsonFile('q.json', { 1: { answer: 'a' }, 2: { answer: 'b' } })],
  },
  'seed-bench without labels': {
    answers: [lettered(1), lettered(49914), lettered(49914, { prompt: 'other', text: 'B' })],
  },
  'seed-bench': { answers: [sample(0, 'A'), sample(1, 'B')] },
  vqav2: {
    answers: [lettered(1), lettered(2)],
    questions: [jsonLines('q.jsonl', [{ question_id: 1 }, { question_id: 2 }])],
  },
  vizwiz: {
    answers: [lettered(1)],
    questions: [jsonLines('q.jsonl', [{ question_id: 1, image: 'a.jpg' }])],
    labels: [jsonFile('val.json', [{ image: 'a.jpg', answers: humans }])],
  },
  ai2d: { answers: [sample(0, 'A'), sample(1, 'B')] },
  mmlu: { answers: [likely(0, '0'), likely(1, '2')] },
  mmbench: { answers: [mmbench(0), mmbench(1)] },
  mathvista: { answers: [mathvista('1', '7'), mathvista('2', '8')] },
  mme: { answers: [yesNo(0, 'Yes'), yesNo(1, 'No')] },
  'science-qa': { answers: [sample(0, 'A'), sample(1, 'B')] },
  pope: { answers: [sample(0, 'yes'), sample(1, 'no')] },
  'activitynet-qa': {
    answers: [0, 1].map((id) => ({ question_id: `v_${id}`, pred: 'yes', score: id + 3 })),
  },
}

const report = async (name: string, files: Omit<Files, 'answers'>, answers: EvalFile[]) => {
  const { metrics, counts, outcomes, written, sheets } = await score(name, { ...files, answers })
  return { metrics, counts, outcomes, written, sheets }
}

describe('answers in chunks, and merged beside them, score and are sent as if they lay there once', () => {
  for (const [title, { answers, ...files }] of Object.entries(CASES)) {
    test(title, async () => {
      const [name = ''] = title.split(' ')
      const merged = chunk('merge.jsonl', answers)
      const chunks = answers.map((row, i) => chunk(`${answers.length}_${i}.jsonl`, [row]))
      assert.deepEqual(
        await report(name, files, [...chunks, merged]),
        await report(name, files, [merged]),
      )
    })
  }
})

test('SEED-Bench: the id of two questions is sent twice, as answers and as a submission', async () => {
  const { answers } = CASES['seed-bench without labels']!
  const sent = (await score('seed-bench', { answers: [chunk('a.jsonl', answers)] })).written
  const text = sent['submission.jsonl']!
  assert.equal(text.match(/49914, "prediction": "B"|"49914", "prediction": "B"/g)?.length, 2)
  const again = await score('seed-bench', { answers: [{ name: 'submission.jsonl', text }] })
  assert.deepEqual(again.written, sent)
})

describe('what differs under one id is refused, with the id', () => {
  const differing = (name: string, files: Partial<ScoreRequest>, code: string, id: RegExp) =>
    assert.rejects(score(name, { answers: [chunk('a.jsonl', [lettered(1)])], ...files }), {
      code,
      message: id,
    })

  test('answers, where they hold the truth or an id may be shared', async () => {
    const twice = (rows: object[]) => ({ answers: [chunk('a.jsonl', rows)] })
    const code = 'INPUT_ANSWERS_DUPLICATE'
    const ours = twice([lettered(7), lettered(7, { text: 'B' })])
    await differing('seed-bench', ours, code, /\(7\)/)
    const samples = twice([sample(7, 'A'), sample(7, 'A', { filtered_resps: ['B'] })])
    for (const name of ['seed-bench', 'ai2d']) await differing(name, samples, code, /\(7\)/)
    const grades = [0.5, 1].map((grade, i) => jsonFile(`${i}.json`, { v1_7: { score: [grade] } }))
    await differing('mm-vet', { answers: grades }, code, /\(v1_7\)/)
    const reviews = twice([3, 4].map((points) => ({ question_id: 'v_7', score: points })))
    await differing('activitynet-qa', reviews, code, /\(v_7\)/)
  })

  test('questions, though truth and answer are the same', async () => {
    const rows: Record<string, (question: string) => object> = {
      chartqa: (question) => ({ question_id: 7, question, answer: 'yes', prediction: 'yes' }),
      gqa: (question) => ({ question_id: 7, question, answer: 'yes', prediction: 'yes' }),
      mmbench: (question) => ({ index: 7, question, A: 'x', B: 'y', answer: 'A', prediction: 'A' }),
      mathvista: (query) => ({
        pid: '7',
        query,
        question_type: 'free_form',
        answer_type: 'text',
        choices: null,
        answer: 'yes',
        extraction: 'yes',
      }),
      mmmu: (question) => ({ id: '7', question, answer: 'A', options: ['x', 'y'], response: 'A' }),
      'seed-bench': (question) => ({ index: 7, question, A: 'x', B: 'y', answer: 'A', text: 'A' }),
      scienceqa: (question) => ({ index: 7, question, A: 'x', answer: 'A', prediction: 'A' }),
      pope: (question) => ({
        index: 7,
        question,
        category: 'all',
        answer: 'Yes',
        prediction: 'Yes',
      }),
      textvqa: (question) => held(question, 'red'),
    }
    for (const [name, row] of Object.entries(rows)) {
      const given = (...texts: string[]) => ({ answers: [jsonFile('a.json', texts.map(row))] })
      await differing(name, given('Red?', 'Blue?'), 'INPUT_QUESTIONS_DUPLICATE', /\((?:all\/)?7\)/)
      assert.equal((await score(name, given('Red?', 'Red?'))).counts.questions, 1, name)
    }
  })

  test('truths; the same one twice is one', async () => {
    const labelled: Record<string, (answer: string) => object> = {
      gqa: (answer) => ({ id: 1, question: 'q', answer }),
      vqav2: (answer) => ({ question_id: 1, answers: [{ answer }] }),
      vizwiz: (answer) => ({ image: 'a.jpg', answers: [{ answer }] }),
    }
    const asked = [jsonLines('q.jsonl', [{ question_id: 1, image: 'a.jpg' }])]
    for (const [name, row] of Object.entries(labelled)) {
      const questions = name === 'gqa' ? [] : asked
      const given = (...texts: string[]) => ({
        questions,
        labels: [jsonFile('l.json', texts.map(row))],
      })
      await differing(name, given('a', 'b'), 'INPUT_LABELS_DUPLICATE', /\((?:1|a\.jpg)\)/)
      const answers = [chunk('a.jsonl', [lettered(1)])]
      assert.equal((await score(name, { answers, ...given('a', 'a') })).counts.questions, 1, name)
    }
  })

  test('truths in the folder of MME, where the last one counted', async () => {
    const prompt = 'Red? Please answer yes or no.'
    const answers = [chunk('a.jsonl', [{ question_id: 'color/1.png', prompt, text: 'Yes' }])]
    const given = (...truths: string[]) => ({
      answers,
      labels: truths.map((truth, i) => {
        const other = prompt.replace('Red', 'Blue')
        return { name: `${i}/color/1.txt`, text: `${prompt}\t${truth}\n${other}\tNo\n` }
      }),
    })
    const id = /\(color\/1\.txt\/Red\? Please answer yes or no\.\)/
    await differing('mme', given('Yes', 'No'), 'INPUT_LABELS_DUPLICATE', id)
    assert.equal((await score('mme', given('Yes', 'yes'))).counts.questions, 2)
  })

  test('truths that stand beside answers, though these are the same', async () => {
    const rows: Record<string, (answer: string) => object> = {
      mmmu: (answer) => ({ id: '7', answer, options: ['x', 'y'], response: 'A' }),
      mme: (answer) => ({ ...yesNo(7, answer), filtered_resps: ['no'] }),
      pope: (answer) => ({ index: 7, category: 'all', answer, prediction: 'Yes' }),
      vqav2: (answer) => held('q', answer),
      textvqa: (answer) => held('q', answer),
      vizwiz: (answer) => ({ ...held('q', answer), image: '7' }),
    }
    for (const [name, row] of Object.entries(rows)) {
      const texts = ['mme', 'pope'].includes(name) ? ['Yes', 'No'] : ['A', 'B']
      const answers = [jsonFile('a.json', texts.map(row))]
      await differing(name, { answers }, 'INPUT_LABELS_DUPLICATE', /\((?:all\/)?7\)/)
    }
  })
})

describe('questions of one id are refused before one of them is asked', () => {
  const folder = mkdtempSync(join(tmpdir(), 'llava-repeats-'))
  after(() => rmSync(folder, { recursive: true }))
  let count = 0
  const run = async (name: string, questions: EvalFile[], labels: EvalFile[] = []) => {
    const asked: unknown[] = []
    const answer = async (request: unknown) => {
      asked.push(request)
      return { text: 'A', finishReason: 'stop' }
    }
    const made = evaluate({
      benchmark: findBenchmark(name),
      questions,
      labels,
      engines: [{ name: 'toy', identity: { name: 'toy' }, answer }],
      out: join(folder, String(count++)),
      batch: 1,
      isBlind: true,
      codeVersion: '1.2.3',
    })
    const [outcome] = await Promise.allSettled([made])
    return { outcome, asked: asked.length }
  }
  const ask = (question_id: unknown, text: string, fields: object = {}) => ({
    question_id,
    image: 'a.jpg',
    text,
    ...fields,
  })

  test('also where only a server or a judge knows the truth', async () => {
    const twice = [jsonLines('q.jsonl', [ask(7, 'one?'), ask(7, 'two?')])]
    const same = [jsonLines('q.jsonl', [ask(7, 'one?'), ask(7, 'one?')])]
    const row = { question_id: 'v_7', video_name: 'v', answer: 'a' }
    const clips = ['one?', 'two?'].map((question) => ({ ...row, question }))
    const files: [string, EvalFile[]][] = [
      ...['vqav2', 'gqa', 'vizwiz', 'llava-bench'].map((name): [string, EvalFile[]] => [
        name,
        twice,
      ]),
      ['gqa', same],
      ['textvqa', [jsonLines('q.jsonl', [ask(7, 'one?\nShort.'), ask(7, 'one?\nShort.')])]],
      ['activitynet-qa', [jsonFile('test.json', clips)]],
      [
        'llava-wilder',
        [
          jsonLines(
            'small.jsonl',
            [ask(7, ''), ask(7, '')].map((one) => ({ ...one, Question: 'q' })),
          ),
        ],
      ],
    ]
    for (const [name, questions] of files) {
      const { outcome, asked } = await run(name, questions)
      assert.equal(outcome.status, 'rejected', name)
      const { code, message } = outcome.reason as { code: string; message: string }
      assert.equal(code, 'INPUT_QUESTIONS_DUPLICATE', message)
      assert.match(message, /7/)
      assert.equal(asked, 0, name)
    }
  })

  test('the ids that a benchmark itself gives to several are asked', async () => {
    const { outcome, asked } = await run('seed-bench', [
      jsonLines('q.jsonl', [ask('49914', 'one?'), ask('49914', 'two?')]),
    ])
    assert.deepEqual([outcome.status, asked], ['fulfilled', 2])
  })
})
