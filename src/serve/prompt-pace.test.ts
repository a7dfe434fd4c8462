/** How much of prompts goes into a turn. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PromptPace } from './prompt-pace.ts'

test('a turn holds what is read in its time, by the newest runs', () => {
  const pace = new PromptPace(400)
  assert.equal(pace.most, 256)
  pace.note(20, 1000)
  assert.equal(pace.most, 256, 'a short run tells nothing')
  pace.note(200, 200)
  assert.equal(pace.most, 400)
  for (let i = 0; i < 30; i++) pace.note(100, 400)
  assert.equal(pace.most, 100)
  pace.note(100, 100)
  assert.ok(pace.most > 100 && pace.most < 400, 'one run is not all')
})

test('never less than a run is worth, nor more than one takes', () => {
  const [slow, fast] = [new PromptPace(400), new PromptPace(400)]
  slow.note(256, 6000)
  fast.note(256, 1)
  assert.deepEqual([slow.most, fast.most], [64, 768])
})
