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

function heapsOf(before: string): number {
  const source = `${before}\n${THREADS}`
  const options = ['--input-type=module', '--eval', source]
  return Number(execFileSync(process.execPath, options, { encoding: 'utf8' }))
}

const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
const hasHeaps = header.glibcVersionRuntime !== undefined && existsSync('/proc/self/maps')

test('threads share heaps', { skip: !hasHeaps && 'no glibc' }, () => {
  const module = new URL('./malloc-node.js', import.meta.url).href
  const shared = heapsOf(`import { shareMallocHeaps } from '${module}'; shareMallocHeaps()`)
  const own = heapsOf('')
  assert.ok(shared < own / 2, `${shared} heaps instead of ${own}`)
})
