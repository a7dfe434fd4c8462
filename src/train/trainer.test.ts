/** Properties of a trainer, on the recorded tiny model. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { InputError } from '../core/errors.ts'
import { createTrainer, type Sample, type Trainer, type TrainerOptions } from './index.ts'
import { FIXTURES, MODEL, recordedSamples } from '../../test/recorded-training.ts'

const samples = recordedSamples('stage1')
const [first, second] = samples as [Sample, Sample, ...Sample[]]
const text: Sample = { inputIds: [1, 5, 6, 7, 8], labels: [-100, -100, 6, 7, 8] }

/** Sums of float32 in another order. */
const SAME = 2e-6

test('several micro-batches give the gradients of one, where tokens count alike', async () => {
  const options = { trainable: ['projector', 'decoder'], accumulation: 'tokens' } as const
  await using trainer = await createTrainer(MODEL, { ...options, learningRate: 0 })
  const whole = await trainer.step([samples])
  const together = trainer.gradients()
  const parts = await trainer.step([[first], [second], samples.slice(2)])
  assert.ok(Math.abs(whole.loss - parts.loss) < SAME * whole.loss)
  for (const [name, { data }] of trainer.gradients()) {
    const right = together.get(name)!.data
    const largest = right.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    data.forEach((value, i) => assert.ok(Math.abs(value - right[i]!) <= 20 * SAME * largest, name))
  }
})

// Embeddings that are the head's weights had a gradient before the norm under the head.
test('micro-batches of which the first learns nothing give the gradients of the others, in any order', async () => {
  const masked = { ...text, labels: Array.from(text.labels, () => -100) }
  await using trainer = await createTrainer(join(FIXTURES, 'models', 'llava-qwen'), {
    trainable: ['projector', 'decoder'],
    accumulation: 'tokens',
    learningRate: 0,
  })
  const gradients = []
  for (const batches of [[[masked], [text]], [[text], [masked]], [[text]]]) {
    await trainer.step(batches)
    gradients.push(trainer.gradients())
  }
  assert.deepEqual(gradients[0], gradients[2])
  assert.deepEqual(gradients[1], gradients[2])
})

test('a batch learns until it is known by heart', async () => {
  await using trainer = await createTrainer(MODEL, {
    trainable: ['projector', 'decoder'],
    learningRate: 3e-3,
  })
  for (let step = 0; step < 60; step++) await trainer.step([[first, second]])
  assert.ok((await trainer.evaluate([first, second])).loss < 0.01)
})

test('evaluation and differentiation change nothing', async () => {
  await using trainer = await createTrainer(MODEL, { trainable: ['decoder'] })
  await trainer.step([[first]])
  const [weights, gradients] = [trainer.weights(), trainer.gradients()]
  const { loss } = await trainer.evaluate([second])
  const other = await trainer.differentiate([second])
  assert.ok(Math.abs(other.loss - loss) < SAME * loss)
  assert.deepEqual(trainer.weights(), weights)
  assert.deepEqual(trainer.gradients(), gradients)
  assert.notDeepEqual(other.gradients, gradients)
})

test('a batch without pictures gives the projector no gradient, or one of zeros', async () => {
  for (const emptyBatch of ['none', 'zeroPicture'] as const) {
    await using trainer = await createTrainer(MODEL, {
      trainable: ['projector'],
      weightDecay: 0.5,
      quirks: { emptyBatch },
    })
    await trainer.step([[first]])
    const before = trainer.weights()
    const { gradNorm } = await trainer.step([[text]])
    assert.equal(gradNorm, 0)
    const names = [...trainer.gradients().keys()]
    assert.equal(names.length, emptyBatch === 'none' ? 0 : 4)
    const isMoved = JSON.stringify([...trainer.weights()]) !== JSON.stringify([...before])
    assert.equal(isMoved, emptyBatch === 'zeroPicture')
  }
})

test('frozen weights of 8 and 4 bits train adapters to nearly the same loss', async () => {
  const losses: number[] = []
  for (const base of ['f32', 'int8', 'q4'] as const) {
    const lora = { rank: 4 }
    await using trainer = await createTrainer(MODEL, {
      trainable: [],
      lora,
      base,
      learningRate: 3e-3,
    })
    for (let step = 0; step < 5; step++) await trainer.step([samples])
    losses.push((await trainer.evaluate(samples)).loss)
  }
  const [exact, int8, q4] = losses as [number, number, number]
  assert.ok(Math.abs(int8 - exact) < 0.02 * exact, `${losses}`)
  assert.ok(Math.abs(q4 - exact) < 0.2 * exact, `${losses}`)
})

test('the fast mode has nearly the gradients of float32, and learns as well', async () => {
  const options = { trainable: ['projector', 'decoder'], learningRate: 3e-3 } as const
  await using exact = await createTrainer(MODEL, options)
  await using fast = await createTrainer(MODEL, { ...options, compute: 'int8' })
  const [right, came] = [await exact.differentiate(samples), await fast.differentiate(samples)]
  assert.ok(Math.abs(came.loss - right.loss) < 0.02 * right.loss)
  for (const [name, { data }] of right.gradients) {
    const cosine = cosineOf(data, came.gradients.get(name)!.data)
    assert.ok(cosine > 0.97, `${name}: ${cosine}`)
  }
  for (let step = 0; step < 60; step++) await fast.step([[first, second]])
  assert.ok((await fast.evaluate([first, second])).loss < 0.02)
})

// Factors of 8-bit products waited in a backward graph that made them again: a run that went on with less memory was another.
test('activations that are made again give the gradients of those that were kept, to the bit', async () => {
  const lora = { rank: 4, targets: /down_proj/ }
  for (const options of [
    { trainable: ['projector', 'decoder', 'vision'] },
    { trainable: ['projector', 'decoder', 'vision'], compute: 'int8' },
    { lora: { rank: 4 }, base: 'int8' },
    { lora, compute: 'int8' },
    { lora: { ...lora, dropout: 0.1 }, compute: 'int8' },
  ] as const) {
    const [kept, again] = await Promise.all(
      (['keep', 'recompute'] as const).map(async (activations) => {
        await using trainer = await createTrainer(MODEL, { ...options, activations })
        await trainer.step([[first, second]])
        return (await trainer.differentiate([first, second])).gradients
      }),
    )
    assert.deepEqual(again, kept, JSON.stringify(options))
  }
})

test('the fast mode passes gradients through frozen weights, and its reference is itself at first', async () => {
  await using stage1 = await createTrainer(MODEL, { compute: 'int8', base: 'int8' })
  await using exact = await createTrainer(MODEL)
  const [came, right] = [await stage1.differentiate(samples), await exact.differentiate(samples)]
  for (const [name, { data }] of right.gradients) {
    assert.ok(cosineOf(data, came.gradients.get(name)!.data) > 0.97, name)
  }
  const objective = { kind: 'dpo' } as const
  await using dpo = await createTrainer(MODEL, {
    trainable: ['decoder'],
    compute: 'int8',
    objective,
  })
  const pair = { chosen: first, rejected: second }
  const { margin, loss } = await dpo.step([[pair]])
  assert.ok(Math.abs(margin!) < 1e-5 && Math.abs(loss - Math.LN2) < 1e-5, `${margin}`)
  assert.ok((await dpo.step([[pair]])).margin! > 0.001)
})

test('a reference in a folder of its own counts as the start does, where it is the same', async () => {
  const losses: number[] = []
  for (const reference of [undefined, MODEL]) {
    const objective = { kind: 'dpo', loss: 'ipo', reference } as const
    await using trainer = await createTrainer(MODEL, { trainable: ['decoder'], objective })
    const pairs = [{ chosen: first, rejected: second }]
    await trainer.step([pairs])
    losses.push((await trainer.evaluate(pairs)).loss)
  }
  assert.equal(losses[0], losses[1])
})

function cosineOf(a: Float32Array, b: Float32Array): number {
  let [ab, aa, bb] = [0, 0, 0]
  a.forEach((value, i) => {
    ab += value * b[i]!
    aa += value * value
    bb += b[i]! * b[i]!
  })
  return ab / Math.sqrt(aa * bb)
}

test('a loss that is no number stops the step and says where it came from', async () => {
  await using trainer = await createTrainer(MODEL, { trainable: ['projector'] })
  const before = trainer.weights()
  const { pixelValues } = first
  const data = pixelValues!.data.slice().fill(NaN, 5, 6)
  const broken = { ...first, pixelValues: { ...pixelValues!, data } }
  await assert.rejects(trainer.step([[second], [broken]]), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'CONFIG_DIVERGED')
    assert.match(error.message, /^step 1, micro-batch 1: the loss .*vision tower and projector/)
    return true
  })
  assert.deepEqual(trainer.weights(), before)
  assert.equal(trainer.steps, 0)
})

test('weights that grow out of bounds stop the step at their layer', async () => {
  await using trainer = await createTrainer(MODEL, {
    trainable: ['decoder'],
    learningRate: 1e30,
    clipNorm: null,
  })
  await trainer.step([[first]])
  await assert.rejects(trainer.step([[first]]), /^Error: step 2, .*decoder\.layers\.0|step 2/)
})

test('options that do not exist or fit are refused by name', async () => {
  const refused: readonly [unknown, RegExp][] = [
    [{ learningrate: 1 }, /unknown option learningrate/],
    [{ lora: { rank: 4, targts: /x/ } }, /unknown option targts/],
    [{ schedule: { kind: 'cosine' } }, /totalSteps/],
    [{ learningRate: -1, betas: [0.9, 1], clipNorm: 0 }, /learningRate.*betas.*clipNorm/],
    [{ trainable: ['decoder'], lora: { rank: 4 } }, /choose one/],
    [{ trainable: ['audio'] }, /one of projector, decoder, vision, imageNewline, audio came/],
    [{ trainable: ['imageNewline'] }, /names imageNewline, of which this model has nothing/],
    [{ trainable: [], lora: { rank: 4, targets: /nothing/ } }, /matches none/],
    [{ lora: { rank: 4, targets: 'q_proj' } }, /a regular expression, "q_proj" came/],
    [{ compute: 'int8', base: 'q4' }, /base is 'q4'/],
    [{ base: 'q4', trainable: ['decoder'] }, /base 'q4' .* trainable names the decoder/],
    [{ base: { folders: 'x' } }, /base: unknown option folders/],
    [{ featureCache: 'features', trainable: ['vision'] }, /featureCache .* trainable names vision/],
    [{ quirks: { fot: 'pad' } }, /quirks: there is no fot/],
    [{ quirks: { fit: 'padd', emptyBatch: 'zero' } }, /fit should be .*emptyBatch should be/],
    [{ schedule: { kind: 'constant', totalSteps: 4, warmupRatio: 2 } }, /warmupRatio .* 2 came/],
    [{ objective: { kind: 'dpo', beta: '0.1' } }, /objective\.beta .*above 0, "0\.1" came/],
    [{ objective: { kind: 'dpo', beta: Infinity } }, /objective\.beta should be a number above 0/],
    [{ objective: { kind: 'dpo', reference: 5 } }, /objective\.reference .* a text, 5 came/],
    [
      { objective: { kind: 'dpo', loss: 'hinge', labelSmoothing: 0.1 } },
      /labelSmoothing counts for sigmoid and robust alone/,
    ],
    [
      { trainable: 'projector', objective: 'dpo', learningRates: 5, adapters: 'x', layout: 'foo' },
      /trainable should be a list.*objective should be an object.*learningRates.*layout.*adapters/,
    ],
    [
      { learningRates: { projctor: 1 } },
      /learningRates should be one of projector, .*, projctor came/,
    ],
    [{ tokenizer: '/nope' }, /tokenizer: \/nope should be a tokenizer\.json/],
    [{ resume: 5, featureCache: 5, threads: 0 }, /featureCache .*resume .*threads /],
    [null, /options should be an object, null came/],
  ]
  for (const [options, message] of refused) {
    await assert.rejects(createTrainer(MODEL, options as TrainerOptions), message)
  }
  for (const name of [undefined, 5]) {
    await assert.rejects(createTrainer(name as unknown as string), /the model should be named/)
  }
})

test('a rate of a part of which nothing is trained changes nothing, and is told', async () => {
  const rates = { projector: 2e-5, vision: 2e-6, decoder: 1e-5 }
  await using plain = await createTrainer(MODEL, { learningRates: { projector: 2e-5 } })
  await using told = await createTrainer(MODEL, { learningRates: rates })
  assert.deepEqual(plain.notices, [])
  assert.match(told.notices.join(), /learningRates names decoder, vision, of which nothing/)
  for (const trainer of [plain, told]) await trainer.step([[first]])
  assert.deepEqual(told.weights(), plain.weights())
  // It said to name the newline in trainable, which is refused beside lora and does nothing for this model.
  for (const lora of [undefined, { rank: 2 }]) {
    const given = { learningRates: { imageNewline: 1e-5, vision: 2e-6 }, ...(lora && { lora }) }
    await using trainer = await createTrainer(MODEL, given)
    const [nameable = '', none = ''] = trainer.notices
    assert.match(nameable, /names vision, of which nothing is trained; name it in trainable/)
    assert.match(none, /names imageNewline, of which nothing can be trained here.*; leave it out/)
  }
})

// They were left out without a word, and PEFT adapts them.
test('layers outside the decoder that are to be adapted are told, by their names', async () => {
  for (const [targets, told] of [
    [/down_proj$/, null],
    [undefined, null],
    [/^language_model.*q_proj$/, null],
    [
      /q_proj|r\.linear_1/,
      /names multi_modal_projector\.linear_1, vision_tower\S+\.q_proj and \d+ more too/,
    ],
    [/o_proj|lm_head/, /names language_model\.lm_head too, which get no adapter: only linear/],
    [/o_proj|embed_tokens/, /names language_model\.model\.embed_tokens too/],
    [
      /^model\.(?:language_model.*up_proj|multi_modal)/,
      /names multi_modal_projector\.linear_1 and/,
    ],
  ] as const) {
    await using trainer = await createTrainer(MODEL, {
      trainable: [],
      lora: { rank: 2, ...(targets && { targets }) },
    })
    assert.equal(trainer.notices.length, told === null ? 0 : 1, String(targets))
    if (told) assert.match(trainer.notices.join(), told)
  }
})

test('what is no micro-batch of samples is refused by name', async () => {
  await using trainer = await createTrainer(MODEL)
  const refused: readonly [unknown, RegExp][] = [
    [undefined, /step: .* list of micro-batches.*, undefined came/],
    [[first], /step: .* list of micro-batches/],
    [[[{ inputIds: [1] }]], /sample 0: expected { inputIds, labels }/],
    [[[{ chosen: first, rejected: first }]], /sample 0: expected { inputIds, labels }/],
    [[[null]], /sample 0: expected { inputIds, labels }/],
  ]
  for (const [given, message] of refused) {
    await assert.rejects(
      trainer.step(given as Sample[][]),
      (error) => error instanceof InputError && message.test(error.message),
    )
  }
  const shape = [1, 3, 4, 4]
  for (const [field, message] of [
    [{ pixelValues: 5 }, /sample 0\.pixelValues: expected \{ data/],
    [{ pixelValues: { data: new Float32Array(48) } }, /sample 0\.pixelValues: expected/],
    [{ pixelValues: { data: [1], shape } }, /sample 0\.pixelValues: expected/],
    [{ imageSizes: 5 }, /sample 0\.imageSizes: expected a list of \{ height, width \}/],
    [{ videos: 5 }, /sample 0\.videos: expected a list/],
    [{ videos: [null] }, /sample 0\.videos: expected a list/],
    [{ attentionMask: [1] }, /sample 0: expected no attentionMask: fields are inputIds/],
  ] as const) {
    const sample = { ...first, ...field } as unknown as Sample
    for (const call of [() => trainer.step([[sample]]), () => trainer.evaluate([sample])])
      await assert.rejects(call(), { code: 'INPUT_SAMPLE', message })
  }
  for (const given of [undefined, first, 5] as unknown as Sample[][]) {
    const message = /^trainer\.(?:evaluate|differentiate): microBatch should be a list/
    await assert.rejects(trainer.evaluate(given), { code: 'INPUT_ARGUMENT', message })
    await assert.rejects(trainer.differentiate(given), { code: 'INPUT_ARGUMENT', message })
  }
  await assert.rejects(trainer.evaluate([]), /trainer\.evaluate: .*at least one sample/)
  for (const folder of [undefined, 5, ''] as string[]) {
    const message = /^trainer\.(?:save|checkpoint): folder should be a path/
    await assert.rejects(trainer.save(folder), { code: 'INPUT_ARGUMENT', message })
    await assert.rejects(trainer.checkpoint(folder), { code: 'INPUT_ARGUMENT', message })
  }
  for (const cursor of [1n, () => {}]) {
    await assert.rejects(trainer.checkpoint('nowhere', { cursor }), { code: 'INPUT_CURSOR' })
  }
})

test('activations are kept where they fit and made again where not, and it is said', async () => {
  await using auto = await createTrainer(MODEL, { trainable: ['decoder'] })
  assert.equal(auto.activations, null)
  await auto.step([[first]])
  assert.equal(auto.activations, 'keep')
  await using again = await createTrainer(MODEL, {
    trainable: ['decoder'],
    activations: 'recompute',
  })
  const [kept, made] = [await auto.differentiate([first]), await again.differentiate([first])]
  assert.equal(again.activations, 'recompute')
  assert.notEqual(kept.loss, made.loss)
  await again.step([[first]])
  assert.deepEqual((await again.differentiate([first])).gradients, kept.gradients)
})

test('a model of which nothing is trained can be evaluated and not stepped', async () => {
  await using trainer = await createTrainer(MODEL, { trainable: [] })
  assert.ok((await trainer.evaluate([first])).loss > 0)
  await assert.rejects(trainer.step([[first]]), {
    code: 'CONFIG_TRAINER',
    message: /trainable is empty and there is no lora; name a part \(projector\)/,
  })
})

test('an aborted step changes no weight', async () => {
  const abort = new AbortController()
  const options = { trainable: ['decoder'], signal: abort.signal } as const
  await using trainer = await createTrainer(MODEL, options)
  const before = trainer.weights()
  const step = trainer.step([samples])
  abort.abort(new Error('enough'))
  await assert.rejects(step, /enough/)
  assert.deepEqual(trainer.weights(), before)
})

test('samples that do not fit are refused by number', async () => {
  await using trainer = await createTrainer(MODEL, { trainable: ['projector'] })
  const { pixelValues, inputIds } = first
  const refused: readonly [Partial<Sample>, string][] = [
    [{ labels: [1] }, 'INPUT_SAMPLE_LENGTH'],
    [{ pixelValues: undefined as never }, 'INPUT_IMAGE_COUNT'],
    [{ inputIds: Array.from(inputIds).map((id) => (id === 61 ? 5 : id)) }, 'INPUT_IMAGE_COUNT'],
    [{ pixelValues: { ...pixelValues!, shape: [1, 3, 28, 112] } }, 'INPUT_PIXEL_SHAPE'],
    [{ inputIds: Array.from(inputIds).map((id) => (id === 61 ? 61 : 64)) }, 'INPUT_TOKEN'],
    [{ labels: Array.from(inputIds, () => -100) }, 'INPUT_NOTHING_LEARNT'],
    [{ segments: Array.from(inputIds, (_, i) => i % 2) }, 'INPUT_SEGMENTS'],
  ]
  for (const [change, code] of refused) {
    await assert.rejects(trainer.step([[{ ...first, ...change }]]), { code })
  }
  await assert.rejects(trainer.step([]), { code: 'INPUT_NO_SAMPLES' })
})

test('a cut picture needs its size', async () => {
  const model = join(FIXTURES, 'models', 'llava-onevision')
  await using trainer = await createTrainer(model, { trainable: ['projector'] })
  await assert.rejects(trainer.step([[first]]), { code: 'INPUT_IMAGE_SIZES' })
})

test('calls wait for one another, and none is taken after the end', async () => {
  const trainer = await createTrainer(MODEL, { trainable: ['projector'], learningRate: 1e-3 })
  const [a, b] = await Promise.all([trainer.step([[first]]), trainer.step([[first]])])
  assert.equal(trainer.steps, 2)
  assert.ok(b.loss < a.loss)
  const last = lossOf(trainer)
  await trainer.dispose()
  assert.ok((await last) < b.loss)
  await assert.rejects(trainer.step([[first]]), { code: 'INPUT_DISPOSED' })
})

async function lossOf(trainer: Trainer): Promise<number> {
  return (await trainer.evaluate([first])).loss
}
