import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { GraphRunner } from '../../test/run-graph.ts'
import { Rng } from '../core/rng.ts'
import { elementCount } from '../core/shape.ts'
import { hostTensor, type HostTensor } from '../core/tensor.ts'
import { Graph } from '../graph/index.ts'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { blockAttention, cutQueries, QUERY_BLOCKS } from './block-attention.ts'

const [HEADS, KV_HEADS, WIDTH] = [4, 2, 16]

let runtime: Runtime
before(async () => {
  runtime = await createRuntime()
})
after(() => runtime.dispose())

for (const window of [-1, 6]) {
  test(`blocks of queries give what all at once do, bit for bit; window ${window}`, async () => {
    const runner = await GraphRunner.create(runtime, bothWays(window), () => 'f32')
    for (const past of [0, 1, 11]) {
      for (const length of [1, 2, 3, 5, 6, 7, 10, 37]) {
        const outputs = await runner.run(feeds(length, past))
        const place = `${length} positions after ${past}`
        assert.deepEqual(outputs['blocks']!.data, outputs['whole']!.data, place)
      }
    }
    runner.dispose()
  })
}

test('blocks cover any number of positions and compute two or more each', () => {
  for (let length = 2; length < 100; length++) {
    const { stride, overlap } = cutQueries(length)
    assert.equal(QUERY_BLOCKS * stride + overlap, length)
    assert.ok(stride >= 0 && overlap >= 2, `${length} positions`)
  }
  assert.deepEqual(cutQueries(1), { stride: 0, overlap: 1 })
})

function bothWays(window: number): Graph {
  const g = new Graph('attention')
  const rows = (name: string, heads: number) => g.input(name, 'float32', [1, 'T', heads * WIDTH])
  const [q, k, v] = [rows('q', HEADS), rows('k', KV_HEADS), rows('v', KV_HEADS)]
  const kept = (name: string) => g.input(name, 'float32', [1, KV_HEADS, 'P', WIDTH])
  const past = { key: kept('pastKey'), value: kept('pastValue') }
  const last = g.input('last', 'int32', [1])
  const total = g.input('total', 'int32', [])
  g.input('stride', 'uint8', ['stride'])
  g.input('overlap', 'uint8', ['overlap'])
  const ends = g.input('ends', 'int32', [QUERY_BLOCKS])
  const attributes = {
    num_heads: HEADS,
    kv_num_heads: KV_HEADS,
    scale: 0.25,
    local_window_size: window,
  }
  const whole = [q, k, v, past.key, past.value, last, total]
  g.output('whole', g.op('GroupQueryAttention', whole, attributes))
  const blocks = { stride: 'stride', overlap: 'overlap', ends }
  g.output('blocks', blockAttention(g, { q, k, v, past, blocks }, attributes))
  return g
}

function feeds(length: number, past: number): Record<string, HostTensor> {
  const rng = new Rng(100 * length + past)
  const normal = (...shape: number[]) =>
    hostTensor(
      'float32',
      shape,
      Float32Array.from({ length: elementCount(shape) }, () => rng.normal()),
    )
  const bytes = (count: number) => hostTensor('uint8', [count], new Uint8Array(count))
  const { stride, overlap } = cutQueries(length)
  const ends = Int32Array.from(
    { length: QUERY_BLOCKS },
    (_, i) => past + (i + 1) * stride + overlap,
  )
  return {
    q: normal(1, length, HEADS * WIDTH),
    k: normal(1, length, KV_HEADS * WIDTH),
    v: normal(1, length, KV_HEADS * WIDTH),
    pastKey: normal(1, KV_HEADS, past, WIDTH),
    pastValue: normal(1, KV_HEADS, past, WIDTH),
    last: hostTensor('int32', [1], Int32Array.of(past + length - 1)),
    total: hostTensor('int32', [], Int32Array.of(past + length)),
    stride: bytes(stride),
    overlap: bytes(overlap),
    ends: hostTensor('int32', [QUERY_BLOCKS], ends),
  }
}
