import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { test } from 'node:test'

/** Threads that all have memory at the same time, and then: in how many heaps of 64 MiB the process's memory lies. */
const THREADS = `
import { readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
const source = "require('node:worker_threads').parentPort.postMessage(0); setInterval(() => {}, 1000)"
const workers = Array.from({ length: 12 }, () => new Worker(source, { eval: true, execArgv: [] }))
await Promise.all(workers.map((one) => new Promise((resolve) => one.once('message', resolve))))
const HEAP = 64n << 20n
const heaps = new Set()
for (const line of readFileSync('/proc/self/maps', 'utf8').split('\\n')) {
  const [, from] = /^([0-9a-f]+)-[0-9a-f]+ rw-p 00000000 00:00 0 *$/.exec(line) ?? []
  if (from !== undefined && BigInt('0x' + from) % HEAP === 0n) heaps.add(from)
}
console.log(heaps.size)
process.exit(0)`

/** Thirty large blocks with small ones between them that stay, and then: how many MB of anonymous memory there are. */
const BLOCKS = `
import { readFileSync } from 'node:fs'
const collect = async () => {
  for (let i = 0; i < 3; i++) {
    globalThis.gc()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
// The first that is given back tells malloc that blocks of this size come again.
Buffer.alloc(8 << 20, 1)
await collect()
const small = []
let large = []
for (let i = 0; i < 30; i++) {
  large.push(Buffer.alloc(4 << 20, 1))
  small.push(Buffer.alloc(64 << 10, 1))
}
large = []
await collect()
const [, kB] = /RssAnon:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))
console.log(Math.round(kB / 1024), small.length)
process.exit(0)`

function numberOf(before: string, source: string): number {
  const options = ['--expose-gc', '--input-type=module', '--eval', `${before}\n${source}`]
  return Number.parseInt(execFileSync(process.execPath, options, { encoding: 'utf8' }), 10)
}

const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
const hasHeaps = header.glibcVersionRuntime !== undefined && existsSync('/proc/self/maps')

const skip = !hasHeaps && 'no glibc'
const MODULE = new URL('./malloc-node.js', import.meta.url).href

/** The number after a call of the module, and without. */
function withAndWithout(name: 'shareMallocHeaps' | 'returnLargeBlocks', source: string) {
  const call = `import { ${name} } from '${MODULE}'; ${name}()`
  return [numberOf(call, source), numberOf('', source)] as const
}

test('threads share heaps', { skip }, () => {
  const [shared, own] = withAndWithout('shareMallocHeaps', THREADS)
  // Twelve threads; Node.js has had some of its own before.
  assert.ok(shared <= own - 6, `${shared} heaps instead of ${own}`)
})

test('large blocks go back to the system, whatever lies behind them', { skip }, () => {
  const [given, kept] = withAndWithout('returnLargeBlocks', BLOCKS)
  assert.ok(given < kept / 2, `${given} MB instead of ${kept}`)
})
