import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JumpPlan } from './jump-plan.ts'
import { ScheduledSequence } from './scheduled-sequence.ts'

const FORCED = [5, 6, 7, 8, 9, 10]

test('what is read at once is decided once for each place, whatever is said later', async () => {
  let asked = 0
  const plan = new JumpPlan(async () => (asked++, FORCED.slice(asked - 1)), 100)
  assert.equal(plan.after(3), undefined)
  const first = plan.decided(3)
  assert.equal(plan.decided(3), first, 'whoever asks meanwhile waits for the same')
  await first
  assert.deepEqual([plan.decided(3), plan.after(3)], [null, FORCED])
  await plan.decided(4)
  assert.deepEqual([plan.after(3), plan.after(4), asked], [FORCED, FORCED.slice(1), 2])
})

test('a short text is read by steps, and none beyond the last token of an answer', async () => {
  const plan = (maxTokens: number) => new JumpPlan(async () => FORCED, maxTokens)
  const said = [10, 9, 8, 3].map(async (maxTokens) => {
    const one = plan(maxTokens)
    await one.decided(4)
    return one.after(4)
  })
  assert.deepEqual(await Promise.all(said), [FORCED, FORCED.slice(0, 5), FORCED.slice(0, 4), []])
  assert.deepEqual(new JumpPlan(undefined, 10).after(4), [], 'no form, no jump')
})

// It was asked again what is forced, and a form that was late then had it read by steps.
test('a jump of which nothing was chosen before its row was lost is made when that is back', async () => {
  const said = [FORCED, []]
  const request = {
    prompt: { keys: [1, 2], embeddings: async () => new Float32Array() },
    maxTokens: 20,
    next: () => 3,
    ahead: async () => said.shift() ?? [],
  }
  const sequence = new ScheduledSequence(request, { jumps: true })
  sequence.choose(new Float32Array())
  await sequence.decided()
  sequence.hold(3, [])
  sequence.rewind([1, 2])
  assert.equal(sequence.chooseAgain(), true)
  assert.deepEqual([sequence.lost, sequence.decided(), sequence.jump], [0, null, FORCED])
})
