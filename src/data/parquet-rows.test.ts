import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { collectGarbage } from '../../test/collect-garbage.ts'
import { openDataset } from './dataset.ts'
import { scratchFolder } from './scratch.cases.ts'

const { folder, write } = scratchFolder()
const picture = new Uint8Array(readFileSync('fixtures/pictures/photo-100x100.png'))

/** As Hugging Face stores picture and turns: structs, and a list of structs. */
function parquet(
  ids: readonly string[],
  image: Uint8Array | null = picture,
  rowGroupSize = 2,
): Uint8Array {
  const turns = [
    { from: 'human', value: image ? '<image>\nq' : 'q' },
    { from: 'gpt', value: 'ä' },
  ]
  const bytes = parquetWriteBuffer({
    columnData: [
      { name: 'id', data: [...ids] },
      { name: 'image', data: ids.map(() => image && { bytes: image, path: 'x.png' }) },
      { name: 'conversations', data: ids.map(() => turns) },
      { name: 'data_source', data: ids.map(() => 'chartqa') },
    ],
    schema: [
      { name: 'root', num_children: 4 },
      { name: 'id', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      { name: 'image', num_children: 2, repetition_type: 'OPTIONAL' },
      { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
      { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      {
        name: 'conversations',
        num_children: 1,
        repetition_type: 'OPTIONAL',
        converted_type: 'LIST',
      },
      { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
      { name: 'element', num_children: 2, repetition_type: 'OPTIONAL' },
      { name: 'from', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      { name: 'value', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      {
        name: 'data_source',
        type: 'BYTE_ARRAY',
        converted_type: 'UTF8',
        repetition_type: 'OPTIONAL',
      },
    ],
    rowGroupSize,
  })
  return new Uint8Array(bytes)
}

write('set/data/train-00000-of-00002.parquet', parquet(['0', '1', '2', '3', '4']))
write('set/data/train-00001-of-00002.parquet', parquet(['5', '6']))
write('set/data/test-00000-of-00001.parquet', parquet(['t']))

test('pictures inside the file come as their bytes, texts as text', async () => {
  await using data = await openDataset(join(folder, 'set'))
  assert.equal(data.length, 7)
  const record = await data.read(3)
  assert.deepEqual(Buffer.from(record.images[0] as Uint8Array), Buffer.from(picture))
  assert.deepEqual(
    { ...record, images: [] },
    {
      id: '3',
      source: 'set',
      origin: 'chartqa',
      images: [],
      videos: [],
      turns: [
        { from: 'human', value: '<image>\nq' },
        { from: 'gpt', value: 'ä' },
      ],
    },
  )
})

/** Pairs about one film each, as Hugging Face's Video column has them. */
function filmTable(
  videos: readonly { readonly bytes: Uint8Array | null; readonly path: string }[],
  rowGroupSize = 2,
): Uint8Array {
  const utf8 = { type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' } as const
  const texts = ['prompt', 'chosen', 'rejected']
  const bytes = parquetWriteBuffer({
    columnData: [
      { name: 'video', data: [...videos] },
      ...texts.map((name) => ({ name, data: videos.map(() => 'q') })),
    ],
    schema: [
      { name: 'root', num_children: 4 },
      { name: 'video', num_children: 2, repetition_type: 'OPTIONAL' },
      { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
      { name: 'path', ...utf8 },
      ...texts.map((name) => ({ name, ...utf8 })),
    ],
    rowGroupSize,
  })
  return new Uint8Array(bytes)
}

test('clips are films inside the file, or paths beside it', async () => {
  // Hugging Face's Video column was refused, as an object.
  const film = new Uint8Array(readFileSync('fixtures/pictures/animated-160x160.gif'))
  const table = filmTable([
    { bytes: film, path: 'x.gif' },
    { bytes: null, path: 'y.mp4' },
  ])
  await using data = await openDataset(write('films.parquet', table))
  const [inside] = (await data.readPreference(0)).videos
  assert.deepEqual(Buffer.from(inside as Uint8Array), Buffer.from(film))
  assert.deepEqual((await data.readPreference(1)).videos, [join(folder, 'y.mp4')])
})

test('of columns without a logical type, paths of clips are texts and films are bytes', async () => {
  const film = new Uint8Array(readFileSync('fixtures/pictures/animated-160x160.gif'))
  const texts = ['prompt', 'chosen', 'rejected']
  const columns = ['video', ...texts]
  const bytes = parquetWriteBuffer({
    columnData: columns.map((name) => ({
      name,
      data: [new TextEncoder().encode('ä b.mp4'), name === 'video' ? film : Buffer.from('q')],
      type: 'BYTE_ARRAY',
    })),
  })
  await using data = await openDataset(write('bare.parquet', new Uint8Array(bytes)))
  assert.deepEqual((await data.readPreference(0)).videos, [join(folder, 'ä b.mp4')])
  const [inside] = (await data.readPreference(1)).videos
  assert.deepEqual(Buffer.from(inside as Uint8Array), Buffer.from(film))
})

test('any order of reading gives the same records', async () => {
  await using data = await openDataset(join(folder, 'set'))
  const order = [6, 0, 5, 1, 4, 2, 3, 3, 6, 0]
  const ids = await Promise.all(order.map(async (index) => (await data.read(index)).id))
  assert.deepEqual(ids, order.map(String))
})

test('a row group too large to be read at once is read in parts', async () => {
  const noise = new Uint8Array(400_000).map((_, i) => (i * 2654435761) >>> 13)
  const ids = Array.from({ length: 100 }, (_, i) => String(i))
  await using data = await openDataset(write('large.parquet', parquet(ids, noise, 100)))
  for (const index of [99, 10, 63, 64, 0]) {
    const { id, images } = await data.read(index)
    assert.equal(id, String(index))
    assert.equal(Buffer.compare(images[0] as Uint8Array, noise), 0)
  }
})

test('of large row groups no more is kept than of small ones', async () => {
  // Four groups of ten films each were kept, however long the films.
  const videos = Array.from({ length: 6 }, (_, i) => {
    const bytes = new Uint8Array(24 * 2 ** 20)
    bytes[0] = i
    return { bytes, path: 'x.mp4' }
  })
  const path = write('films-long.parquet', filmTable(videos, 3))
  videos.length = 0
  await using data = await openDataset(path)
  const heldAfter = async (index: number) => {
    assert.equal((await data.readPreference(index)).videos.length, 1)
    collectGarbage()
    return process.memoryUsage().arrayBuffers
  }
  const first = await heldAfter(0)
  const second = await heldAfter(3)
  assert.ok(second < first + 50 * 2 ** 20, `${second} bytes, after the first group ${first}`)
})

test('training data is the train split unless another is named, and a test split never comes by accident', async () => {
  const open = (split?: string) =>
    openDataset({ datasets: [{ path: join(folder, 'set'), ...(split && { split }) }] })
  await using tested = await open('test')
  assert.equal((await tested.read(0)).id, 't')
  await assert.rejects(open('validation'), { code: 'CONFIG_DATASETS', message: /test, train/ })
  write('other/default/dev/0000.parquet', parquet(['d']))
  write('other/default/test/0000.parquet', parquet(['t']))
  await assert.rejects(openDataset(join(folder, 'other')), {
    code: 'CONFIG_DATASETS',
    message: /dev, test/,
  })
  write('plain/a.parquet', parquet(['a'], null))
  await using plain = await openDataset(join(folder, 'plain'))
  assert.deepEqual((await plain.read(0)).images, [])
})

test('a file that is no Parquet is refused, one with a damaged page is a fault of its records', async () => {
  const broken = write('broken.parquet', 'PAR1 nothing of this kind PAR1')
  await assert.rejects(openDataset(broken), { code: 'INPUT_DATA_BROKEN' })
  await assert.rejects(openDataset(write('bare/readme.md', '').replace('/readme.md', '')), {
    code: 'INPUT_DATA_MISSING',
  })
  const bytes = parquet(['0', '1', '2', '3'])
  bytes.fill(0xff, 4, 60)
  await using data = await openDataset(write('damaged.parquet', bytes))
  await assert.rejects(data.read(0), {
    reason: 'unreadable',
    message: /rows 0 to 1 of damaged.parquet/,
  })
  assert.equal((await data.read(2)).id, '2')
})
