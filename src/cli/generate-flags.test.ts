import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Arguments } from './arguments.ts'
import { GENERATE_OPTIONS, generateOptions } from './generate-flags.ts'
import { UsageError } from './usage-error.ts'

function biases(...texts: string[]) {
  const args = new Arguments(GENERATE_OPTIONS, new Map([['logit-bias', texts]]), [])
  return generateOptions(args).logitBias
}

test('--logit-bias takes any way to write a number, and nothing else', () => {
  assert.deepEqual(biases('42=1e2', '7=-.5', '0=3'), { 42: 100, 7: -0.5, 0: 3 })
  for (const text of ['42=', '42=x', '42=1e999', '42', 'a=1', '4.2=1']) {
    assert.throws(() => biases(text), UsageError, text)
  }
})
