/** What engines at work tell of themselves. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { ErrorCount, parseErrorLimit } from './error-limit.ts'
import type { LabelEngine } from './label-engine.ts'
import type { LabelEvent } from './label-events.ts'
import { openLibsql } from './libsql-database-node.ts'
import { runEngines } from './run-engines.ts'
import { Silence } from './silence.ts'
import { openQueue } from './sql-queue.ts'

test('an engine that takes a question and says nothing is told of while it is waited for', async () => {
  const root = mkdtempSync(join(tmpdir(), 'llava-engines-'))
  const database = await openLibsql(join(root, 'queue'))
  const owner = 'here:1:1'
  const options = { run: 'r', recipe: { models: ['m'] }, overwrite: false, leaseMs: 60_000, owner }
  const queue = await openQueue(database, { ...options, isAlive: () => true })
  const source = { input: 0, kind: 'files', media: [] } as const
  await queue.add([{ place: 'a', id: 'a', size: 1, prefix: '', source }])
  await queue.endListing(0)
  const told = waiting<LabelEvent>()
  const engine: LabelEngine = {
    model: 'm',
    place: 'http://far',
    atOnce: 1,
    answer: async () => ({ text: (await told.promise).type, finishReason: 'stop' }),
  }
  const tallies = await runEngines({
    queue,
    engines: [engine],
    prompts: ['what?'],
    system: undefined,
    options: {},
    read: async () => [],
    errors: new ErrorCount(parseErrorLimit(0)),
    attempts: 1,
    silenceMs: 8,
    signal: new AbortController().signal,
    onEvent: told.resolve,
    onDone: () => {},
    sleep: (ms) => wait(ms),
  })
  assert.deepEqual(tallies, [{ engine: 'http://far', model: 'm', items: 1 }])
  const event = await told.promise
  assert.deepEqual(event, { type: 'engine-silent', engine: 'http://far', seconds: 0, questions: 1 })
  await queue.close()
  rmSync(root, { recursive: true })
})

test('silence is told of less and less often, and is over with a word', async () => {
  let now = 0
  const silence = new Silence(60_000, () => now)
  const answers = [waiting<void>(), waiting<void>()]
  const asked = answers.map(({ promise }) => silence.during(promise))
  const tellings: number[] = []
  for (now = 0; now <= 300_000; now += 15_000) if (silence.toTell()) tellings.push(now / 1000)
  assert.deepEqual(tellings, [60, 120, 240])
  answers[0]!.resolve()
  await asked[0]
  assert.equal(silence.toTell(), null)
  now += 60_000
  assert.deepEqual(silence.toTell(), { seconds: 60, questions: 1 })
  answers[1]!.resolve()
  await asked[1]
  now += 600_000
  assert.equal(silence.toTell(), null)
})

function waiting<T>() {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((done) => (resolve = done))
  return { promise, resolve: (value: T) => resolve(value) }
}
