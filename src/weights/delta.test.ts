import assert from 'node:assert/strict'
import { test } from 'node:test'
import { float32ToFloat16 } from '../core/dtype.ts'
import { hostTensor, toFloat32, type HostTensor } from '../core/tensor.ts'
import { addDelta } from './delta.ts'
import type { WeightSource } from './source.ts'

type Tensors = Readonly<Record<string, readonly [shape: number[], values: number[]]>>

function sourceOf(tensors: Tensors, closed: string[] = [], name = ''): WeightSource {
  const all = new Map(
    Object.entries(tensors).map(([key, [shape, values]]) => [
      key,
      hostTensor('float16', shape, float32ToFloat16(Float32Array.from(values))),
    ]),
  )
  return {
    tensors: new Map(
      [...all].map(([key, { dtype, shape }]) => [key, { dtype, shape, file: 'model.bin' }]),
    ),
    read: (key) => all.get(key) as HostTensor,
    close: () => void closed.push(name),
  }
}

const NORM = 'model.norm.weight'
const EMBEDDING = 'model.embed_tokens.weight'
const PROJECTOR = 'model.mm_projector.weight'

test('what both have is added, rows that only the delta has stay, the projector is its own', () => {
  const closed: string[] = []
  const delta = sourceOf(
    {
      [NORM]: [[2], [1, 2]],
      [EMBEDDING]: [
        [3, 2],
        [1, 2, 3, 4, 5, 6],
      ],
      [PROJECTOR]: [[1], [7]],
    },
    closed,
    'delta',
  )
  const base = sourceOf(
    {
      [NORM]: [[2], [10, 20]],
      [EMBEDDING]: [
        [2, 2],
        [10, 20, 30, 40],
      ],
    },
    closed,
    'base',
  )
  const merged = addDelta(delta, base)
  assert.deepEqual([...toFloat32(merged.read(NORM))], [11, 22])
  assert.deepEqual([...toFloat32(merged.read(EMBEDDING))], [11, 22, 33, 44, 5, 6])
  assert.deepEqual([...toFloat32(merged.read(PROJECTOR))], [7])
  merged.close()
  assert.deepEqual(closed, ['delta', 'base'])
})

test('a wider embedding keeps its columns apart', () => {
  const delta = sourceOf({
    [EMBEDDING]: [
      [2, 3],
      [1, 2, 3, 4, 5, 6],
    ],
  })
  const base = sourceOf({
    [EMBEDDING]: [
      [1, 2],
      [10, 20],
    ],
  })
  assert.deepEqual([...toFloat32(addDelta(delta, base).read(EMBEDDING))], [11, 22, 3, 4, 5, 6])
})

test('sums are rounded as half precision rounds them', () => {
  const [a, b] = [1, 2 ** -11 + 2 ** -12]
  const merged = addDelta(sourceOf({ [NORM]: [[1], [a]] }), sourceOf({ [NORM]: [[1], [b]] }))
  assert.equal(merged.read(NORM).dtype, 'float16')
  assert.equal(toFloat32(merged.read(NORM))[0], 1 + 2 ** -10)
})

// Once a base in float32 was added as it is: of a real one three elements in ten were another number than the original's.
test('a base in another type is rounded before it is added', () => {
  const delta = sourceOf({ [NORM]: [[1], [1]] })
  const base = sourceOf({ [NORM]: [[1], [0]] })
  // In float16 just 2⁻¹¹, and 1 + 2⁻¹¹ is 1 there; what is added unrounded gives the next number.
  const value = Float32Array.of(2 ** -11 + 2 ** -23)
  const wide = { ...base, read: () => hostTensor('float32', [1], value) }
  assert.equal(toFloat32(addDelta(delta, wide).read(NORM))[0], 1)
})

test('angles are copied, not added', () => {
  const name = 'model.layers.0.self_attn.rotary_emb.inv_freq'
  const both = () => sourceOf({ [name]: [[1], [0.5]] })
  assert.equal(toFloat32(addDelta(both(), both()).read(name))[0], 0.5)
})

test('tensors that do not go together are named, all at once', () => {
  const delta = sourceOf({
    [NORM]: [[3], [1, 2, 3]],
    'model.other.weight': [[1], [1]],
    [EMBEDDING]: [
      [1, 2],
      [1, 2],
    ],
  })
  const base = sourceOf({
    [NORM]: [[2], [1, 2]],
    [EMBEDDING]: [
      [2, 2],
      [1, 2, 3, 4],
    ],
  })
  assert.throws(() => addDelta(delta, base), {
    code: 'CHECKPOINT_DELTA',
    message:
      /3 tensors.*norm.*float16\[3\].*float16\[2\].*model\.other\.weight is not in the base.*embed_tokens/s,
  })
})
