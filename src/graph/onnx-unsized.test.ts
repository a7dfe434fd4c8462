import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRuntime } from '../runtime/node.ts'
import { Graph } from './graph.ts'
import { writeOnnx } from './onnx-writer.ts'
import { anonymousBytes, skipsMemory } from '../../test/anonymous-bytes.ts'

const WIDTH = 1024
const ROWS = 1024
/** What a tensor [T, WIDTH] takes. */
const UNIT_BYTES = 4 * WIDTH * ROWS
const COPIES = [2, 3, 4, 5, 6, 7, 8] as const
const LAYERS = 2

/** Layers that widen their rows to several widths, one after another: no two of them are needed at once. */
function wideningGraph(): Graph {
  const g = new Graph('widening')
  let x = g.input('x', 'float32', ['T', WIDTH])
  for (let layer = 0; layer < LAYERS; layer++) {
    for (const copies of COPIES) {
      const wide = g.op(
        'Concat',
        Array.from({ length: copies }, () => x),
        { axis: 1 },
      ) // [T, copies·WIDTH]
      x = g.op('Slice', [wide], { starts: [0], ends: [WIDTH], axes: [1] })
    }
  }
  g.output('y', x)
  return g
}

test(
  'without sizes a layer’s tensors are given back before the next is made',
  { skip: skipsMemory },
  async () => {
    const runtime = await createRuntime({ threads: 1 })
    const session = await runtime.createSession(writeOnnx(wideningGraph(), { unsized: ['x'] }), {
      graphOptimization: 'none',
    })
    const data = Float32Array.from({ length: ROWS * WIDTH }, (_, i) => i % 97)
    const x = runtime.tensor('float32', [ROWS, WIDTH], data)
    const y = runtime.tensor('float32', [ROWS, WIDTH])
    ;(y.data as Float32Array).fill(1)
    const before = anonymousBytes()
    await session.run({ x }, { y })
    const taken = anonymousBytes() - before
    await runtime.dispose()
    assert.deepEqual(y.data, data)
    const all = COPIES.reduce((sum, copies) => sum + copies, 0)
    // Eight units and their source at the widest, where 35 of a layer would stay with names.
    assert.ok(taken < (all / 2) * UNIT_BYTES, `${Math.round(taken / UNIT_BYTES)} units of ${all}`)
  },
)
