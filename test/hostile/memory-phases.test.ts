import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeMemory, memoryLines, warmUpOf, type MemorySample } from './memory-phases.ts'

/** One sample a second, of what `bytes` says. */
function samples(seconds: number, bytes: (at: number) => number): MemorySample[] {
  return Array.from({ length: seconds }, (_, at) => ({
    at,
    bytes: bytes(at),
    threads: 12,
    parts: { heapUsed: bytes(at) / 4 },
  }))
}

const judge = (bytes: (at: number) => number, seconds = 600) =>
  judgeMemory(samples(seconds, bytes), seconds)

test('what grows while caches fill counts for nothing, what grows after that does', () => {
  assert.equal(warmUpOf(600), 200)
  assert.equal(warmUpOf(1800), 600)
  const filling = judge((at) => 1e8 + 1e6 * Math.min(at, 200))
  assert.deepEqual([filling.isFlat, filling.growth], [true, 0])
  const leaking = judge((at) => 1e8 + 1e5 * at)
  assert.equal(leaking.isFlat, false)
  assert.ok(leaking.growth! > 0.2)
})

test('single large bodies are no growth, and a run that is too short says nothing', () => {
  assert.equal(judge((at) => (at % 7 === 0 ? 3e8 : 1e8)).growth, 0)
  assert.equal(judge((at) => 1e8 * (at + 1), 30).growth, null)
})

test('garbage that lies longer is told apart from what is kept', () => {
  const lows = (kept: (at: number) => number) =>
    judge((at) => kept(at) + (at % 10) * 1e5 * at).phases.map(({ lowest }) => lowest)
  const garbage = lows(() => 1e8)
  assert.ok(garbage.every(({ bytes, parts }) => bytes === 1e8 && parts['heapUsed'] === 1e8 / 4))
  const leak = lows((at) => 1e8 + 1e5 * at)
  assert.ok(leak[5]!.parts['heapUsed']! > 1.2 * leak[1]!.parts['heapUsed']!)
})

test('each phase is told with its parts', () => {
  const lines = memoryLines(judge(() => 1e8))
  assert.equal(lines.length, 15)
  assert.match(lines[2]!, /^warm-up +0–200 s +100 +12 +25$/)
  assert.match(lines[7]!, /^phase 5 +520–600 s +100 +12 +25$/)
  assert.match(lines[13]!, /^phase 5, lowest +100 +25$/)
  assert.match(lines[14]!, /0\.0 %$/)
  assert.equal(lines[13]!.length, lines[7]!.length)
})
