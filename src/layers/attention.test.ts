/** The two forms of causal attention, and the gradients of the one without a cache. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { differentiate } from '../autodiff/index.ts'
import { ShapeError } from '../core/errors.ts'
import { Rng } from '../core/rng.ts'
import { elementCount } from '../core/shape.ts'
import { hostTensor, type HostTensor } from '../core/tensor.ts'
import { Graph } from '../graph/index.ts'
import {
  cacheHeadDim,
  causalAttention,
  type AttentionRows,
  type CausalAttentionConfig,
} from './attention.ts'
import {
  attentionBlocks,
  causalMask,
  groupedAttention,
  mergeHeads,
  splitHeads,
} from './grouped-attention.ts'
import { rotaryTables } from './rotary.ts'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { runGraph, type HostTensors } from '../../test/run-graph.ts'
import { TINY } from '../../test/tiny-decoder.ts'

let runtime: Runtime
before(async () => {
  runtime = await createRuntime()
})
after(() => runtime.dispose())

const CONFIG = TINY.attention
const WIDTH = 24
const WRT = ['x', 'a.q.weight', 'a.k.weight', 'a.k.bias', 'a.v.weight', 'a.o.weight']

/** Two products of float32 in another order. */
const TOLERANCE = 2e-5

type Form = { readonly config?: CausalAttentionConfig; readonly length?: number }

test('the whole sequence gives what a prefilled cache gives', async () => {
  for (const slidingWindow of [null, 3]) {
    const config = { ...CONFIG, slidingWindow }
    const [length, batch] = [9, 2]
    const values = drawValues({ config, length }, batch)
    const cached = await runGraph(runtime, cachedGraph({ config, length }, batch), values)
    const masked = await runGraph(runtime, maskedGraph({ config }), values)
    const segmented = await runGraph(runtime, segmentGraph({ config, length }, [length]), values)
    assertClose(masked['y'], cached['y'], `window ${slidingWindow}, mask`)
    assertClose(segmented['y'], cached['y'], `window ${slidingWindow}, segments`)
  }
})

test('packed samples have the results and gradients of single ones, by mask and by blocks', async () => {
  const segments = [5, 1, 170, 7]
  const length = segments.reduce((a, b) => a + b, 0)
  const values = drawValues({ length }, 1)
  const index = segments.flatMap((count, i) => Array.from({ length: count }, () => i))
  const restarted = segments.flatMap((count) => Array.from({ length: count }, (_, i) => i))
  const packed: HostTensors = {
    ...values,
    segments: int64([1, length], index),
    positions: int64([1, length], restarted),
  }
  const byMask = await gradientsOf(maskedGraph({}), packed)
  const byBlocks = await gradientsOf(segmentGraph({ length }, segments), packed)
  for (const name of Object.keys(byMask)) assertClose(byBlocks[name], byMask[name], name)

  let start = 0
  for (const count of segments) {
    const cut = (tensor: HostTensor | undefined) => sliceRows(tensor as HostTensor, start, count)
    const single = await gradientsOf(segmentGraph({ length: count }, [count]), {
      ...packed,
      x: cut(packed['x']),
      positions: cut(packed['positions']),
      'gradient.y': cut(packed['gradient.y']),
    })
    assertClose(cut(byBlocks['y']), single['y'], 'y')
    assertClose(cut(byBlocks['gradient.x']), single['gradient.x'], 'gradient.x')
    start += count
  }
})

test('attention that is computed elsewhere has the same result and gradients', async () => {
  const values = drawValues({ length: 9 }, 2)
  const inside = await gradientsOf(maskedGraph({}), values)
  const elsewhere = await gradientsOf(elsewhereGraph(), values)
  for (const name of Object.keys(inside)) assertClose(elsewhere[name], inside[name], name)
})

test('blocks cover every key that a row sees, and end at the row', () => {
  for (const window of [null, 50, 1000]) {
    const blocks = attentionBlocks([3, 400, 161], window)
    const rows = blocks.flatMap(({ rows: { start, end } }) => range(start, end))
    assert.deepEqual(rows, range(0, 564))
    for (const { rows, keys } of blocks) {
      const begin = [0, 3, 403].findLast((first) => first <= rows.start) as number
      assert.equal(keys.end, rows.end)
      assert.equal(keys.start, Math.max(begin, window === null ? 0 : rows.start - window + 1))
    }
  }
})

test('segments that do not fill the row are refused', () => {
  assert.throws(() => segmentGraph({ length: 9 }, [4, 4]), ShapeError)
})

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, i) => start + i)
}

async function gradientsOf(graph: Graph, values: HostTensors): Promise<HostTensors> {
  return runGraph(runtime, differentiate(graph, { wrt: WRT }), values)
}

function maskedGraph({ config = CONFIG }: Form): Graph {
  const g = new Graph('masked')
  const x = g.input('x', 'float32', ['B', 'T', WIDTH])
  const positions = g.input('positions', 'int64', ['B', 'T'])
  const segments = g.input('segments', 'int64', ['B', 'T'])
  const visible = causalMask(g, { positions, segments, slidingWindow: config.slidingWindow })
  const cache = { positions, ...tables(g, config.headDim), visible }
  g.output('y', causalAttention(g, 'a', x, { config, cache }).output)
  return g
}

function elsewhereGraph(): Graph {
  const g = new Graph('elsewhere')
  const x = g.input('x', 'float32', ['B', 'T', WIDTH])
  const positions = g.input('positions', 'int64', ['B', 'T'])
  const mask = causalMask(g, {
    positions,
    keyPositions: g.op('Identity', [positions]),
    segments: null,
    slidingWindow: null,
  })
  const attend = ({ q, k, v }: AttentionRows) => {
    const heads = {
      q: splitHeads(g, q, CONFIG.numHeads),
      k: splitHeads(g, k, CONFIG.numKvHeads),
      v: splitHeads(g, v, CONFIG.numKvHeads),
    }
    return mergeHeads(g, groupedAttention(g, heads, mask))
  }
  const cache = { positions, ...tables(g, CONFIG.headDim), attend }
  g.output('y', causalAttention(g, 'a', x, { config: CONFIG, cache }).output)
  return g
}

function segmentGraph({ config = CONFIG, length = 9 }: Form, segments: readonly number[]): Graph {
  const g = new Graph('segments')
  const x = g.input('x', 'float32', ['B', length, WIDTH])
  const positions = g.input('positions', 'int64', ['B', length])
  const cache = { positions, ...tables(g, config.headDim), visible: { segments } }
  g.output('y', causalAttention(g, 'a', x, { config, cache }).output)
  return g
}

function cachedGraph({ config = CONFIG, length = 9 }: Form, batch: number): Graph {
  const g = new Graph('cached')
  const x = g.input('x', 'float32', [batch, length, WIDTH])
  const width = cacheHeadDim(config.headDim)
  const empty = () => {
    const shape = [batch, config.numKvHeads, length, width]
    return g.constant(hostTensor('float32', shape, new Float32Array(elementCount(shape))))
  }
  const int32 = (shape: number[], value: number) =>
    g.constant(hostTensor('int32', shape, new Int32Array(elementCount(shape)).fill(value)))
  const cache = {
    key: empty(),
    value: empty(),
    lastPosition: int32([batch], length - 1),
    totalLength: int32([], length),
    ...tables(g, config.headDim, width),
    scales: null,
  }
  g.output('y', causalAttention(g, 'a', x, { config, cache }).output)
  return g
}

function tables(g: Graph, headDim: number, width = headDim) {
  const size = { positions: 200, headDim, width: width / 2 }
  const { cos, sin } = rotaryTables({ theta: 10000, factor: 1 }, size)
  const table = (data: Float32Array) => g.constant(hostTensor('float32', [200, width / 2], data))
  return { cos: table(cos), sin: table(sin) }
}

function drawValues({ config = CONFIG, length = 9 }: Form, batch: number): HostTensors {
  const rng = new Rng(3)
  const normal = (...shape: number[]) => {
    const data = Float32Array.from({ length: elementCount(shape) }, () => 0.5 * rng.normal())
    return hostTensor('float32', shape, data)
  }
  const [rows, kvRows] = [config.numHeads, config.numKvHeads].map((n) => n * config.headDim) as [
    number,
    number,
  ]
  const ascending = Array.from({ length: batch }, () => range(0, length)).flat()
  return {
    x: normal(batch, length, WIDTH),
    'gradient.y': normal(batch, length, WIDTH),
    positions: int64([batch, length], ascending),
    segments: int64(
      [batch, length],
      ascending.map(() => 0),
    ),
    'a.q.weight': normal(rows, WIDTH),
    'a.q.bias': normal(rows),
    'a.k.weight': normal(kvRows, WIDTH),
    'a.k.bias': normal(kvRows),
    'a.v.weight': normal(kvRows, WIDTH),
    'a.v.bias': normal(kvRows),
    'a.o.weight': normal(WIDTH, rows),
  }
}

function int64(shape: readonly number[], numbers: readonly number[]): HostTensor {
  return hostTensor('int64', shape, BigInt64Array.from(numbers, BigInt))
}

/** Positions [start, start + count) of a tensor [1, T, …]. */
function sliceRows({ dtype, shape, data }: HostTensor, start: number, count: number): HostTensor {
  const width = elementCount(shape.slice(2))
  const rows = data.slice(start * width, (start + count) * width)
  return hostTensor(dtype, [1, count, ...shape.slice(2)], rows)
}

function assertClose(
  actual: HostTensor | undefined,
  expected: HostTensor | undefined,
  what: string,
) {
  assert.deepEqual(actual?.shape, expected?.shape, what)
  const [came, right] = [actual as HostTensor, expected as HostTensor]
  const largest = Array.from(right.data, Number).reduce((a, b) => Math.max(a, Math.abs(b)), 1)
  right.data.forEach((value, i) => {
    const distance = Math.abs(Number(came.data[i]) - Number(value)) / largest
    assert.ok(distance <= TOLERANCE, `${what}[${i}] is ${came.data[i]}, expected ${value}`)
  })
}
