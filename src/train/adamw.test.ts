/** AdamW and the schedules against PyTorch's and transformers', for given gradients. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { toFloat32 } from '../core/tensor.ts'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { openFileBytes, readSafetensors } from '../weights/index.ts'
import { AdamW } from './adamw.ts'
import { rateFactor, warmupSteps, type ScheduleKind } from './schedule.ts'

const FOLDER = join(process.env['LLAVA_FIXTURES'] ?? 'fixtures', 'training', 'optimizers')

type Variant = {
  readonly lr: number
  readonly betas: readonly [number, number]
  readonly eps: number
  readonly weight_decay: number
  readonly no_decay?: readonly string[]
  readonly missing?: readonly (readonly [number, string])[]
  readonly max_grad_norm: number | null
  readonly grad_norm: readonly number[]
  readonly step_counter_at_end: Readonly<Record<string, number>>
}

const expected = JSON.parse(readFileSync(join(FOLDER, 'expected.json'), 'utf8')) as {
  shapes: Record<string, number[]>
  steps: number
  variants: Record<string, Variant>
  schedules: Record<
    string,
    { kind: string; lr: number; warmup_steps: number; total: number; lr_per_step: number[] }
  >
  warmup_steps_from_ratio: { total: number; ratio: number; warmup_steps: number }[]
}
const source = readSafetensors(openFileBytes(join(FOLDER, 'expected.safetensors')))
const read = (name: string) => toFloat32(source.read(name))

/** The README of the recordings: what an independent float32 implementation should meet. */
const PARAMETER = 3e-6
const MOMENT = 1e-5
const NORM = 1e-4

let runtime: Runtime
before(async () => {
  runtime = await createRuntime()
})
after(() => {
  source.close()
  runtime.dispose()
})

for (const [name, variant] of Object.entries(expected.variants)) {
  test(`AdamW ${name}: every step is PyTorch's`, async () => {
    const { betas, eps, lr, weight_decay: decay, no_decay: undecayed = [], missing = [] } = variant
    const adamw = await AdamW.create(runtime, { betas, eps })
    const flat = new FlatParameters(Object.keys(expected.shapes))
    for (let step = 1; step <= expected.steps; step++) {
      flat.setGradients(step)
      const present = flat.names.filter((t) => !missing.some(([s, k]) => s === step && k === t))
      let squares = 0
      for (const t of present) {
        squares += await adamw.sumSquares(flat.state.gradients, flat.range(t), {})
      }
      const norm = Math.sqrt(squares)
      const right = variant.grad_norm[step - 1] as number
      assert.ok(Math.abs(norm - right) <= NORM * right, `norm of step ${step}`)
      const limit = variant.max_grad_norm
      const gradientScale = limit === null ? 1 : Math.min(1, limit / (norm + 1e-6))
      for (const t of present) {
        const weightDecay = undecayed.includes(t) ? 0 : decay
        const update = { ...flat.range(t), stepsBefore: flat.count(t), learningRate: lr }
        await adamw.update(flat.state, { ...update, weightDecay }, { gradientScale })
      }
      for (const t of present) flat.check(`${name}/${step}/${t}`, t)
    }
    assert.deepEqual(flat.counts, variant.step_counter_at_end)
    adamw.dispose()
  })
}

// m + (g − m) is not g in float32.
test('AdamW without memory of gradients has the last one as its first moment', async () => {
  const adamw = await AdamW.create(runtime, { betas: [0, 0.95], eps: 1e-8 })
  const flat = new FlatParameters(Object.keys(expected.shapes))
  const { gradients, firstMoments } = flat.state
  for (let step = 1; step <= expected.steps; step++) {
    flat.setGradients(step)
    const all = { start: 0, end: gradients.data.length }
    const update = { ...all, stepsBefore: step - 1, learningRate: 1e-3, weightDecay: 0 }
    await adamw.update(flat.state, update, { gradientScale: 1 })
    assert.deepEqual(firstMoments.data, gradients.data)
  }
  adamw.dispose()
})

// What torch 2 leaves of a first moment of 1 behind a gradient of 0: of 0.1 it was 0.1 in float32.
test('AdamW forgets by 1 − (1 − β₁) of float32', async () => {
  const left = {
    0.1: 0.10000002384185791,
    0.45: 0.44999998807907104,
    0.5: 0.5,
    0.9: 0.8999999761581421,
  }
  for (const [beta1, expectedMoment] of Object.entries(left)) {
    const adamw = await AdamW.create(runtime, { betas: [Number(beta1), 0.95], eps: 1e-8 })
    const { state } = new FlatParameters(Object.keys(expected.shapes))
    const end = state.gradients.data.length
    ;(state.gradients.data as Float32Array).fill(0)
    ;(state.firstMoments.data as Float32Array).fill(1)
    const update = { start: 0, end, stepsBefore: 1, learningRate: 1e-3, weightDecay: 0 }
    await adamw.update(state, update, { gradientScale: 1 })
    assert.deepEqual(state.firstMoments.data, new Float32Array(end).fill(expectedMoment))
    adamw.dispose()
  }
})

test('schedules give the rates of transformers at every step', () => {
  for (const [name, schedule] of Object.entries(expected.schedules)) {
    const { lr, total: totalSteps, warmup_steps: warmup, lr_per_step: rates } = schedule
    const kind = schedule.kind.replace('_with_warmup', '') as ScheduleKind
    rates.forEach((right, step) => {
      const rate = lr * rateFactor({ kind, warmupSteps: warmup, totalSteps }, step)
      assert.ok(Math.abs(rate - right) <= 1e-12 * Math.abs(right), `${name} ${step}: ${rate}`)
    })
  }
  for (const { total, ratio, warmup_steps: right } of expected.warmup_steps_from_ratio) {
    assert.equal(warmupSteps(total, ratio), right)
  }
})

/** All tensors of the recording one after another in four flat memories. */
class FlatParameters {
  readonly names: readonly string[]
  readonly state
  readonly counts: Record<string, number> = {}
  readonly #ranges = new Map<string, { start: number; end: number }>()

  constructor(names: readonly string[]) {
    this.names = names
    let end = 0
    for (const name of names) {
      const start = end
      end += read(`initial/${name}`).length
      this.#ranges.set(name, { start, end })
      this.counts[name] = 0
    }
    const memory = () => runtime.tensor('float32', [end])
    this.state = {
      weights: memory(),
      gradients: memory(),
      firstMoments: memory(),
      secondMoments: memory(),
    }
    for (const name of names) this.#slice(this.state.weights, name).set(read(`initial/${name}`))
  }

  range(name: string) {
    return this.#ranges.get(name)!
  }

  count(name: string): number {
    return this.counts[name]!
  }

  setGradients(step: number): void {
    for (const name of this.names) {
      this.#slice(this.state.gradients, name).set(read(`grad/${step}/${name}`))
    }
  }

  check(prefix: string, name: string): void {
    const { weights, firstMoments, secondMoments } = this.state
    assertWithin(this.#slice(weights, name), read(`${prefix}/param`), PARAMETER, prefix)
    const [m, v] = [read(`${prefix}/exp_avg`), read(`${prefix}/exp_avg_sq`)]
    assertWithin(this.#slice(firstMoments, name), m, MOMENT * largest(m), `${prefix} m`)
    assertWithin(this.#slice(secondMoments, name), v, MOMENT * largest(v), `${prefix} v`)
    this.counts[name]!++
  }

  #slice(tensor: { data: unknown }, name: string): Float32Array {
    const { start, end } = this.range(name)
    return (tensor.data as Float32Array).subarray(start, end)
  }
}

function largest(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
}

function assertWithin(came: Float32Array, right: Float32Array, tolerance: number, what: string) {
  assert.equal(came.length, right.length, what)
  right.forEach((value, i) => {
    assert.ok(Math.abs(came[i]! - value) <= tolerance, `${what}[${i}] is ${came[i]}, not ${value}`)
  })
}
