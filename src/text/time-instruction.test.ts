import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InputError } from '../core/errors.ts'
import { timeInstruction } from './time-instruction.ts'

test('the sentence is the demo’s, to the missing space', () => {
  assert.equal(
    timeInstruction({ seconds: 12.5, times: [0, 4.1666, 8.333] }),
    'The video lasts for 12.50 seconds, and 3 frames are uniformly sampled from it. These frames are located at 0.00s,4.17s,8.33s.Please answer the following questions related to this video.',
  )
})

test('exact halves are rounded to even, as Python rounds them', () => {
  // f'{0.125:.2f}', f'{0.375:.2f}', f'{2.625:.2f}', f'{1.005:.2f}'
  const { 1: located } = /at (.*)\.Please/.exec(
    timeInstruction({ seconds: 3, times: [0.125, 0.375, 2.625, 1.005] }),
  )!
  assert.equal(located, '0.12s,0.38s,2.62s,1.00s')
})

test('a clip without frames has no times', () => {
  assert.throws(() => timeInstruction({ seconds: 1, times: [] }), InputError)
  assert.throws(() => timeInstruction({ seconds: NaN, times: [0] }), InputError)
})
