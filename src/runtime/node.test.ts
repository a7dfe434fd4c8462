import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { collectGarbage } from '../../test/collect-garbage.ts'
import { cpuFeatures, createRuntime, OrtError } from './node.ts'
import { chainModel, diagonal, doubleModel, runtimeCases } from './runtime.cases.ts'
import type { Binding, Runtime } from './runtime.ts'

runtimeCases(() => createRuntime())

async function withRuntime(body: (runtime: Runtime) => Promise<void>): Promise<void> {
  const runtime = await createRuntime()
  try {
    await body(runtime)
  } finally {
    await runtime.dispose()
  }
}

/** Collects, then writes over memory that was freed, so that a dangling address reads something else. */
function collectAndOverwrite(): void {
  for (let i = 0; i < 3; i++) collectGarbage()
  for (let i = 0; i < 2000; i++) new Float32Array(1000).fill(-1)
  collectGarbage()
}

test('thousands of wrapped arrays that only bindings know survive garbage collection', async () => {
  await withRuntime(async (runtime) => {
    const session = await runtime.createSession(doubleModel())
    const y = runtime.tensor('float32', [1000])
    const bindings: Binding[] = []
    // Nothing but the binding refers to `x` or its array once this returns. Small arrays live in V8's own heap.
    const bind = (i: number, length: number) => {
      const x = runtime.tensor('float32', [length], new Float32Array(length).fill(i))
      bindings.push(session.bind({ x }, { y: y.view([length]) }))
    }
    for (let i = 0; i < 3000; i++) bind(i, i % 3 === 0 ? 4 : 1000)
    collectAndOverwrite()
    for (const [i, binding] of bindings.entries()) {
      await binding.run()
      assert.equal(y.data[0], 2 * i)
      assert.equal(y.data[i % 3 === 0 ? 3 : 999], 2 * i)
    }
  })
})

test('arrays of a run in flight survive garbage collection', async () => {
  await withRuntime(async (runtime) => {
    const size = 512
    const session = await runtime.createSession(chainModel(size, 64), {
      initializers: diagonal(size, 1),
    })
    const start = () => {
      const x = runtime.tensor('float32', [size, size], new Float32Array(size * size).fill(5))
      const y = runtime.tensor('float32', [size, size])
      const data = y.data
      return session.run({ x }, { y }).then(() => data)
    }
    const running = [start(), start(), start()]
    await new Promise(setImmediate)
    collectAndOverwrite()
    for (const data of await Promise.all(running))
      assert.ok((data as Float32Array).every((v) => v === 5))
  })
})

test('forgotten tensors give their memory back', async () => {
  await withRuntime(async (runtime) => {
    const megabyte = 1 << 18
    const forget = () => void runtime.tensor('float32', [megabyte])
    for (let i = 0; i < 200; i++) forget()
    const arrayBytes = () => process.memoryUsage().arrayBuffers
    // Finalisers run some turns after a collection; which one is V8's choice.
    for (let turn = 0; turn < 50 && arrayBytes() > 20e6; turn++) {
      collectGarbage()
      await new Promise(setImmediate)
    }
    assert.ok(arrayBytes() < 20e6, `${arrayBytes()} bytes`)
  })
})

test('200 aborted runs leave memory flat', async () => {
  await withRuntime(async (runtime) => {
    const size = 256
    const session = await runtime.createSession(chainModel(size, 20), {
      initializers: diagonal(size, 1),
    })
    const x = runtime.tensor('float32', [size, size], new Float32Array(size * size).fill(1))
    const y = runtime.tensor('float32', [size, size])
    const binding = session.bind({ x }, { y })
    const abortRuns = async (count: number) => {
      for (let i = 0; i < count; i++) {
        const controller = new AbortController()
        const { signal } = controller
        const running =
          i % 2 === 0 ? session.run({ x }, { y }, { signal }) : binding.run({ signal })
        setImmediate(() => controller.abort())
        await assert.rejects(running, { name: 'AbortError' })
      }
      collectGarbage()
      return process.memoryUsage().rss
    }
    const before = await abortRuns(100)
    const after = await abortRuns(200)
    // A lost arena block or run would be 256 KiB each: 50 MiB in all. The rest is V8's heap.
    assert.ok(after - before < 8 * 2 ** 20, `grew by ${after - before} bytes`)
    await session.run({ x }, { y })
    assert.equal(y.data[0], 1)
  })
})

test("ONNX Runtime's own failure keeps its code and words", async () => {
  await withRuntime(async (runtime) => {
    const creation = runtime.createSession(doubleModel('bfloat16'))
    await assert.rejects(creation, (error: unknown) => {
      assert.ok(error instanceof OrtError)
      assert.equal(error.ortCode, 9)
      assert.match(error.message, /^internal: ONNX Runtime's .* \(NOT_IMPLEMENTED\): .*Add/)
      return true
    })
  })
})

test('runtimes alive at once share one pool and must agree on it', async () => {
  const first = await createRuntime({ threads: 1 })
  const second = await createRuntime({ threads: 1 })
  await assert.rejects(createRuntime({ threads: 2 }), {
    code: 'CONFIG_RUNTIME_SHARED',
    message: /threads 1, 2 came/,
  })
  first.dispose()
  await assert.rejects(createRuntime({ threads: 1, spinning: false }), { message: /spinning/ })
  second.dispose()
  const third = await createRuntime({ threads: 2, spinning: false })
  assert.equal(third.threads, 2)
  third.dispose()
})

test('unknown options, devices and thread counts are refused', async () => {
  const wrong = [
    { thread: 2 },
    { device: 'cuda' },
    { threads: 0 },
    { threads: 1.5 },
    { logSeverity: 'loud' },
  ]
  for (const options of wrong) {
    await assert.rejects(createRuntime(options as never), { code: 'CONFIG_RUNTIME_OPTION' })
  }
})

test('the processor is described', async () => {
  const { cores, model } = cpuFeatures()
  assert.ok(cores >= 1 && model.length > 0)
  await withRuntime(async (runtime) => {
    assert.equal(runtime.threads, cores)
    assert.match(runtime.version, /^onnxruntime 1\.30\./)
  })
})

test('the folder for the placeholder goes with the runtime', async () => {
  const temporaryFolder = mkdtempSync(join(tmpdir(), 'llava-ts-test-'))
  const runtime = await createRuntime({ temporaryFolder })
  assert.deepEqual(readdirSync(temporaryFolder), [])
  const options = { initializers: diagonal(4, 1) }
  const session = await runtime.createSession(chainModel(4, 1), options)
  assert.equal(readdirSync(temporaryFolder).length, 1)
  // A cleaner of temporary files must not stop a long-lived server.
  rmSync(join(temporaryFolder, readdirSync(temporaryFolder)[0]!), { recursive: true })
  await runtime.createSession(chainModel(4, 1), options)
  session.dispose()
  await runtime.dispose()
  assert.deepEqual(readdirSync(temporaryFolder), [])
  rmSync(temporaryFolder, { recursive: true })
})

test('a process that just ends leaves no folder and a quiet stderr', () => {
  const temporaryFolder = mkdtempSync(join(tmpdir(), 'llava-ts-test-'))
  const script = `
    const { createRuntime } = await import(${JSON.stringify(new URL('./node.js', import.meta.url))})
    const { chainModel, diagonal } = await import(${JSON.stringify(new URL('./runtime.cases.js', import.meta.url))})
    const runtime = await createRuntime({ temporaryFolder: ${JSON.stringify(temporaryFolder)} })
    const session = await runtime.createSession(chainModel(256, 100), { initializers: diagonal(256, 1) })
    const x = runtime.tensor('float32', [256, 256])
    const controller = new AbortController()
    const aborted = session.run({ x }, { y: x }, { signal: controller.signal })
    setImmediate(() => controller.abort())
    await aborted.catch((error) => console.log(error.name))
    session.run({ x }, { y: x })
    setImmediate(() => process.exit(3))
  `
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    // What ONNX Runtime itself would leave lies there too.
    env: { ...process.env, TMPDIR: temporaryFolder, TMP: temporaryFolder },
  })
  assert.deepEqual([child.stdout, child.stderr, child.status], ['AbortError\n', '', 3])
  assert.deepEqual(readdirSync(temporaryFolder), [])
  rmSync(temporaryFolder, { recursive: true })
})

test('a dozen runtimes at once are no leak to Node, and leave nothing behind', () => {
  const folder = mkdtempSync(join(tmpdir(), 'llava-dozen-'))
  const module = (name: string) => JSON.stringify(new URL(name, import.meta.url).href)
  const code = `
    import { createRuntime } from ${module('./node.js')}
    import { diagonal, chainModel } from ${module('./runtime.cases.js')}
    const runtimes = await Promise.all(Array.from({ length: 12 }, () => createRuntime({ threads: 1 })))
    for (const runtime of runtimes) {
      await runtime.createSession(chainModel(4, 1), { initializers: diagonal(4, 1) })
    }
    await runtimes[0].dispose()
    process.exit(0)
  `
  try {
    const env = { ...process.env, TMPDIR: folder, TEMP: folder, TMP: folder }
    const args = ['--input-type=module', '-e', code]
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env })
    assert.deepEqual([status, stderr], [0, ''])
    assert.deepEqual(readdirSync(folder), [])
  } finally {
    rmSync(folder, { recursive: true })
  }
})
