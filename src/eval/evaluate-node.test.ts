/** A run from its files to its result: truth that does not fit costs no answers, and what was asked is what counts. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { EvalFile } from './eval-file.ts'
import { evaluate } from './evaluate-node.ts'
import type { JudgeReply } from './judge.ts'
import { findBenchmark } from './score.ts'
import { jsonFile, jsonLines, metricValues as values } from '../../test/eval-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'llava-evaluate-'))
after(() => rmSync(folder, { recursive: true }))
let count = 0

type Run = {
  readonly questions: EvalFile[]
  readonly labels?: EvalFile[]
  readonly out?: string
  readonly limit?: number
  /** What a judge says of every answer. */
  readonly verdict?: string
}

/** `asked` counts the questions that came to the model; each is answered with `A`. */
function run(name: string, { labels = [], out = String(count++), verdict, ...rest }: Run) {
  const asked: unknown[] = []
  const kept = new Map<string, JudgeReply>()
  const judge = {
    name: 'j',
    identity: { kind: 'test' },
    ask: async () => ({ text: verdict ?? '', promptTokens: 1, completionTokens: 1 }),
  }
  const made = evaluate({
    ...rest,
    benchmark: findBenchmark(name),
    labels,
    engines: [
      {
        name: 'toy',
        identity: { name: 'toy' },
        answer: async (request) => {
          asked.push(request)
          return { text: 'A', finishReason: 'stop' }
        },
      },
    ],
    judges: verdict === undefined ? [] : [judge],
    judgeCache: {
      get: (key) => kept.get(key) ?? null,
      set: (key, said) => void kept.set(key, said),
    },
    out: join(folder, out),
    batch: 1,
    isBlind: true,
    codeVersion: '1.2.3',
  })
  return { made, asked }
}

const lines = (ids: readonly (string | number)[]) =>
  jsonLines(
    'q.jsonl',
    ids.map((id) => ({ question_id: id, image: 'a.jpg', text: `What is ${id}?\nShort.` })),
  )
const humans = (answer: string) => Array.from({ length: 10 }, () => ({ answer }))
const gqaTruth = (ids: readonly number[], answer = 'a') =>
  jsonFile('testdev.json', Object.fromEntries(ids.map((id) => [id, { answer }])))
const vetTruth = (ids: readonly number[]) =>
  jsonFile(
    'mm-vet.json',
    Object.fromEntries(
      ids.map((id) => [`v1_${id}`, { question: 'q', answer: 'a', capability: ['rec'] }]),
    ),
  )
const clips = (name: string, ids: readonly number[]) =>
  jsonFile(
    name,
    ids.map((id) => ({ video_name: `v${id}`, question_id: id, question: 'q', answer: 'yes' })),
  )
const science = (name: string, ids: readonly number[]) =>
  jsonFile(
    name,
    ids.map((id) => ({
      id: String(id),
      conversations: [{ value: `What is ${id}?\nA. x\nB. y` }, { value: 'A' }],
    })),
  )
const problems = (ids: readonly number[]) => {
  const problem = { choices: ['x', 'y'], answer: 0, subject: 'natural science', grade: 'grade3' }
  return jsonFile('problems.json', Object.fromEntries(ids.map((id) => [id, problem])))
}

describe('truth of other questions is refused before one of them is asked', () => {
  const asked = lines([1, 2, 3])
  const cases: Readonly<Record<string, Run>> = {
    gqa: { questions: [asked], labels: [gqaTruth([91, 92])] },
    textvqa: {
      questions: [asked],
      labels: [
        jsonFile('val.json', {
          data: [{ image_id: '91', question: 'What is 91?', answers: humans('a') }],
        }),
      ],
    },
    'seed-bench': {
      questions: [asked],
      labels: [
        jsonFile('SEED-Bench.json', {
          question_type: { Scene: 1 },
          questions: [{ question_id: '91', answer: 'A', data_type: 'image', question_type_id: 1 }],
        }),
      ],
    },
    vqav2: {
      questions: [asked],
      labels: [jsonFile('val.json', { annotations: [{ question_id: 91, answers: humans('a') }] })],
    },
    scienceqa: {
      questions: [science('llava_test_CQM-A.json', [1, 2, 3])],
      labels: [problems([91]), jsonFile('pid_splits.json', { test: ['91'] })],
    },
    'mm-vet': { questions: [asked], labels: [vetTruth([91])], verdict: '0.5' },
    'activitynet-qa': {
      questions: [clips('test_q.json', [1, 2, 3])],
      labels: [clips('test_a.json', [91])],
      verdict: "{'pred': 'yes', 'score': 4}",
    },
  }
  for (const [name, files] of Object.entries(cases)) {
    for (const limit of [undefined, 2]) {
      test(limit === undefined ? name : `${name}, of which some are asked`, async () => {
        const ran = run(name, { ...files, ...(limit === undefined ? {} : { limit }) })
        await assert.rejects(ran.made, { code: 'INPUT_ANSWERS_FOREIGN' })
        assert.equal(ran.asked.length, 0)
      })
    }
  }
})

test('answers do not depend on the truth: with other labels the same folder is scored again, and nothing asked', async () => {
  const files = { questions: [lines([1, 2])], out: 'again' }
  const before = await run('gqa', { ...files, labels: [gqaTruth([1, 2], 'b')] }).made
  const { made, asked } = run('gqa', { ...files, labels: [gqaTruth([1, 2], 'a')] })
  const now = await made
  assert.deepEqual([values(before)['accuracy'], values(now)['accuracy']], [0, 100])
  assert.equal(asked.length, 0)
  assert.notEqual(before.recipe.hash, now.recipe.hash)
})

test('an answer whose truth is missing is extra, whether a rule or a judge scores it', async () => {
  const ids = [1, 2, 3, 4]
  const cases: Readonly<Record<string, Run>> = {
    gqa: { questions: [lines(ids)], labels: [gqaTruth([1])] },
    'mm-vet': { questions: [lines(ids)], labels: [vetTruth([1])], verdict: '0.5' },
    // By the names of the evaluator.
    MMVet: {
      questions: [lines(ids.map((id) => `v1_${id}`))],
      labels: [vetTruth([1])],
      verdict: '0.5',
    },
    'activitynet-qa': {
      questions: [clips('test_q.json', ids)],
      labels: [clips('test_a.json', [1])],
      verdict: "{'pred': 'yes', 'score': 4}",
    },
  }
  for (const [name, files] of Object.entries(cases)) {
    const { counts } = await run(name, files).made
    assert.deepEqual([counts.questions, counts.missing, counts.extra], [1, 0, 3], name)
  }
})

test("ScienceQA: the dataset's folder scores the split that is asked", async () => {
  // Of minitest, the part of test, all other questions of test were missing answers; validation was refused.
  const splits = { val: ['5', '6'], test: ['1', '2', '3', '4'], minitest: ['2', '3'] }
  const labels = [problems([1, 2, 3, 4, 5, 6]), jsonFile('pid_splits.json', splits)]
  const asked = { test: [1, 2, 3, 4], minitest: [3, 2], val: [5, 6] }
  for (const [name, ids] of Object.entries(asked)) {
    const questions = [science(`llava_${name}_CQM-A.json`, ids)]
    for (const truth of [labels, labels.slice(1)]) {
      const report = await run('scienceqa', { questions, labels: truth }).made
      assert.deepEqual([report.counts.questions, report.counts.missing], [ids.length, 0], name)
      assert.equal(report.title, `ScienceQA (${name === 'val' ? 'validation' : name})`)
      assert.equal(values(report)['accuracy'], 100)
      assert.equal(values(report)['NAT'], truth === labels ? 100 : undefined)
    }
  }
  const some = { questions: [science('q.json', [1, 2, 3])], labels: labels.slice(1) }
  const partly = run('scienceqa', some)
  await assert.rejects(partly.made, { code: 'INPUT_LABELS_FOREIGN', message: /all 4 .*"test", 1 / })
  assert.equal(partly.asked.length, 0)
})
