/**
 * What every runtime must do, whatever the engine and platform below it. Called with a constructor and the cases to
 * skip, each with its reason.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DType } from '../core/dtype.ts'
import type { Dim } from '../core/shape.ts'
import { hostTensor } from '../core/tensor.ts'
import { Graph } from '../graph/graph.ts'
import { writeOnnx } from '../graph/onnx-writer.ts'
import type { Runtime, Session } from './runtime.ts'

/** y = x · w, both inputs. */
export function matMulModel(m: Dim, k: Dim, n: Dim): Uint8Array {
  const g = new Graph('matMul')
  g.output('y', g.op('MatMul', [g.input('x', 'float32', [m, k]), g.input('w', 'float32', [k, n])]))
  return writeOnnx(g)
}

/** y = x + x, of any length. */
export function doubleModel(dtype: DType = 'float32'): Uint8Array {
  const g = new Graph('double')
  const x = g.input('x', dtype, ['N'])
  g.output('y', g.op('Add', [x, x]))
  return writeOnnx(g)
}

/** y = x · w · w · …: `count` products of `[size,size]` in a row, each waiting for the one before. */
export function chainModel(size: number, count: number): Uint8Array {
  const g = new Graph('chain')
  const w = g.parameter('w', [size, size])
  let y = g.input('x', 'float32', [size, size])
  for (let i = 0; i < count; i++) y = g.op('MatMul', [y, w])
  g.output('y', y)
  return writeOnnx(g)
}

/** A matrix with `value` on its diagonal, as the chain's weight. */
export function diagonal(size: number, value: number) {
  const data = new Float32Array(size * size)
  for (let i = 0; i < size; i++) data[i * size + i] = value
  return new Map([['w', hostTensor('float32', [size, size], data)]])
}

export function runtimeCases(
  create: () => Promise<Runtime>,
  skips: Readonly<Record<string, string>> = {},
): void {
  function property(name: string, body: (runtime: Runtime) => Promise<void>): void {
    test(name, { skip: skips[name] ?? false }, async () => {
      const runtime = await create()
      try {
        await body(runtime)
      } finally {
        await runtime.dispose()
      }
    })
  }

  property('a run writes every output into the tensor given for it', async (runtime) => {
    const session = await runtime.createSession(matMulModel('M', 3, 2))
    assert.deepEqual([session.inputNames, session.outputNames], [['x', 'w'], ['y']])
    const w = runtime.tensor('float32', [3, 2], Float32Array.of(1, 2, 3, 4, 5, 6))
    const x = runtime.tensor('float32', [2, 3], Float32Array.of(1, 0, 0, 1, 1, 1))
    const y = runtime.tensor('float32', [2, 2])
    await session.run({ w, x }, { y })
    assert.deepEqual([...y.data], [1, 2, 9, 12])
  })

  property('one session takes other sizes for its symbols at every run', async (runtime) => {
    const session = await runtime.createSession(matMulModel('M', 'K', 'N'))
    for (const [m, k, n] of [
      [1, 1, 1],
      [3, 5, 2],
      [0, 4, 2],
      [2, 0, 3],
    ] as const) {
      const x = runtime.tensor('float32', [m, k])
      const w = runtime.tensor('float32', [k, n])
      const y = runtime.tensor('float32', [m, n])
      x.data.fill(1 as never)
      w.data.fill(2 as never)
      y.data.fill(-1 as never)
      await session.run({ x, w }, { y })
      assert.deepEqual(
        [...y.data],
        Array.from({ length: m * n }, () => 2 * k),
      )
    }
  })

  property(
    'a tensor is its memory: subarrays, views and later writes are seen',
    async (runtime) => {
      const session = await runtime.createSession(doubleModel())
      const memory = Float32Array.from({ length: 12 }, (_, i) => i)
      const whole = runtime.tensor('float32', [10], memory.subarray(1, 11))
      const x = whole.view([3], 4)
      const y = runtime.tensor('float32', [10]).view([3], 7)
      await session.run({ x }, { y })
      assert.deepEqual([...y.data], [10, 12, 14])
      whole.dispose()
      memory[6] = 100
      await session.run({ x }, { y })
      assert.deepEqual([...y.data], [10, 200, 14])
    },
  )

  property('shared memory works like any other', async (runtime) => {
    const session = await runtime.createSession(doubleModel())
    const memory = new Float32Array(new SharedArrayBuffer(16), 4, 3).fill(3)
    const x = runtime.tensor('float32', [3], memory)
    await session.run({ x }, { y: x })
    assert.deepEqual([...memory], [6, 6, 6])
  })

  property('every dtype of ours is the same dtype in the engine', async (runtime) => {
    for (const dtype of [
      'float32',
      'float64',
      'int8',
      'uint8',
      'int32',
      'int64',
      'int16',
      'uint16',
      'uint32',
      'float16',
    ] as const) {
      const g = new Graph(dtype)
      const x = g.input('x', dtype, ['N'])
      g.output('y', g.op('Cast', [x], { to: 'float64' }))
      const session = await runtime.createSession(writeOnnx(g))
      const given = runtime.tensor(dtype, [2])
      const one = dtype === 'float16' ? 0x3c00 : dtype === 'int64' ? 1n : 1
      given.data.fill(one as never)
      const y = runtime.tensor('float64', [2])
      await session.run({ x: given }, { y })
      assert.deepEqual([...y.data], [1, 1], dtype)
    }
  })

  property('a binding keeps its tensors and takes new ones between runs', async (runtime) => {
    const session = await runtime.createSession(matMulModel('M', 2, 2))
    const w = runtime.tensor('float32', [2, 2], Float32Array.of(1, 0, 0, 10))
    const y = runtime.tensor('float32', [1, 2])
    const binding = session.bind({ w }, { y })
    await assert.rejects(binding.run(), {
      code: 'CONFIG_RUNTIME_NAMES',
      message: /input x .* missing/,
    })
    for (const value of [1, 2]) {
      binding.setInput('x', runtime.tensor('float32', [1, 2], new Float32Array(2).fill(value)))
      await binding.run()
      assert.deepEqual([...y.data], [value, value * 10])
    }
    const other = runtime.tensor('float32', [2, 2])
    binding.setOutput('y', other)
    await assert.rejects(binding.run(), { name: 'ShapeError', message: /output y float32\[M,2\]/ })
    binding.setInput('x', other.view([2, 2]))
    await binding.run()
    binding.dispose()
    binding.dispose()
    await assert.rejects(binding.run(), { code: 'CONFIG_RUNTIME_DISPOSED' })
  })

  property(
    'input and output may be one memory where the graph reads before it writes',
    async (runtime) => {
      const session = await runtime.createSession(doubleModel())
      const x = runtime.tensor('float32', [2], Float32Array.of(1, 2))
      const binding = session.bind({ x }, { y: x })
      for (let i = 0; i < 3; i++) await binding.run()
      assert.deepEqual([...x.data], [8, 16])
    },
  )

  property('wrong feeds are refused by name before anything runs', async (runtime) => {
    const session = await runtime.createSession(matMulModel('M', 3, 2))
    const x = runtime.tensor('float32', [1, 3])
    const w = runtime.tensor('float32', [3, 2])
    const y = runtime.tensor('float32', [1, 2])
    await assert.rejects(session.run({ x }, { y }), {
      code: 'CONFIG_RUNTIME_NAMES',
      message: /input w float32\[3,2\] is missing/,
    })
    await assert.rejects(session.run({ x, w }, {}), {
      code: 'CONFIG_RUNTIME_NAMES',
      message: /output y .* missing/,
    })
    await assert.rejects(session.run({ x, w, z: x }, { y }), {
      code: 'CONFIG_RUNTIME_NAMES',
      message: /input z is not one of x, w/,
    })
    await assert.rejects(session.run({ x: w, w }, { y }), {
      code: 'SHAPE_FEED',
      message: /input x float32\[M,3\] came as float32\[3,2\]/,
    })
    const ints = runtime.tensor('int32', [1, 2])
    await assert.rejects(session.run({ x, w }, { y: ints }), {
      code: 'SHAPE_FEED',
      message: /output y float32\[M,2\] came as int32\[1,2\]/,
    })
    const gone = runtime.tensor('float32', [1, 3])
    gone.dispose()
    gone.dispose()
    await assert.rejects(session.run({ x: gone, w }, { y }), {
      code: 'CONFIG_RUNTIME_TENSOR',
      message: /input x .*disposed/,
    })
    assert.throws(() => gone.view([1]), { code: 'CONFIG_RUNTIME_DISPOSED' })
    assert.throws(() => session.bind({ q: x }, {}), { code: 'CONFIG_RUNTIME_NAMES' })
    await session.run({ x, w }, { y })
  })

  property('a tensor whose memory was transferred away is refused', async (runtime) => {
    const session = await runtime.createSession(doubleModel())
    const data = new Float32Array(100)
    const x = runtime.tensor('float32', [100], data)
    structuredClone(data.buffer, { transfer: [data.buffer] })
    const y = runtime.tensor('float32', [100])
    await assert.rejects(session.run({ x }, { y }), {
      code: 'CONFIG_RUNTIME_TENSOR',
      message: /lost its memory/,
    })
  })

  property('memory that does not fit its type is refused', async (runtime) => {
    assert.throws(() => runtime.tensor('float32', [3], new Float32Array(4)), {
      code: 'SHAPE_DATA',
      message: /float32\[3\] needs 3 elements, the data has 4/,
    })
    assert.throws(() => runtime.tensor('float32', [3], new Int32Array(3)), {
      code: 'SHAPE_DATA',
      message: /Float32Array, a Int32Array/,
    })
    assert.throws(() => runtime.tensor('float32', [-1]), { code: 'SHAPE_DIMENSION' })
    const x = runtime.tensor('float32', [4])
    for (const [shape, offset] of [
      [[4], 1],
      [[1], -1],
      [[1], 0.5],
    ] as const) {
      assert.throws(() => x.view(shape, offset), { code: 'SHAPE_VIEW' })
    }
  })

  property('weights are handed over by name and checked', async (runtime) => {
    const model = chainModel(4, 3)
    const session = await runtime.createSession(model, { initializers: diagonal(4, 2) })
    const x = runtime.tensor('float32', [4, 4], new Float32Array(16).fill(1))
    const y = runtime.tensor('float32', [4, 4])
    await session.run({ x }, { y })
    assert.deepEqual(
      [...y.data],
      Array.from({ length: 16 }, () => 8),
    )
    await assert.rejects(runtime.createSession(model), {
      code: 'CONFIG_RUNTIME_NAMES',
      message: /initializer w float32\[4,4\] is missing/,
    })
    await assert.rejects(runtime.createSession(model, { initializers: diagonal(2, 1) }), {
      code: 'SHAPE_FEED',
      message: /initializer w float32\[4,4\] came as float32\[2,2\]/,
    })
    await assert.rejects(runtime.createSession(Uint8Array.of(1, 2, 3)), {
      code: 'CONFIG_RUNTIME_MODEL',
    })
  })

  property('sessions that share weights outlive the set and each other', async (runtime) => {
    const sharedWeights = runtime.createSharedWeights()
    const options = { initializers: diagonal(4, 2), sharedWeights }
    const first = await runtime.createSession(chainModel(4, 1), options)
    const second = await runtime.createSession(chainModel(4, 2), options)
    sharedWeights.dispose()
    sharedWeights.dispose()
    first.dispose()
    const x = runtime.tensor('float32', [4, 4], new Float32Array(16).fill(1))
    await second.run({ x }, { y: x })
    assert.equal(x.data[0], 4)
    await assert.rejects(runtime.createSession(chainModel(4, 1), options), {
      code: 'CONFIG_RUNTIME_SHARED_WEIGHTS',
    })
  })

  property('every level of optimisation and unpacked weights compute the same', async (runtime) => {
    for (const options of [
      { graphOptimization: 'none' },
      { graphOptimization: 'basic' },
      { prepack: false },
    ] as const) {
      const session = await runtime.createSession(chainModel(4, 3), {
        ...options,
        initializers: diagonal(4, 2),
      })
      const x = runtime.tensor('float32', [4, 4], new Float32Array(16).fill(1))
      await session.run({ x }, { y: x })
      assert.equal(x.data[5], 8)
    }
  })

  property(
    'an abort in flight stops the run early with its reason, and the session works on',
    async (runtime) => {
      const { session, x, y } = await longChain(runtime)
      const start = performance.now()
      await session.run({ x }, { y })
      const fullMs = performance.now() - start
      for (const run of [session, session.bind({ x }, { y })]) {
        const reason = new Error('enough')
        const controller = new AbortController()
        const options = { signal: controller.signal }
        const running = 'bind' in run ? run.run({ x }, { y }, options) : run.run(options)
        const abortedAt = await new Promise<number>((resolve) =>
          setImmediate(() => {
            controller.abort(reason)
            resolve(performance.now())
          }),
        )
        await assert.rejects(running, reason)
        assert.ok(performance.now() - abortedAt < fullMs / 2, 'stopped before half of the run')
      }
      y.data.fill(0 as never)
      await session.run({ x }, { y })
      assert.equal(y.data[0], 1)
    },
  )

  property(
    'an abort without a reason is an AbortError, also of a run that still waits',
    async (runtime) => {
      const { session, x, y } = await longChain(runtime)
      const controller = new AbortController()
      const first = session.run({ x }, { y })
      const waiting = session.run({ x }, { y }, { signal: controller.signal })
      controller.abort()
      await assert.rejects(waiting, { name: 'AbortError' })
      await first
      assert.equal(y.data[0], 1)
      await assert.rejects(session.run({ x }, { y }, { signal: controller.signal }), {
        name: 'AbortError',
      })
    },
  )

  property('a session that is being created can be aborted', async (runtime) => {
    const controller = new AbortController()
    const creation = runtime.createSession(chainModel(256, 300), {
      initializers: diagonal(256, 1),
      signal: controller.signal,
    })
    setImmediate(() => controller.abort())
    await assert.rejects(creation, { name: 'AbortError' })
  })

  property('dispose waits for runs that were started before', async (runtime) => {
    const { session, x, y } = await longChain(runtime)
    const binding = session.bind({ x }, { y })
    const runs = [session.run({ x }, { y }), binding.run(), session.run({ x }, { y })]
    assert.throws(() => binding.setInput('x', x), { code: 'CONFIG_RUNTIME_BUSY' })
    for (const used of [x, y, binding, session]) used.dispose()
    await assert.rejects(session.run({ x }, { y }), { code: 'CONFIG_RUNTIME_DISPOSED' })
    assert.throws(() => session.bind({}, {}), { code: 'CONFIG_RUNTIME_DISPOSED' })
    runtime.dispose()
    await Promise.all(runs)
    assert.equal(y.data[0], 1)
    assert.throws(() => runtime.tensor('float32', [1]), { code: 'CONFIG_RUNTIME_DISPOSED' })
    await assert.rejects(runtime.createSession(doubleModel()), { code: 'CONFIG_RUNTIME_DISPOSED' })
  })

  property('a tensor of another runtime is refused', async (runtime) => {
    const other = await create()
    const session = await runtime.createSession(doubleModel())
    const x = other.tensor('float32', [1])
    await assert.rejects(session.run({ x }, { y: x }), {
      code: 'CONFIG_RUNTIME_TENSOR',
      message: /another runtime/,
    })
    other.dispose()
  })

  property('timers run while a graph runs', async (runtime) => {
    const { session, x, y } = await longChain(runtime)
    let ticks = 0
    const ticking = setInterval(() => ticks++, 1)
    await session.run({ x }, { y })
    clearInterval(ticking)
    assert.ok(ticks > 2, `${ticks} ticks`)
  })
}

/** About 50 ms on two cores: long enough to be stopped in the middle. */
async function longChain(runtime: Runtime) {
  const size = 512
  const session: Session = await runtime.createSession(chainModel(size, 64), {
    initializers: diagonal(size, 1),
  })
  const x = runtime.tensor('float32', [size, size], new Float32Array(size * size).fill(1))
  const y = runtime.tensor('float32', [size, size])
  return { session, x, y }
}
