/** Rows of pictures in the words of captions, on the recorded tiny model. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTrainer, type Sample, type TrainerOptions } from './index.ts'
import { MODEL, recordedSamples } from '../../test/recorded-training.ts'

const [first, second] = recordedSamples('stage1') as [Sample, Sample, ...Sample[]]
const objective = { kind: 'words' } as const

/** The sample with another caption: the last of its labels are these. */
function saying(sample: Sample, words: readonly number[]): Sample {
  const kept = sample.inputIds.length - words.length
  const inputIds = [...Array.from(sample.inputIds).slice(0, kept), ...words]
  return { ...sample, inputIds, labels: inputIds.map((id, i) => (i < kept ? -100 : id)) }
}

const open = (options: TrainerOptions = {}) => createTrainer(MODEL, { objective, ...options })

/** The sample with words at the i-th of its picture's rows. */
function placing(
  sample: Sample,
  places: readonly (readonly [row: number, ids: readonly number[]])[],
): Sample {
  const rows = rowsOf(sample)
  return { ...sample, says: places.map(([i, ids]) => ({ position: rows[i] as number, ids })) }
}

/** Positions of the picture's rows: those that the recorded prompts repeat most. */
function rowsOf({ inputIds }: Sample): number[] {
  const ids = Array.from(inputIds)
  const countOf = (id: number) => ids.filter((other) => other === id).length
  const placeholder = ids.toSorted((a, b) => countOf(b) - countOf(a))[0]
  return ids.flatMap((id, position) => (id === placeholder ? [position] : []))
}

for (const trainable of [['projector'], ['projector', 'vision']] as const) {
  test(`the gradient of ${trainable.join(' and ')} is the slope of the loss`, async () => {
    const batch = [placing(saying(first, [5, 6, 9]), [[1, [4, 8]]]), saying(second, [7, 9])]
    await using trainer = await open({ learningRate: 0, trainable })
    const { loss, gradients } = await trainer.differentiate(batch)
    assert.ok(Math.abs(loss - (await trainer.evaluate(batch)).loss) < 1e-6)
    // A step against the gradient of plain size: AdamW's first step moves every weight by the rate, in its direction.
    const rate = trainable.length > 1 ? 1e-5 : 1e-4
    await using moved = await open({ learningRate: rate, clipNorm: null, trainable })
    await moved.step([batch])
    const slope = [...gradients.values()]
      .flatMap(({ data }) => [...data])
      .reduce((sum, value) => sum + Math.abs(value), 0)
    const fall = loss - (await moved.evaluate(batch)).loss
    assert.ok(Math.abs(fall - rate * slope) < 0.1 * rate * slope, `${fall} ${rate * slope}`)
  })
}

test('two pictures learn their own words, and nothing but what comes before the decoder is trained', async () => {
  const batch = [saying(first, [5, 6, 9]), saying(second, [7, 8, 9])]
  await using trainer = await open({ learningRate: 1e-2 })
  const before = await trainer.evaluate(batch)
  for (let step = 0; step < 60; step++) await trainer.step([batch])
  const after = await trainer.evaluate(batch)
  // Two words each, so log 2 is the least.
  assert.ok(before.loss > 1 && after.loss < Math.LN2 + 0.1, `${before.loss} ${after.loss}`)
  assert.equal(after.tokens, 4)
  assert.ok([...trainer.weights().keys()].every((name) => name.includes('projector')))
})

test('rows of places learn the words of their places, the others those of the caption', async () => {
  const batch = [
    placing(saying(first, [5]), [
      [0, [6]],
      [2, [7, 8]],
    ]),
    saying(second, [10]),
  ]
  await using trainer = await open({ learningRate: 1e-2, trainable: ['projector', 'vision'] })
  for (let step = 0; step < 150; step++) await trainer.step([batch])
  const { loss, tokens } = await trainer.evaluate(batch)
  // Two samples: the first is half its caption, a quarter each place, of which the second has two words.
  const least = (0.25 * Math.LN2) / 2
  assert.ok(loss < least + 0.1, `${loss} ${least}`)
  assert.equal(tokens, 5)
})

test('a word that every caption has counts for none', async () => {
  const batch = [saying(first, [5, 6]), saying(second, [7, 8])]
  const shared = [saying(first, [5, 6, 9]), saying(second, [7, 8, 9])]
  await using trainer = await open()
  const [one, other] = [await trainer.evaluate(batch), await trainer.evaluate(shared)]
  assert.equal(one.tokens, other.tokens)
  assert.ok(Math.abs(one.loss - other.loss) < 1e-6)
})

// All of their words were left out as shared, and a run died at the first micro-batch of one caption.
test('captions that are the same count as each does alone', async () => {
  const both = [saying(first, [5, 6]), saying(second, [6, 5])]
  await using trainer = await open()
  const [together, ...alone] = [both, ...both.map((one) => [one])].map((batch) =>
    trainer.evaluate(batch),
  )
  const [one, other] = await Promise.all(alone)
  const { loss, tokens } = await together!
  assert.ok(Math.abs(loss - (one!.loss + other!.loss) / 2) < 1e-6)
  assert.equal(tokens, 4)
  const { loss: learnt } = await trainer.step([[saying(first, [9]), saying(second, [9])], both])
  assert.ok(Number.isFinite(learnt))
})

test('what it cannot mean is refused', async () => {
  await assert.rejects(open({ lora: { rank: 2 } }), {
    code: 'CONFIG_TRAINER',
    message: /lora\.init/,
  })
  await assert.rejects(open({ trainable: ['decoder'] }), { code: 'CONFIG_TRAINER' })
  await using trainer = await open()
  const length = first.inputIds.length
  const segments = Int32Array.from({ length }, (_, i) => (i < length - 1 ? 0 : 1))
  await assert.rejects(trainer.step([[{ ...first, segments }]]), { code: 'INPUT_SEGMENTS' })
})
