import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Arguments } from './arguments.ts'
import { engineAttempts } from './engine-attempts.ts'
import { evaluation } from './eval.ts'
import { checkIdleOfEval, checkIdleOfScore } from './idle-options.ts'
import { score } from './score.ts'
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
const [scored, asked] = [of(score), of(evaluation)]
const idle = (message: RegExp) => (error: unknown) =>
  error instanceof UsageError && message.test(error.message)

test('what would do nothing without a judge is refused, in score and eval', () => {
  const limits = { 'judge-calls': '3', 'judge-price': '1,2' }
  const none = idle(/^--judge-calls, --judge-price would do nothing without --judge/)
  assert.throws(() => checkIdleOfScore(scored(limits)), none)
  assert.throws(() => checkIdleOfEval(asked(limits)), none)
  for (const name of ['images', 'cache-dir'])
    assert.throws(() => checkIdleOfScore(scored({ [name]: 'x' })), UsageError)
  checkIdleOfScore(scored({ ...limits, images: 'x', 'cache-dir': 'x', judge: 'x' }))
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

test('seeds and attempts are whole numbers', async () => {
  for (const seed of ['1.5', '-1']) {
    await assert.rejects(evaluation.run(asked({ seed }, 'quick'), {} as Session), UsageError)
    const given = scored({ seed, answers: 'x' }, 'pope')
    await assert.rejects(score.run(given, {} as Session), idle(/--seed should be a whole number/))
  }
  for (const attempts of ['0', '1.5'])
    assert.throws(() => engineAttempts(asked({ 'engine-attempts': attempts })), UsageError)
})
