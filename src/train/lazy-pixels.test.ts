import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MODEL, recordedSamples } from '../../test/recorded-training.ts'
import { createTrainer, type Sample } from './index.ts'
import { LazyPixels } from './lazy-pixels.ts'

const samples = recordedSamples('stage1')

/** Samples whose pixels are handed out when they are asked for, and how many were out at a time. */
function lazily(given: readonly Sample[]) {
  const counts = { decoded: 0, alive: 0, most: 0 }
  const waiting = given.map((sample) => {
    const { pixelValues } = sample
    if (!pixelValues) return sample
    const pixels = new (class extends LazyPixels {
      override release(): void {
        super.release()
        counts.alive--
      }
    })(pixelValues.shape, async () => {
      counts.decoded++
      counts.most = Math.max(counts.most, ++counts.alive)
      return pixelValues
    })
    return { ...sample, pixelValues: pixels }
  })
  return { waiting, counts }
}

test('a step decodes one micro-batch ahead, lets go of those behind, and is the same step', async () => {
  const { waiting, counts } = lazily(samples)
  const seeing = samples.filter(({ pixelValues }) => pixelValues).length
  assert.ok(seeing > 2)
  const options = { trainable: ['projector', 'vision'] } as const
  await using eager = await createTrainer(MODEL, options)
  await using lazy = await createTrainer(MODEL, options)
  const right = await eager.step(samples.map((sample) => [sample]))
  const came = await lazy.step(waiting.map((sample) => [sample]))
  assert.deepEqual(came, right)
  assert.deepEqual(lazy.gradients(), eager.gradients())
  assert.deepEqual(counts, { decoded: seeing, alive: 0, most: 2 })
  assert.deepEqual(await lazy.evaluate(waiting), await eager.evaluate(samples))
  assert.equal(counts.decoded, 2 * seeing)
})

test('what cannot be decoded stops the step, and pixels of another shape are our fault', async () => {
  await using trainer = await createTrainer(MODEL)
  const [first] = samples
  const shape = first!.pixelValues!.shape
  const broken = new LazyPixels(shape, () => Promise.reject(new Error('the file has gone')))
  await assert.rejects(trainer.step([[{ ...first!, pixelValues: broken }]]), /the file has gone/)
  assert.equal(trainer.steps, 0)
  const other = new LazyPixels([2, ...shape.slice(1)], async () => first!.pixelValues!)
  await assert.rejects(other.load(), /internal: pixels of/)
})
