/**
 * Training against PyTorch's recordings, through `createTrainer`: losses, gradients and weights of every step.
 *
 * LLAVA_FIXTURES names a folder with `training`; without it the small cases copied into `fixtures` are used.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  createTrainer,
  type MicroBatch,
  type Sample,
  type StepResult,
  type Trainer,
  type TrainerOptions,
} from '../../src/train/index.ts'
import { readTensors, type Tensors } from './training-files.ts'

const ROOT = join(process.env['LLAVA_FIXTURES'] ?? 'fixtures', 'training')

type Hyperparameters = {
  readonly betas: readonly [number, number]
  readonly eps: number
  readonly weight_decay: number
  readonly max_grad_norm: number | null
  readonly schedule: string
  readonly warmup_steps: number
  readonly lr: number
  readonly projector_lr?: number
  readonly vision_tower_lr?: number
  readonly steps: number
}

type RecordedStep = {
  readonly step: number
  readonly lr: readonly number[]
  readonly loss: number
  readonly samples: readonly (readonly number[])[]
  readonly grad_norm: number
}

type Run = {
  readonly steps: readonly RecordedStep[]
  readonly tensors: string
  readonly groups: readonly { readonly lr: number; readonly params: readonly string[] }[]
  readonly float64: {
    readonly tensors_with_mathematically_zero_gradient: readonly string[]
    /** How far PyTorch's float32 is from its float64: rounding that AdamW's first step may have blown up. */
    readonly largest_relative_gradient_difference: { readonly value: number }
  }
  readonly no_gradient?: readonly string[]
  readonly loss_of_first_micro_batch_after_last_step?: number
}

type Lora = {
  readonly r: number
  readonly alpha: number
  readonly target_leaves: readonly string[]
  readonly initial: string
  readonly after_last: string
}

type Case = Run & {
  readonly model: string
  readonly trainable_parts: readonly string[]
  readonly hyperparameters: Hyperparameters
  readonly variants?: Readonly<Record<string, Run>>
}

/** The README of the recordings: what an independent float32 implementation should meet. */
const LOSS_FIRST = 1e-5
const LOSS_LATER = 5e-5
const LOG_PROBS = 1e-4
const NORM = 1e-4
const GRADIENT = 1e-4
const WEIGHTS_MOST = 2e-6
const WEIGHTS_EVERY = 0.5

for (const name of ['stage1', 'stage2', 'full']) {
  const folder = join(ROOT, name)
  if (!existsSync(folder)) continue
  const recorded = readCase(folder)
  const runs = Object.entries(recorded.variants ?? { '': recorded })
  for (const [variant, run] of runs) {
    for (const activations of ['keep', 'recompute'] as const) {
      test(`${name} ${variant}: every step is PyTorch's, activations: ${activations}`, async () => {
        const accumulation = variant === 'token_weighted' ? 'tokens' : 'meanOfMeans'
        const options = { ...trainerOptions(recorded), accumulation, activations } as const
        await using trainer = await createTrainer(join(folder, recorded.model), options)
        await followRun(trainer, folder, run, { h: recorded.hyperparameters })
      })
    }
  }
}

for (const name of ['lora', 'lora-int8']) {
  const folder = join(ROOT, name)
  if (!existsSync(folder)) continue
  for (const activations of ['keep', 'recompute'] as const) {
    test(`${name}: every step is PyTorch's and PEFT's, activations: ${activations}`, async () => {
      const recorded = readJson(folder) as Case & { lora: Lora }
      await using trainer = await createTrainer(join(folder, recorded.model), {
        ...trainerOptions({ ...recorded, trainable_parts: ['projector'] }),
        lora: {
          rank: recorded.lora.r,
          alpha: recorded.lora.alpha,
          targets: new RegExp(`.*language_model.*\\.(${recorded.lora.target_leaves.join('|')})`),
          init: join(folder, recorded.lora.initial),
        },
        base: name === 'lora' ? 'f32' : 'int8',
        activations,
      })
      await followRun(trainer, folder, recorded, { h: recorded.hyperparameters })
      await checkAdapter(trainer, join(folder, recorded.lora.after_last))
    })
  }
}

/** PEFT's file after the last step: the same names, the same numbers. */
async function checkAdapter(trainer: Trainer, expected: string): Promise<void> {
  const parent = mkdtempSync(join(tmpdir(), 'adapter-'))
  try {
    await trainer.save(join(parent, 'saved'))
    const file = 'adapter_model.safetensors'
    const [came, right] = [join(parent, 'saved'), expected].map((at) => readTensors(join(at, file)))
    for (const [name, { data, shape }] of right!) {
      assert.deepEqual(came!.get(name)?.shape, shape, name)
      const { lora, learningRate } = trainer.settings
      assert.ok(lora)
      data.forEach((value, i) => {
        assertNear(came!.get(name)!.data[i]!, value, WEIGHTS_EVERY * learningRate, name)
      })
    }
  } finally {
    rmSync(parent, { recursive: true })
  }
}

type DpoStep = RecordedStep & {
  readonly chosen_logps: readonly number[]
  readonly rejected_logps: readonly number[]
  readonly ref_chosen_logps: readonly number[]
  readonly chosen_rewards: readonly number[]
  readonly margins: readonly number[]
  readonly accuracy: number
  readonly sft_loss: number
}

type DpoVariant = Omit<Run, 'tensors'> & {
  readonly beta: number
  readonly label_smoothing: number
  readonly dpo_alpha: number
  readonly gamma: number
  readonly tensors?: string
}

const DPO = join(ROOT, 'dpo')
const dpo = existsSync(DPO) ? (readJson(DPO) as Case) : null
for (const [variant, recorded] of Object.entries(dpo?.variants ?? {})) {
  test(`dpo ${variant}: every step is that of the NeXT fork of trl`, async () => {
    const run = recorded as unknown as DpoVariant
    await using trainer = await createTrainer(join(DPO, dpo!.model), {
      ...trainerOptions(dpo!),
      objective: {
        kind: 'dpo',
        beta: run.beta,
        labelSmoothing: run.label_smoothing,
        alpha: run.dpo_alpha,
        gamma: run.gamma,
      },
    })
    const inputs = readTensors(join(DPO, 'inputs.safetensors'))
    await followRun(trainer, DPO, run as Run, {
      h: dpo!.hyperparameters,
      microBatch: (i) => ({
        chosen: sampleAt(inputs, i, 'chosen_'),
        rejected: sampleAt(inputs, i, 'rejected_'),
      }),
      check: (result, step) => checkPreferences(result, step as DpoStep),
    })
  })
}

function checkPreferences(result: StepResult, step: DpoStep): void {
  assertEach(result.chosenLogps!, step.chosen_logps, LOG_PROBS, 'chosen')
  assertEach(result.rejectedLogps!, step.rejected_logps, LOG_PROBS, 'rejected')
  assertEach(result.referenceChosenLogps!, step.ref_chosen_logps, LOG_PROBS, 'reference')
  assertEach(result.rewards!.chosen, step.chosen_rewards, LOG_PROBS, 'rewards')
  assertEach(result.margins!, step.margins, LOG_PROBS, 'margins')
  assertNear(result.accuracy!, step.accuracy, step.step === 1 ? 1 : 1e-9, 'accuracy')
  assertNear(result.sftLoss!, step.sft_loss, LOSS_LATER * step.sft_loss, 'cross-entropy')
}

function assertEach(
  came: readonly number[],
  right: readonly number[],
  tolerance: number,
  what: string,
) {
  assert.equal(came.length, right.length, what)
  right.forEach((value, i) => {
    assertNear(came[i]!, value, tolerance * Math.max(1, Math.abs(value)), `${what}[${i}]`)
  })
}

for (const name of ['mixed-next-video', 'mixed-onevision']) {
  const folder = join(ROOT, name)
  if (!existsSync(folder)) continue
  test(`${name}: text, pictures and a clip in one batch have PyTorch's loss and gradients`, async () => {
    const recorded = readJson(folder) as Run & { model: string; loss: number; batch: number[] }
    const inputs = readTensors(join(folder, 'inputs.safetensors'))
    await using trainer = await createTrainer(join(folder, recorded.model), {
      trainable: ['projector', 'decoder', 'vision', 'imageNewline'],
    })
    const samples = recorded.batch.map((i) => sampleAt(inputs, i))
    const { loss, gradients } = await trainer.differentiate(samples)
    assertNear(loss, recorded.loss, LOSS_FIRST * recorded.loss, 'loss')
    checkGradients(
      gradients,
      expectedUnder(readTensors(join(folder, recorded.tensors)), 'grad_step1/'),
      recorded.float64,
    )
  })
}

// The newline row's gradient needed the number of the features' rows, which nothing told where no other part was trained.
for (const name of ['mixed-next-video', 'mixed-onevision']) {
  const folder = join(ROOT, name)
  if (!existsSync(folder)) continue
  test(`${name}: the newline row alone has the gradient that it has beside others`, async () => {
    const recorded = readJson(folder) as Run & { model: string; batch: number[] }
    const inputs = readTensors(join(folder, 'inputs.safetensors'))
    await using trainer = await createTrainer(join(folder, recorded.model), {
      trainable: ['imageNewline'],
    })
    const { gradients } = await trainer.differentiate(
      recorded.batch.map((i) => sampleAt(inputs, i)),
    )
    const expected = readTensors(join(folder, recorded.tensors))
    const right = expected.get('grad_step1/image_newline')!
    checkGradients(gradients, new Map([['image_newline', right]]), recorded.float64)
  })
}

if (existsSync(join(ROOT, 'packing'))) {
  test('packing: samples in one row have the loss and gradients of samples by themselves', async () => {
    const folder = join(ROOT, 'packing')
    const recorded = readJson(folder) as Case & {
      segment_ids: number[]
      packed_labels: number[]
      results: { how: string; loss: number }[]
    }
    const inputs = readTensors(join(folder, 'inputs.safetensors'))
    const expected = readTensors(join(folder, recorded.tensors))
    const samples = [sampleAt(inputs, 0), sampleAt(inputs, 1)]
    const packed = packSamples(samples, recorded)
    await using trainer = await createTrainer(join(folder, recorded.model), {
      trainable: ['projector', 'decoder'],
    })
    for (const { how, loss } of recorded.results) {
      const came = await trainer.differentiate(how === 'packed' ? [packed] : samples)
      assertNear(came.loss, loss, LOSS_FIRST * loss, how)
      const right = expectedUnder(expected, `grad_step1_${how}/`)
      checkGradients(came.gradients, right, recorded.float64)
    }
  })
}

if (existsSync(join(ROOT, 'resume'))) {
  test('resume: ten steps are those of PyTorch', async () => {
    const folder = join(ROOT, 'resume')
    const recorded = readCase(folder)
    await using trainer = await createTrainer(
      join(folder, recorded.model),
      trainerOptions(recorded),
    )
    await followRun(trainer, folder, recorded, { h: recorded.hyperparameters })
  })
}

function packSamples(
  samples: readonly Sample[],
  {
    segment_ids: segments,
    packed_labels: labels,
  }: { segment_ids: number[]; packed_labels: number[] },
): Sample {
  const pixels = samples.map(({ pixelValues }) => pixelValues!)
  const [, ...tile] = pixels[0]!.shape
  const data = pixels.flatMap((part) => [...part.data])
  const tiles = pixels.reduce((sum, { shape }) => sum + shape[0]!, 0)
  return {
    inputIds: samples.flatMap(({ inputIds }) => Array.from(inputIds)),
    labels,
    segments,
    pixelValues: { data: Float32Array.from(data), shape: [tiles, ...tile] },
  }
}

function readJson(folder: string): unknown {
  return JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'))
}

function readCase(folder: string): Case {
  return readJson(folder) as Case
}

const PARTS: Readonly<
  Record<string, readonly ('projector' | 'decoder' | 'vision' | 'imageNewline')[]>
> = {
  projector: ['projector'],
  llm: ['decoder', 'imageNewline'],
  vision_tower: ['vision'],
}

function trainerOptions({
  hyperparameters: h,
  trainable_parts: parts,
  model,
}: Case): TrainerOptions {
  const hasNewline = /next|onevision/.test(model)
  const trainable = parts.flatMap((part) => PARTS[part] ?? [])
  return {
    trainable: trainable.filter((part) => part !== 'imageNewline' || hasNewline),
    learningRate: h.lr,
    learningRates: {
      ...(h.projector_lr !== undefined && { projector: h.projector_lr }),
      ...(h.vision_tower_lr !== undefined && { vision: h.vision_tower_lr }),
    },
    weightDecay: h.weight_decay,
    betas: h.betas,
    eps: h.eps,
    schedule: {
      kind: h.schedule.replace('_with_warmup', '') as 'cosine',
      warmupSteps: h.warmup_steps,
      totalSteps: h.steps,
    },
    clipNorm: h.max_grad_norm,
  }
}

type RunOptions = {
  readonly h: Hyperparameters
  readonly microBatch?: (index: number) => unknown
  readonly check?: (result: StepResult, step: RecordedStep) => void
}

async function followRun(
  trainer: Trainer,
  folder: string,
  run: Run,
  { h, microBatch, check }: RunOptions,
): Promise<void> {
  const inputs = readTensors(join(folder, 'inputs.safetensors'))
  const take = microBatch ?? ((index) => sampleAt(inputs, index))
  const batchOf = (indices: readonly number[]) => indices.map(take) as unknown as MicroBatch
  const expected = readTensors(join(folder, run.tensors))
  const exempt = new Set(run.float64.tensors_with_mathematically_zero_gradient)
  for (const step of run.steps) {
    const result = await trainer.step(step.samples.map(batchOf))
    const tolerance = step.step === 1 ? LOSS_FIRST : LOSS_LATER
    assertNear(result.loss, step.loss, tolerance * Math.max(1, step.loss), `loss ${step.step}`)
    assertNear(result.gradNorm, step.grad_norm, NORM * step.grad_norm, `norm ${step.step}`)
    assertNear(result.learningRate, step.lr[0]!, 1e-12, `rate ${step.step}`)
    check?.(result, step)
    const gradients = expectedUnder(expected, `grad_step${step.step}/`)
    if (gradients.size > 0) checkGradients(trainer.gradients(), gradients, run.float64)
    const tag = step.step === run.steps.length ? 'after_last' : `after_step${step.step}`
    const weights = expectedUnder(expected, `${tag}/`)
    if (weights.size > 0) checkWeights(trainer, weights, { exempt, rate: h.lr })
  }
  const final = run.loss_of_first_micro_batch_after_last_step
  if (final === undefined) return
  const { loss } = await trainer.evaluate(batchOf(run.steps[0]!.samples[0]!))
  assertNear(loss, final, LOSS_LATER * Math.max(1, final), 'loss after the last step')
}

function checkGradients(gradients: Tensors, expected: Tensors, float64: Run['float64']): void {
  const exempt = new Set(float64.tensors_with_mathematically_zero_gradient)
  const relative = Math.max(GRADIENT, 10 * float64.largest_relative_gradient_difference.value)
  assert.deepEqual([...gradients.keys()].sort(), [...expected.keys()].sort())
  for (const [name, { data, shape }] of expected) {
    const came = gradients.get(name)!
    assert.deepEqual(came.shape, shape, name)
    const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    if (exempt.has(name)) continue
    const tolerance = relative * largest
    data.forEach((value, i) =>
      assertNear(came.data[i]!, value, tolerance, `gradient ${name}[${i}]`),
    )
  }
}

function checkWeights(
  trainer: Trainer,
  expected: Tensors,
  { exempt, rate }: { exempt: ReadonlySet<string>; rate: number },
): void {
  const weights = trainer.weights()
  const distances: number[] = []
  for (const [name, { data }] of expected) {
    const came = weights.get(name)
    assert.ok(came, `weights() has no ${name}`)
    if (exempt.has(name)) continue
    data.forEach((value, i) => distances.push(Math.abs(came.data[i]! - value)))
  }
  distances.sort((a, b) => a - b)
  assert.ok(distances[Math.floor(distances.length * 0.999)]! <= WEIGHTS_MOST, 'weights, 99.9 %')
  assert.ok(distances.at(-1)! <= WEIGHTS_EVERY * rate, 'weights, each')
}

function sampleAt(inputs: Tensors, index: number, side = ''): Sample {
  const get = (field: string) => inputs.get(`sample.${index}.${field}`)
  const [pixels, sizes, clip] = [
    get('pixel_values'),
    get('image_sizes'),
    get('pixel_values_videos'),
  ]
  return {
    inputIds: [...get(`${side}input_ids`)!.data],
    labels: [...get(`${side}labels`)!.data],
    ...(pixels && { pixelValues: pixels }),
    ...(sizes && { imageSizes: sizesOf(sizes.data) }),
    ...(clip && { videos: [clip] }),
  }
}

function sizesOf(numbers: Float32Array): { height: number; width: number }[] {
  return Array.from({ length: numbers.length / 2 }, (_, i) => ({
    height: numbers[2 * i]!,
    width: numbers[2 * i + 1]!,
  }))
}

function expectedUnder(tensors: Tensors, prefix: string): Tensors {
  return new Map(
    [...tensors].flatMap(([name, tensor]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), tensor] as const] : [],
    ),
  )
}

function assertNear(came: number, right: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(came - right) <= tolerance, `${what} is ${came}, not ${right} ± ${tolerance}`)
}
