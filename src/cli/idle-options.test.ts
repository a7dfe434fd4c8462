import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findBenchmark } from '../eval/index.ts'
import { Arguments } from './arguments.ts'
import { bench } from './bench.ts'
import { data } from './data.ts'
import { wholeFrom1 } from './number-options.ts'
import { evaluation } from './eval.ts'
import { checkIdleOfBuildBench, checkIdleOfEval, checkIdleOfScore } from './idle-options.ts'
import { score } from './score.ts'
import { train } from './train.ts'
import { UsageError } from './usage-error.ts'
import type { Session, Verb } from './verb.ts'

const of =
  ({ options }: Verb) =>
  (values: Readonly<Record<string, string>>, ...positionals: string[]) =>
    new Arguments(
      options,
      new Map(Object.entries(values).map(([name, value]) => [name, [value]])),
      positionals,
    )
const [scored, asked, built] = [of(score), of(evaluation), of(data)]
const POPE = { name: 'pope' }
const idle = (message: RegExp) => (error: unknown) =>
  error instanceof UsageError && message.test(error.message)

test('what would do nothing without a judge is refused, in score and eval', () => {
  const limits = { 'judge-calls': '3', 'judge-price': '1,2' }
  const none = idle(/^--judge-calls, --judge-price would do nothing without --judge/)
  assert.throws(() => checkIdleOfScore(scored(limits), POPE), none)
  assert.throws(() => checkIdleOfEval(asked(limits)), none)
  for (const name of ['images', 'cache-dir'])
    assert.throws(() => checkIdleOfScore(scored({ [name]: 'x' }), POPE), UsageError)
  checkIdleOfScore(scored({ ...limits, images: 'x', 'cache-dir': 'x', judge: 'x' }), POPE)
  checkIdleOfEval(asked({ 'cache-dir': 'x' }))
})

test('of a server no weights are loaded here, and blind nobody sees a picture', () => {
  const engine = { engine: 'http://127.0.0.1:9/v1', model: 'm' }
  assert.throws(
    () => checkIdleOfEval(asked({ ...engine, precision: 'int8', threads: '2' })),
    idle(/--precision, --threads would do nothing with --engine/),
  )
  checkIdleOfEval(asked({ ...engine, 'engine-attempts': '2' }))
  checkIdleOfEval(asked({ ...engine, 'cache-dir': 'x' }))
  assert.throws(() => checkIdleOfEval(asked({ 'engine-attempts': '2' })), UsageError)
  assert.throws(() => checkIdleOfEval(asked({ blind: '', images: 'x' })), UsageError)
  assert.throws(() => checkIdleOfEval(asked({ 'mixture-images': 'x' })), UsageError)
  checkIdleOfEval(asked({ blind: '', images: 'x', mixture: 'm', 'mixture-images': 'x' }))
})

test('a dictionary of words is for the benchmark that compares words by it', () => {
  const given = scored({ wordnet: 'x' })
  assert.throws(
    () => checkIdleOfScore(given, findBenchmark('gqa')),
    idle(/^--wordnet would do nothing with gqa/),
  )
  checkIdleOfScore(given, findBenchmark('nextqa-oe'))
})

test('comparing, reporting and looking for training data take options of their own', async () => {
  for (const name of ['limit', 'model', 'judge-calls', 'mixture', 'wordnet']) {
    const refused = idle(new RegExp(`^--${name} would do nothing with compare`))
    await assert.rejects(
      evaluation.run(asked({ [name]: '1' }, 'compare', 'a', 'b'), {} as Session),
      refused,
    )
  }
  for (const action of ['report', 'contamination']) {
    const given = asked({ seed: '1', engine: 'x' }, action, 'pope')
    const refused = idle(new RegExp(`^--seed, --engine would do nothing with ${action}`))
    await assert.rejects(evaluation.run(given, {} as Session), refused)
  }
})

test('records are checked without a model, and of a dry run nothing is gone on with', async () => {
  const ofModel = { conversation: 'v1', 'max-length': '9', frames: '2', layout: 'hf' }
  await assert.rejects(
    data.run(built(ofModel, 'check', 'rows.json'), {} as Session),
    idle(/^--conversation, --max-length, --frames, --layout would do nothing without --model/),
  )
  const given = of(train)({ 'dry-run': '', resume: '' }, 'recipe.yaml')
  await assert.rejects(train.run(given, {} as Session), idle(/^--resume .* with --dry-run/))
})

test('a benchmark is built without a model, and its references are cut by who writes them', () => {
  const ofModel = { precision: 'f32', adapter: 'x', 'max-tokens': '1' }
  for (const [name, value] of Object.entries(ofModel))
    assert.throws(() => checkIdleOfBuildBench(built({ [name]: value })), idle(/without .*--model/))
  checkIdleOfBuildBench(built({ model: 'm', precision: 'f32', 'max-tokens': '1' }))
  checkIdleOfBuildBench(built({ engine: 'x', 'max-tokens': '1' }))
  assert.throws(
    () => checkIdleOfBuildBench(built({ engine: 'x', 'no-references': 'true' })),
    idle(/^--engine would do nothing with --no-references/),
  )
})

test('what is measured of serving or labelling takes options of its own', async () => {
  const cases: [Record<string, string>, RegExp][] = [
    [{ items: '5' }, /^--items would do nothing without --label/],
    [{ serve: '', label: '' }, /^--label would do nothing with --serve/],
    [{ serve: '', prefill: '9', clips: '3' }, /^--prefill, --clips would do nothing with --serve/],
    [{ label: '', prefill: '9', streams: '1' }, /^--prefill, --streams .* with --label/],
    [{ label: '', items: '0' }, /--items should be a whole number from 1; 0 came/],
    [{ label: '', clips: '1.5' }, /--clips should be a whole number from 1; 1\.5 came/],
    [{ tokens: '1' }, /--tokens should be a whole number from 2; 1 came/],
    [{ rounds: '0' }, /--rounds should be a whole number from 1; 0 came/],
  ]
  for (const [given, message] of cases)
    await assert.rejects(bench.run(of(bench)(given), { terminal: {} } as Session), idle(message))
})

test('seeds and attempts are whole numbers', async () => {
  for (const seed of ['1.5', '-1']) {
    await assert.rejects(evaluation.run(asked({ seed }, 'quick'), {} as Session), UsageError)
    const given = scored({ seed, answers: 'x' }, 'pope')
    await assert.rejects(score.run(given, {} as Session), idle(/--seed should be a whole number/))
  }
  for (const attempts of ['0', '1.5'])
    assert.throws(
      () => wholeFrom1(asked({ 'engine-attempts': attempts }), 'engine-attempts'),
      UsageError,
    )
})
