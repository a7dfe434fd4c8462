/** Speed, time left, and jumps of the loss. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StepWatch } from './run-watch.ts'

function watched(losses: readonly number[]) {
  let now = 0
  const watch = new StepWatch(losses.length + 10, () => now)
  const warnings: number[] = []
  const events = losses.map((loss, i) => {
    const asked = now
    now += 500
    const result = { loss, gradNorm: 1, learningRate: 1e-3, tokens: 10 }
    const loaded = { microBatches: [], where: [], positions: 100, samples: 2 }
    const event = watch.step({ step: i + 1, epoch: 1, result, loaded, asked, began: asked + 100 })
    if (watch.warning() !== null) warnings.push(i + 1)
    return event
  })
  return { events, warnings }
}

test('speed is positions over time, and what is left follows from it', () => {
  const [first, second] = watched([1, 1]).events
  assert.equal(first?.positionsPerSecond, 200)
  assert.equal(second?.waitSeconds, 0.1)
  assert.equal(second?.remainingSeconds, 10 * 0.5)
})

test('a loss that jumps is a warning, one that wavers is not', () => {
  const wavering = Array.from({ length: 60 }, (_, i) => 2 + 0.1 * Math.sin(i))
  assert.deepEqual(watched(wavering).warnings, [])
  assert.deepEqual(watched([...wavering, 4, ...wavering]).warnings, [61])
})
