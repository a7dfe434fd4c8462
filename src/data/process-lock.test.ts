import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { takeLock } from './process-lock.ts'

const ROUNDS = 100
const ENDED = '2147483646'

/** Takes lock after lock, each in the same moment as the other thread. */
const CONTENDER = `
const { workerData, parentPort } = require('node:worker_threads')
import(workerData.room).then(({ takeLock }) => {
  const here = new Int32Array(workerData.memory)
  const taken = []
  for (let round = 0; round < workerData.rounds; round++) {
    Atomics.add(here, 0, 1)
    while (Atomics.load(here, 0) < 2 * (round + 1));
    if (takeLock(workerData.folder + '/' + round) === null) taken.push(round)
  }
  parentPort.postMessage(taken)
})`

// Two who began at once both had most locks that ended processes had left, and one in eight where there were none.
test('of two that take a lock at once one has it, also where an ended process left it', async () => {
  for (const isLeft of [false, true]) {
    const folder = mkdtempSync(join(tmpdir(), 'llava-locks-'))
    for (let round = 0; isLeft && round < ROUNDS; round++)
      writeFileSync(join(folder, String(round)), ENDED)
    const workerData = {
      room: new URL('./process-lock.js', import.meta.url).href,
      memory: new SharedArrayBuffer(4),
      rounds: ROUNDS,
      folder,
    }
    const taken = await Promise.all(
      [1, 2].map(
        () =>
          new Promise<number[]>((done, failed) => {
            const worker = new Worker(CONTENDER, { eval: true, workerData })
            worker.on('message', done).on('error', failed)
          }),
      ),
    )
    const all = taken.flat().sort((a, b) => a - b)
    assert.deepEqual(all, [...Array(ROUNDS).keys()])
    assert.equal(readdirSync(folder).length, ROUNDS)
    rmSync(folder, { recursive: true })
  }
})

test('a lock that holds no owner is nobody’s', () => {
  const folder = mkdtempSync(join(tmpdir(), 'llava-locks-'))
  for (const text of ['', 'nobody', ENDED]) {
    const path = join(folder, 'lock')
    writeFileSync(path, text)
    assert.equal(takeLock(path), null)
    assert.equal(takeLock(path), process.pid)
  }
  rmSync(folder, { recursive: true })
})
