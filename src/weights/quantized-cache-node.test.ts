import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { CheckpointError } from '../core/errors.ts'
import { Rng } from '../core/rng.ts'
import { QUANTIZED_KINDS, type QuantizedKind } from './quantize.ts'
import { quantizeInt8 } from './quantize-int8.ts'
import { cacheFileName, cacheTensors, QUANTIZED_VERSION } from './quantized-cache.ts'
import {
  openQuantized,
  type OpenQuantizedOptions,
  type QuantizeEvent,
} from './quantized-cache-node.ts'
import type { QuantizeItem } from './quantizer.ts'
import type { WeightSource } from './source.ts'

const root = await mkdtemp(join(tmpdir(), 'llava-quantized-'))
after(() => rm(root, { recursive: true, force: true }))

let folders = 0
async function newFolder(): Promise<string> {
  const folder = join(root, String(folders++))
  await mkdir(folder)
  return folder
}

function randomItem(
  name: string,
  kind: QuantizedKind,
  rows: number,
  columns: number,
  seed = 1,
): QuantizeItem & { weight: Float32Array } {
  const rng = new Rng(seed)
  const weight = Float32Array.from({ length: rows * columns }, () => rng.normal())
  return {
    name,
    kind,
    shape: [rows, columns],
    weight,
    read: (from, to) => weight.subarray(from * columns, to * columns),
  }
}

function smallPlan(seed = 1): QuantizeItem[] {
  return QUANTIZED_KINDS.map((kind, i) =>
    randomItem(`layers.${i}.${kind}`, kind, 70 + i, 33 + 32 * i, seed + i),
  )
}

async function open(
  options: OpenQuantizedOptions,
): Promise<{ source: WeightSource; events: QuantizeEvent[] }> {
  const events: QuantizeEvent[] = []
  const source = await openQuantized({
    workers: 0,
    ...options,
    onProgress: (event) => events.push(event),
  })
  return { source, events }
}

function contents(source: WeightSource): [string, unknown][] {
  return [...source.tensors.keys()].sort().map((name) => {
    const { dtype, shape, data } = source.read(name)
    return [name, { dtype, shape, data: [...(data as Uint8Array)] }]
  })
}

const kinds = (events: QuantizeEvent[]) => events.map(({ type }) => type)

test('the first use makes one file, the second maps it, and both hold what memory would', async () => {
  const folder = await newFolder()
  const options = { plan: smallPlan(), key: 'k', folders: [join(folder, 'cache')] }
  const first = await open(options)
  assert.deepEqual(kinds(first.events), [...options.plan.map(() => 'quantize'), 'ready'])
  assert.deepEqual(await readdir(join(folder, 'cache')), [cacheFileName(options.plan)])
  const second = await open({
    ...options,
    plan: options.plan.map((item) => ({ ...item, read: () => assert.fail('read again') })),
  })
  assert.deepEqual(kinds(second.events), ['ready'])
  const memory = await open({ ...options, folders: [], keep: 'memory' })
  assert.deepEqual(
    [...first.source.tensors.keys()].sort(),
    cacheTensors(options.plan)
      .map(({ name }) => name)
      .sort(),
  )
  assert.deepEqual(contents(second.source), contents(first.source))
  assert.deepEqual(contents(memory.source), contents(first.source))
  for (const { source } of [first, second, memory]) {
    source.close()
    assert.throws(() => source.read('layers.0.int8.int8'), CheckpointError)
  }
})

test('workers give the bytes that this thread gives, for large and small weights at once', async () => {
  const plan = [
    randomItem('wide', 'int8', 700, 3000),
    randomItem('small', 'q4', 5, 40),
    randomItem('tall', 'q4b128', 9000, 256),
    randomItem('other', 'q8', 300, 100),
  ]
  const folder = await newFolder()
  const inline = await open({ plan, key: 'k', folders: [], keep: 'memory' })
  const workers = await open({ plan, key: 'k', folders: [folder], workers: 2 })
  assert.deepEqual(contents(workers.source), contents(inline.source))
  const { data, scale } = quantizeInt8(plan[0]!.weight, { rows: 700, columns: 3000 })
  assert.deepEqual(workers.source.read('wide.int8').data, data)
  assert.deepEqual(workers.source.read('wide.scale').data, scale)
  workers.source.close()
})

test('progress counts weights up to the total', async () => {
  const { events } = await open({ plan: smallPlan(), key: 'k', folders: [], keep: 'memory' })
  const done = events.flatMap((event) => (event.type === 'quantize' ? [event] : []))
  assert.deepEqual(
    done.map(({ done }) => done),
    done.map(({ done }) => done).toSorted((a, b) => a - b),
  )
  assert.equal(done.at(-1)!.done, done.at(-1)!.total)
})

test('a cache of other weights, other precisions or another version is made again, and it is said why', async () => {
  const folder = await newFolder()
  const options = { plan: smallPlan(), key: 'k', folders: [folder] }
  ;(await open(options)).source.close()
  const changed = await open({ ...options, plan: smallPlan(50), key: 'other' })
  assert.match(JSON.stringify(changed.events[0]), /"stale".*the checkpoint has changed/)
  assert.deepEqual(
    contents(changed.source),
    contents((await open({ plan: smallPlan(50), key: '', folders: [], keep: 'memory' })).source),
  )
  const file = join(folder, cacheFileName(options.plan))
  const bytes = await readFile(file, 'latin1')
  await writeFile(
    file,
    bytes.replace(`"version":"${QUANTIZED_VERSION}"`, '"version":"0"'),
    'latin1',
  )
  assert.match(
    JSON.stringify((await open({ ...options, key: 'other' })).events[0]),
    /"stale".*of version 0/,
  )
  await writeFile(file, bytes.replace('layers.0', 'layers.9'), 'latin1')
  assert.match(
    JSON.stringify((await open({ ...options, key: 'other' })).events[0]),
    /"stale".*other precisions/,
  )
  assert.deepEqual(await readdir(folder), [cacheFileName(options.plan)])
})

test('caches of one folder with other adapters lie side by side; each is replaced by its own', async () => {
  const folder = await newFolder()
  const events = async (origin: string, key: string) => {
    const opened = await open({ plan: smallPlan(), key, origin, folders: [folder] })
    opened.source.close()
    return kinds(opened.events).filter((type) => type !== 'quantize')
  }
  for (const origin of ['', 'a', 'b', 'a', 'b', '']) {
    assert.deepEqual(await events(origin, `key ${origin}`), ['ready'])
  }
  assert.deepEqual(await events('a', 'changed'), ['stale', 'ready'])
  assert.equal((await readdir(folder)).length, 3)
})

test('a truncated or overwritten cache is made again', async () => {
  const folder = await newFolder()
  const options = { plan: smallPlan(), key: 'k', folders: [folder] }
  const whole = await open(options)
  const expected = contents(whole.source)
  whole.source.close()
  const file = join(folder, cacheFileName(options.plan))
  const size = (await stat(file)).size
  for (const length of [size - 1, 100, 5, 0]) {
    await truncate(file, length)
    const { source, events } = await open(options)
    assert.equal(events[0]!.type, 'stale')
    assert.deepEqual(contents(source), expected)
    source.close()
    assert.equal((await stat(file)).size, size)
  }
  await writeFile(file, 'not a cache')
  assert.equal((await open(options)).events[0]!.type, 'stale')
})

test('plans of other precisions have files of their own', () => {
  const names = QUANTIZED_KINDS.map((kind) => cacheFileName([randomItem('w', kind, 4, 32)]))
  assert.equal(new Set(names).size, names.length)
  assert.notEqual(
    cacheFileName([randomItem('w', 'q4', 4, 32)]),
    cacheFileName([randomItem('v', 'q4', 4, 32)]),
  )
})

test('weights that are not finite are refused by name and leave no file, with workers and without', async () => {
  for (const workers of [0, 2]) {
    const folder = await newFolder()
    const bad = randomItem('decoder.layers.7.mlp.up', 'int8', 3000, 500)
    bad.weight[2500 * 500 + 3] = NaN
    const plan = [randomItem('good', 'q4', 64, 64), bad, randomItem('after', 'q8', 64, 64)]
    await assert.rejects(openQuantized({ plan, key: 'k', folders: [folder], workers }), (error) => {
      assert.ok(error instanceof CheckpointError)
      assert.equal(error.code, 'CHECKPOINT_NOT_FINITE')
      assert.match(error.message, /decoder\.layers\.7\.mlp\.up has NaN at \[2500, 3\]/)
      return true
    })
    assert.deepEqual(await readdir(folder), [])
  }
})

test('an abort at any moment rejects with its reason and leaves no file', async () => {
  for (const workers of [0, 1]) {
    for (const after of [0, 1, 3]) {
      const folder = await newFolder()
      const controller = new AbortController()
      let seen = 0
      const plan = smallPlan().map((item) => ({
        ...item,
        read(from: number, to: number) {
          if (seen++ === after) controller.abort(new Error('stop'))
          return item.read(from, to)
        },
      }))
      await assert.rejects(
        openQuantized({ plan, key: 'k', folders: [folder], workers, signal: controller.signal }),
        /stop/,
      )
      assert.deepEqual(await readdir(folder), [])
    }
  }
})

test('a folder that cannot be made passes the turn to the next one, and to memory if that is allowed', async () => {
  const folder = await newFolder()
  const blocked = join(folder, 'file')
  await writeFile(blocked, '')
  const options = {
    plan: smallPlan(),
    key: 'k',
    folders: [join(blocked, 'cache'), join(folder, 'second')],
  }
  const { events, source } = await open(options)
  assert.equal(events[0]!.type, 'unwritable')
  assert.deepEqual(events.at(-1), {
    type: 'ready',
    file: join(folder, 'second', cacheFileName(options.plan)),
    isNew: true,
  })
  source.close()
  const only = { ...options, folders: [join(blocked, 'cache')] }
  await assert.rejects(openQuantized({ ...only, workers: 0 }), { code: 'CHECKPOINT_UNWRITABLE' })
  await assert.rejects(openQuantized({ ...only, folders: [], workers: 0 }), {
    code: 'CHECKPOINT_UNWRITABLE',
  })
  const memory = await open({ ...only, keep: 'file-or-memory' })
  assert.deepEqual(memory.events.at(-1), { type: 'ready', file: undefined, isNew: true })
})

test(
  'a full disk is an error that says so, leaves nothing, and memory still works',
  { skip: process.platform === 'win32' },
  async () => {
    const folder = await newFolder()
    const script = `
    const { openQuantized } = await import(${JSON.stringify(moduleUrl())})
    const weight = new Float32Array(512 * 1024).fill(1)
    const plan = [{ name: 'w', kind: 'int8', shape: [512, 1024], read: (from, to) => weight.subarray(from * 1024, to * 1024) }]
    const options = { plan, key: 'k', folders: [${JSON.stringify(folder)}], workers: 0 }
    const error = await openQuantized(options).catch((error) => error)
    const memory = await openQuantized({ ...options, keep: 'file-or-memory' })
    console.log(JSON.stringify({ code: error.code, message: error.message, read: memory.read('w.int8').data[0] }))`
    // A limit on the size of files stands for a disk that runs full while the cache is written (units of 512 or 1024 bytes).
    const { code, message, read } = JSON.parse(await runNode(script, 'ulimit -f 100;'))
    assert.equal(code, 'CHECKPOINT_DISK_FULL')
    assert.match(message, /the disk or its quota is full/)
    assert.equal(read, 127)
    assert.deepEqual(await readdir(folder), [])
  },
)

test('a cache larger than what is free is refused before anything is quantised', async () => {
  const folder = await newFolder()
  const shape = [1 << 26, 1 << 26] as const
  const plan = [{ name: 'w', kind: 'int8' as const, shape, read: () => assert.fail('read') }]
  await assert.rejects(openQuantized({ plan, key: 'k', folders: [folder], workers: 0 }), {
    code: 'CHECKPOINT_DISK_FULL',
    message: /needs \d+ bytes .* are free/,
  })
})

test('two processes making the same cache both succeed and leave one file', async () => {
  const folder = await newFolder()
  const script = `
    const { openQuantized } = await import(${JSON.stringify(moduleUrl())})
    const weight = Float32Array.from({ length: 512 * 1024 }, (_, i) => Math.sin(i))
    const read = (from, to) => weight.subarray(from * 1024, to * 1024)
    const plan = ['a', 'b'].map((name) => ({ name, kind: 'q4', shape: [512, 1024], read }))
    const source = await openQuantized({ plan, key: 'k', folders: [${JSON.stringify(folder)}], workers: 1 })
    console.log(source.read('b.q4').data.reduce((sum, byte) => sum + byte, 0))`
  const [first, second] = await Promise.all([runNode(script), runNode(script)])
  assert.equal(first, second)
  assert.equal((await readdir(folder)).length, 1)
})

test('what a killed process left of the same cache is removed once it is old, when the cache is made or found', async () => {
  const folder = await newFolder()
  const plan = smallPlan()
  const [old, fresh] = ['old', 'fresh'].map((name) => `${cacheFileName(plan)}.${name}.tmp`) as [
    string,
    string,
  ]
  for (const _ of ['made', 'found']) {
    for (const name of [old, fresh]) await writeFile(join(folder, name), '')
    await utimes(join(folder, old), 1, 1)
    ;(await open({ plan, key: 'k', folders: [folder] })).source.close()
    assert.deepEqual(await readdir(folder), [cacheFileName(plan), fresh].sort())
  }
})

function moduleUrl(): string {
  return new URL('./quantized-cache-node.js', import.meta.url).href
}

function runNode(script: string, prelude = ''): Promise<string> {
  const command = `${prelude} exec "$0" --input-type=module -e "$1"`
  const child = spawn('sh', ['-c', command, process.execPath, script], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
  })
  let output = ''
  child.stdout.on('data', (data) => (output += data))
  child.stderr.on('data', (data) => (output += data))
  return new Promise((resolve, reject) => {
    child.on('close', (status) =>
      status === 0 ? resolve(output.trim()) : reject(new Error(output)),
    )
  })
}
