import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AnyRecord } from './check-record.ts'
import { openDataset } from './dataset.ts'
import { PictureCensus } from './picture-census.ts'
import { scratchFolder } from './scratch.cases.ts'
import { writeRecords } from './write-records.ts'

const { folder, write } = scratchFolder()
const bytes = new Uint8Array(readFileSync('fixtures/pictures/photo-100x100.png'))

const turns = [
  { from: 'human', value: '<image>\nq' },
  { from: 'gpt', value: 'a' },
] as const
const shared = { source: 's', origin: 'o', videos: [] }
const inside: AnyRecord = { ...shared, id: '1', images: [bytes], turns }
const records: AnyRecord[] = [
  {
    ...shared,
    id: '0',
    images: [join(folder, 'pics/a b.png')],
    turns,
    regions: [{ at: [0.25, 1], says: 'red star' }],
  },
  inside,
  { ...shared, id: '2', images: [], turns: [{ from: 'human', value: 'q' }, turns[1]] },
  { ...shared, id: '3', images: [], prompt: 'q', chosen: 'a', rejected: 'b' },
  { ...shared, id: '4', images: [], videos: [join(folder, 'clip')], turns },
]

async function* all(list: readonly AnyRecord[], error?: Error): AsyncGenerator<AnyRecord> {
  yield* list
  if (error) throw error
}

test('what is written is read back, from any folder, pictures inside files as files', async () => {
  for (const name of ['out/sub/set.json', 'out/sub/set.jsonl']) {
    const path = join(folder, name)
    assert.equal(await writeRecords(path, all(records)), records.length)
    await using data = await openDataset(path)
    for (const [i, expected] of records.entries()) {
      const record = await data.readEither(i)
      if (expected !== inside) {
        assert.deepEqual(record, { ...expected, source: 'set' })
        continue
      }
      const [image] = record.images
      assert.deepEqual(new Uint8Array(readFileSync(image as string)), bytes)
    }
  }
  assert.equal(readdirSync(join(folder, 'out/sub/set-pictures')).length, 1)
})

test('clips inside files become files too, named as what they are', async () => {
  const film = new Uint8Array(readFileSync('fixtures/pictures/animated-160x160.gif'))
  const one = { ...shared, id: '5', images: [], videos: [film, new Uint8Array([1, 2])], turns }
  const path = join(folder, 'films/set.jsonl')
  await writeRecords(path, all([one]))
  await using data = await openDataset(path)
  const { videos } = await data.read(0)
  assert.deepEqual(
    videos.map((clip) => [
      /set-clips\/\w{32}\.(\w+)$/.exec(clip as string)?.[1],
      readFileSync(clip as string),
    ]),
    [
      ['gif', Buffer.from(film)],
      ['mp4', Buffer.from([1, 2])],
    ],
  )
})

test('a writing that fails leaves the old file and nothing else', async () => {
  const path = write('kept/set.json', 'old')
  const failing = writeRecords(path, all(records.slice(2), new Error('no more')))
  await assert.rejects(failing, { message: 'no more' })
  assert.equal(readFileSync(path, 'utf8'), 'old')
  assert.deepEqual(readdirSync(join(folder, 'kept')), ['set.json'])
  const signal = AbortSignal.abort(new Error('stopped'))
  await assert.rejects(writeRecords(path, all(records), { signal }), { message: 'stopped' })
  await assert.rejects(writeRecords(join(folder, 'x.txt'), all([])), { code: 'INPUT_OUTPUT_NAME' })
  assert.ok(!existsSync(join(folder, 'x.txt')))
})

test('no records are an empty list', async () => {
  const path = join(folder, 'none.json')
  await writeRecords(path, all([]))
  assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), [])
})

test('what is no picture is not counted; equal pictures are found among files and inside files; one that is used twice is no duplicate', async () => {
  const [a, b, c] = [
    write('c/a.png', bytes),
    write('c/b.png', bytes),
    write('c/c.png', bytes.slice(1)),
  ]
  const files = new PictureCensus()
  for (const path of [a, a, b, c, join(folder, 'gone.png')]) files.add(path, 'w')
  assert.deepEqual(await files.count(), { pictures: 3, duplicates: [[a, b]] })
  const both = new PictureCensus()
  both.add(bytes, 'data: set[0]')
  both.add(a, 'data: set[1]')
  assert.deepEqual(await both.count(), { pictures: 2, duplicates: [['data: set[0]', a]] })
})
