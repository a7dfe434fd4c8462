/**
 * `llava label` as a user runs it: killed again and again, shared by processes, interrupted, by a model here and servers.
 *
 * LLAVA_KILLS and LLAVA_ITEMS say how often a run over how many items is killed; ten times over 2,000 is `npm run
 * test:label-crash`.
 */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { after, before, describe, test } from 'node:test'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { Rng } from '../../src/core/rng.ts'
import { loadModel, type Model } from '../../src/index.ts'
import { label as labelHere } from '../../src/label/index.ts'
import { openLibsql } from '../../src/label/libsql-database-node.ts'
import { writeTinyCheckpoint } from '../tiny/checkpoint.ts'
import { LLAVA_CLIP } from '../tiny/checkpoints.ts'
import { llava, program } from './run-cli.ts'
import { startServer } from './serve-setup.ts'
import { rounds } from '../thorough.ts'

const KILLS = Number(process.env['LLAVA_KILLS'] ?? rounds(2, 6))
const ITEMS = Number(process.env['LLAVA_ITEMS'] ?? 100)
const root = mkdtempSync(join(tmpdir(), 'llava-label-e2e-'))
const PHOTOS = join(root, 'photos')
const MODEL = join(root, 'tiny')
after(() => rmSync(root, { recursive: true }))

/** A picture of its own for each number, in folders of a hundred; every fiftieth is broken. */
function writePhotos(): void {
  for (let i = 0; i < ITEMS; i++) {
    const folder = join(PHOTOS, String(Math.floor(i / 100)))
    mkdirSync(folder, { recursive: true })
    const side = 8 + (i % 5)
    const pixels = Uint8Array.from({ length: 3 * side * side }, (_, k) => (k * (i + 3)) % 251)
    const whole = Buffer.concat([Buffer.from(`P6 ${side} ${side} 255\n`), pixels])
    writeFileSync(join(folder, `${i}.ppm`), i % 50 === 7 ? whole.subarray(0, 60) : whole)
  }
}

const ASKED = ['-p', 'What is it?', '-p', 'Why is it so?', '--max-tokens', '4', '--json']
const HERE = ['--model', MODEL, '--precision', 'f32', '--threads', '1']
const label = (out: string, more: readonly string[] = []) => {
  const args = ['label', PHOTOS, '--out', join(root, out)]
  return args.concat(HERE, ASKED, more)
}
type Report = { items: number; failed: number; engines: { items: number }[]; rows: number }
type Row = {
  item_id: string
  prompt_id: string
  text: string
  usage: object
  error: { code: string } | null
}

before(async () => {
  writePhotos()
  await writeTinyCheckpoint(MODEL, LLAVA_CLIP)
  const ran = await llava(label('whole.jsonl'))
  assert.equal(ran.code, 0, ran.stderr)
  const report = JSON.parse(ran.stdout) as Report
  assert.deepEqual([report.items, report.failed, report.rows], [ITEMS, ITEMS / 50, 2 * ITEMS])
})
const read = (name: string) => readFileSync(join(root, name), 'utf8')
const rowsOf = (name: string) =>
  read(name)
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Row)

test('each picture has both answers, by its path, and the broken ones say why', () => {
  const rows = rowsOf('whole.jsonl')
  const ids = rows.map(({ item_id }) => item_id)
  assert.deepEqual(ids, [...ids].sort())
  assert.equal(new Set(ids).size, ITEMS)
  const broken = rows.filter(({ error }) => error !== null)
  assert.equal(broken.length, ITEMS / 25)
  assert.ok(broken.every(({ item_id }) => Number(/(\d+)\.ppm/.exec(item_id)![1]) % 50 === 7))
  // Pictures repeat after some hundreds.
  const least = Math.min(ITEMS, 100) / 4
  assert.ok(new Set(rows.map(({ text }) => text)).size > least, 'answers differ')
})

test('a run keeps nothing secret of its machine, and goes on under another home', async () => {
  const photos = join(root, 'few')
  mkdirSync(photos)
  writeFileSync(join(photos, 'a.ppm'), Buffer.from('P6 1 1 255\n   '))
  const args = ['label', photos, '--out', join(root, 'few.jsonl'), ...HERE, ...ASKED]
  const first = await program(args, { env: { HF_TOKEN: 'hf_verysecret' } })
  assert.equal(first.code, 0, first.stderr)
  assert.ok(!readFileSync(join(root, 'few.jsonl.queue'), 'latin1').includes('hf_verysecret'))
  const again = await program([...args, '--resume'], { env: { HOME: root } })
  assert.equal(again.code, 0, again.stderr)
  const other = await llava([...args, '--resume', '--kv-cache', 'int8'])
  assert.match(other.stderr, /begun with another kvCache/)
})

test(`killed ${KILLS} times at random and interrupted, a run ends as if it had not been`, async () => {
  const rng = new Rng(Date.now() % 2 ** 31)
  const moments = Array.from({ length: KILLS - 1 }, () => Math.floor(rng.uniform() * ITEMS * 0.6))
  for (const atLeast of [-1, ...moments.sort((a, b) => a - b)]) {
    // One at a time: what is left takes longer than the kill.
    const ran = await program(label('killed.jsonl', ['--batch', '1']), {
      onStart: (child) => {
        // The first may come before there is a queue, or while the folder is listed.
        const moment = atLeast < 0 ? wait(rng.uniform() * 600) : untilDone(child, atLeast)
        void moment.then(() => wait(rng.uniform() * 20)).then(() => child.kill('SIGKILL'))
      },
    })
    assert.notEqual(ran.code, 0, 'the run was killed before its end')
    assert.ok(!existsSync(join(root, 'killed.jsonl')))
  }
  const stopped = await program(label('killed.jsonl', ['--batch', '1']), {
    onStart: (child) => {
      void untilDone(child, Math.floor(ITEMS * 0.7)).then(() => child.kill('SIGINT'))
    },
  })
  assert.equal(stopped.code, 130, stopped.stderr)
  assert.match(stopped.stderr, /the same command goes on/)
  assert.deepEqual(leftOvers('killed'), ['killed.jsonl.queue'])
  const ran = await llava(label('killed.jsonl'))
  assert.equal(ran.code, 0, ran.stderr)
  assert.equal(read('killed.jsonl'), read('whole.jsonl'))
  assert.deepEqual(leftOvers('killed'), ['killed.jsonl', 'killed.jsonl.queue'])
})

async function untilDone(child: ChildProcess, items: number): Promise<void> {
  while (child.exitCode === null && (await doneIn('killed.jsonl.queue')) <= items) await wait(5)
}

/** Items that are done in a queue that somebody else writes. */
async function doneIn(name: string): Promise<number> {
  if (!existsSync(join(root, name))) return -1
  const database = await openLibsql(join(root, name))
  try {
    const { rows } = await database.run({
      sql: 'SELECT COUNT(*) AS count FROM llava_items WHERE state IN (2, 3)',
      args: [],
    })
    return Number(rows[0]!['count'])
  } catch {
    return -1 // There are no tables yet.
  } finally {
    await database.close()
  }
}

/** Without what SQLite has beside its file while somebody reads it, as these tests do. */
const leftOvers = (name: string) =>
  readdirSync(root)
    .filter((one) => one.startsWith(name) && !/-(?:wal|shm)$/.test(one))
    .sort()

test('options of engines that are not there are refused before anything is asked', async () => {
  const asked = ['label', PHOTOS, '--out', join(root, 'no.jsonl'), ...ASKED]
  const alone = ['--engine', 'http://127.0.0.1:9', '--precision', 'f32', '--allow-remote']
  const servers = await llava(asked.concat(alone, '--frames', '4'))
  assert.equal(servers.code, 2)
  assert.match(servers.stderr, /--precision, --allow-remote would do nothing with --engine alone/)
  const here = await llava(asked.concat(HERE, '--engine-model', 'x', '--engine-attempts', '3'))
  assert.equal(here.code, 2)
  assert.match(here.stderr, /--engine-model, --engine-attempts would do nothing without --engine/)
})

test('options that cannot be are refused by their names, without password and key', async () => {
  const asked = ['label', PHOTOS, '--out', join(root, 'no.jsonl'), ...ASKED]
  const wrong: [readonly string[], RegExp, Record<string, string>?][] = [
    [['--engine', 'http://me:secret@h'], /--engine should be a URL like/],
    [['--engine', 'http://h'], /\$LLAVA_ENGINE_KEY should be/, { LLAVA_ENGINE_KEY: 'секрет' }],
    [['--engine', 'http://h', '--engine-seconds', '500'], /--engine-seconds should be .* to 300;/],
    [[...HERE, '--resume', '--overwrite'], /--resume would do nothing with --overwrite/],
  ]
  await Promise.all(
    wrong.map(async ([options, message, env]) => {
      const ran = await program(asked.concat(options), { ...(env && { env }) })
      assert.equal(ran.code, 2, ran.stderr)
      assert.match(ran.stderr, message)
      assert.doesNotMatch(ran.stderr, /secret|секрет|seconds.*Ms/)
    }),
  )
})

test('two processes share a queue, and each item is done by one of them', async () => {
  const more = ['--queue', join(root, 'work'), '--batch', '2']
  const outs = ['shared-1.jsonl', 'shared-2.jsonl']
  const ran = await Promise.all(outs.map((out) => program(label(out, more))))
  const told = ran.map(({ stderr }) => stderr).join('')
  assert.ok(
    ran.every(({ code }) => code === 0),
    told,
  )
  const items = ran.map(({ stdout }) => (JSON.parse(stdout) as Report).engines[0]?.items ?? 0)
  assert.equal(items[0]! + items[1]!, ITEMS)
  for (const out of outs) assert.equal(read(out), read('whole.jsonl'))
})

describe('with a model in this process', () => {
  let model: Model
  before(async () => {
    model = await loadModel(MODEL, { precision: 'f32', maxRows: 16, threads: 1 })
  })
  after(() => model.dispose())

  test('servers of ours, and a model beside them, give the same answers', async () => {
    const servers = await Promise.all([startServer({ model }), startServer({ model })])
    const engines = servers.flatMap(({ url }) => ['--engine', `${url}/v1`])
    const ran = await llava(label('served.jsonl', [...engines, '--batch', '4']))
    await Promise.all(servers.map((server) => server.close()))
    assert.equal(ran.code, 0, ran.stderr)
    const report = JSON.parse(ran.stdout) as Report
    assert.ok(
      report.engines.every(({ items }) => items > 0),
      ran.stdout,
    )
    const answers = (name: string) =>
      rowsOf(name).map(({ item_id, prompt_id, text, usage }) => ({
        item_id,
        prompt_id,
        text,
        usage,
      }))
    assert.deepEqual(answers('served.jsonl'), answers('whole.jsonl'))
    // A server tells what is wrong with a picture in its own words.
    assert.ok(rowsOf('served.jsonl').filter(({ error }) => error !== null).length === ITEMS / 25)
  })

  test('answers keep to a schema, and are columns', async () => {
    const out = join(root, 'schema.parquet')
    const schema = {
      type: 'object',
      properties: { yes: { type: 'boolean' } },
      required: ['yes'],
      additionalProperties: false,
    }
    await labelHere({
      input: join(PHOTOS, '0', '1?.ppm'),
      prompts: ['Is it?'],
      engines: [{ model, name: 'tiny' }],
      maxTokens: 64,
      maxErrors: '90%',
      schema,
      out,
    })
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(out) })
    assert.equal(rows.length, 10)
    const whole = rows.filter(({ error_code }) => error_code === null)
    assert.ok(whole.length > 0)
    for (const { answer_yes, text } of whole) {
      assert.deepEqual(JSON.parse(String(text)), { yes: answer_yes })
    }
    // Random weights like spaces: some answers are cut off among them.
    for (const { answer_yes, finish_reason, error_code } of rows) {
      if (error_code !== 'INPUT_LABEL_JSON') continue
      assert.deepEqual([finish_reason, answer_yes], ['length', null])
    }
  })
})
