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

test('each phase is told with its parts', () => {
  const lines = memoryLines(judge(() => 1e8))
  assert.equal(lines.length, 9)
  assert.match(lines[2]!, /^warm-up +0–200 s +100 +12 +25$/)
  assert.match(lines[7]!, /^phase 5 +520–600 s +100 +12 +25$/)
  assert.match(lines[8]!, /0\.0 %$/)
})
