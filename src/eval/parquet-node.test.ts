import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { pictureField } from './llava-questions.ts'
import { MediaFolder } from './media-node.ts'
import type { LazyPicture } from './question.ts'
import { loadEvalFiles } from './read-node.ts'
import { findBenchmark } from './score.ts'

const folder = mkdtempSync(join(tmpdir(), 'llava-parquet-'))
after(() => rmSync(folder, { recursive: true }))

/** As the `datasets` library writes pictures: a struct of bytes and path. */
function write(name: string, third: object | null = null): string {
  const buffer = parquetWriteBuffer({
    columnData: [
      { name: 'question', data: ['What is it?', 'And this?', 'Nothing?'] },
      { name: 'answer', data: ['a', 'b', 'c'] },
      {
        name: 'image',
        data: [
          { bytes: Uint8Array.from([1, 255]), path: 'a.png' },
          { bytes: Uint8Array.from([2]), path: null },
          third,
        ],
      },
    ],
    schema: [
      { name: 'root', num_children: 3 },
      { name: 'question', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      { name: 'answer', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      { name: 'image', repetition_type: 'OPTIONAL', num_children: 2 },
      { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
      { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
    ],
    rowGroupSize: 2,
  })
  const path = join(folder, name)
  writeFileSync(path, new Uint8Array(buffer))
  return path
}

test('rows are counted, texts are there, pictures come when they are asked for', async () => {
  const [file] = await loadEvalFiles(write('test-00000.parquet'))
  const asked = findBenchmark('chartqa').ask!.questions([file!])
  assert.deepEqual(
    asked.map(({ id, prompt }) => [id, prompt.split('\n')[0]]),
    [
      ['0', 'What is it?'],
      ['1', 'And this?'],
      ['2', 'Nothing?'],
    ],
  )
  const open = asked.map(({ images }) => images[0] as () => Promise<Uint8Array | null>)
  assert.deepEqual([...(await open[0]!())!], [1, 255])
  assert.deepEqual([...(await open[1]!())!], [2])
  assert.deepEqual(asked[2]!.images, [])
  assert.match(file!.sha256!, /^[0-9a-f]{64}$/)
})

test('a list of pictures is as many functions, and no picture is none', async () => {
  // SEED-Bench's frames were all read at once: its table is larger than memory.
  const [file] = await loadEvalFiles('fixtures/eval/pictures.parquet')
  const counts = file!.rows!.map(({ image, frames }) => [
    typeof image,
    Array.isArray(frames) ? frames.length : frames,
  ])
  assert.deepEqual(counts, [
    ['function', 2],
    ['object', 0],
    ['function', null],
    ['function', 1],
  ])
  const frames = file!.rows!.flatMap((row) => pictureField(row['frames']))
  const texts = frames.map(async (open) =>
    new TextDecoder().decode((await (open as LazyPicture)()) as Uint8Array),
  )
  assert.deepEqual(await Promise.all(texts), ['frame 0', 'frame 1', 'frame 2'])
})

test('a picture that the table only names is looked for where the others are', async () => {
  // Its row was taken for one without a picture.
  const [file] = await loadEvalFiles(write('named.parquet', { bytes: null, path: 'far/c.png' }))
  const [, , third] = findBenchmark('chartqa').ask!.questions([file!])
  const media = new MediaFolder(folder)
  await assert.rejects(media.open(third!.images[0]!), { code: 'INPUT_PICTURE_MISSING' })
  writeFileSync(join(folder, 'c.png'), 'c')
  assert.equal(await new MediaFolder(folder).open(third!.images[0]!), join(folder, 'c.png'))
})

test('a file that is cut off is refused by name', async () => {
  const path = join(folder, 'cut.parquet')
  writeFileSync(path, 'PAR1 and nothing more')
  await assert.rejects(loadEvalFiles(path), { code: 'INPUT_PARQUET_BROKEN' })
})
