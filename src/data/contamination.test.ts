/** Pictures and texts of a benchmark found among training data. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
import sharp, { type Sharp } from 'sharp'
import { findContamination, type Contamination } from './contamination.ts'
import { openDataset } from './dataset.ts'
import { likeness, picturePrint } from './picture-print.ts'
import { PrintStore } from './print-store.ts'
import { TextOverlap } from './text-overlap.ts'

const PHOTO = resolve('fixtures/pictures/photo-640x480.jpg')
const DRAWN = resolve('fixtures/eval/quick/images')

describe('a print', () => {
  test('stays near over size, JPEG, brightness and proportions, and not over cutting or mirroring', async () => {
    const print = await picturePrint(PHOTO)
    const changed = (change: (image: Sharp) => Sharp) =>
      change(sharp(PHOTO))
        .toBuffer()
        .then((bytes: Uint8Array) => picturePrint(new Uint8Array(bytes)))
    const near = [
      changed((image) => image.resize({ width: 224 }).png()),
      changed((image) => image.resize({ width: 336, height: 336, fit: 'fill' }).jpeg()),
      changed((image) => image.jpeg({ quality: 30 })),
      changed((image) => image.modulate({ brightness: 1.06 }).webp({ quality: 60 })),
    ]
    for (const other of await Promise.all(near)) {
      assert.equal(likeness(print, other)?.kind, 'near')
      assert.deepEqual(likeness(print, other), likeness(other, print))
    }
    const far = [
      changed((image) => image.flop().png()),
      changed((image) => image.rotate(90).png()),
      changed((image) => image.extract({ left: 0, top: 0, width: 320, height: 240 }).png()),
      changed((image) => image.negate().png()),
    ]
    for (const other of await Promise.all(far)) assert.equal(likeness(print, other), null)
    assert.deepEqual(likeness(print, await picturePrint(PHOTO)), { kind: 'equal', bits: 0 })
  })

  test('tells drawings apart by place and colour', async () => {
    const names = [
      'shape-00016',
      'position-00001',
      'color-00001',
      'json-00005',
      'charts-00001',
      'charts-00004',
    ]
    const prints = await Promise.all(names.map((name) => picturePrint(join(DRAWN, `${name}.png`))))
    prints.forEach((a, i) =>
      prints
        .slice(0, i)
        .forEach((b, j) => assert.equal(likeness(a, b), null, `${names[i]} ${names[j]}`)),
    )
  })
})

test('texts are equal by their words, near by half of their runs of eight, and instructions are no text', () => {
  const instruction = 'Answer the question using a single word or phrase.'
  const long = 'the quick brown fox jumps over the lazy dog and then sleeps all day long'
  const overlap = new TextOverlap(
    [`What is it?\n${instruction}`, `${long}\n${instruction}`, 'A short one', ''],
    [instruction],
  )
  assert.deepEqual(overlap.add([`<image>\nWhat is IT?`], 'a[0]'), [0])
  assert.deepEqual(overlap.add([`${instruction}`, 'short one'], 'a[1]'), [])
  overlap.add(['See the quick brown fox jumps over the lazy dog and then sleeps'], 'b[3]')
  assert.deepEqual(overlap.likeness(0), { kind: 'equal', share: 1, places: ['a[0]'] })
  const near = overlap.likeness(1)!
  assert.equal(near.kind, 'near')
  assert.deepEqual([near.share, near.places], [5 / 8, ['b[3]']])
  assert.equal(overlap.likeness(2), null)
  assert.equal(overlap.likeness(3), null)
})

describe('a benchmark against a mixture', () => {
  const folder = mkdtempSync(join(tmpdir(), 'llava-contamination-'))
  const spec = join(folder, 'train.json')
  const prints = join(folder, 'prints.jsonl')
  let found: Contamination
  const items = [
    { id: 'equal', text: 'What is this?', pictures: async () => [PHOTO] },
    {
      id: 'drawn',
      text: 'Where is the red square now?',
      pictures: async () => [join(DRAWN, 'shape-00016.png')],
    },
    { id: 'text', text: 'What is  this', pictures: async () => [join(DRAWN, 'color-00001.png')] },
    {
      id: 'none',
      text: 'Nothing of it',
      pictures: async () => [join(DRAWN, 'position-00001.png')],
    },
    { id: 'gone', text: 'No picture here', pictures: async () => [''] },
  ]
  const check = async (store: PrintStore) => {
    await using dataset = await openDataset(spec, {})
    return await findContamination(items, dataset, { prints: store })
  }
  before(async () => {
    mkdirSync(folder, { recursive: true })
    copyFileSync(PHOTO, join(folder, 'photo.jpg'))
    await sharp(join(DRAWN, 'shape-00016.png'))
      .resize({ width: 500 })
      .jpeg({ quality: 70 })
      .toFile(join(folder, 'small.jpg'))
    writeFileSync(join(folder, 'broken.jpg'), 'no picture')
    const record = (id: string, image: string, question: string) => ({
      id,
      image,
      conversations: [
        { from: 'human', value: `<image>\n${question}` },
        { from: 'gpt', value: 'Yes.' },
      ],
    })
    const records = [
      record('1', 'photo.jpg', 'What is this?'),
      record('2', 'small.jpg', 'Anything else'),
      record('3', 'broken.jpg', 'Is it?'),
      ...Array.from({ length: 40 }, (_, i) => record(`m${i}`, 'photo.jpg', `Question ${i}`)),
    ]
    writeFileSync(spec, JSON.stringify(records))
    found = await check(new PrintStore(prints))
  })
  after(() => rmSync(folder, { recursive: true }))

  test('counts pictures, texts and both, and names the records', () => {
    assert.deepEqual(found.pictures, { equal: 1, near: 1 })
    assert.deepEqual(found.texts, { equal: 2, near: 0 })
    assert.deepEqual([found.both, found.items, found.withPictures, found.unreadable], [1, 5, 5, 1])
    const { sha256: _sha256, ...training } = found.training
    assert.deepEqual(training, { records: 43, pictures: 43, unreadable: 1, broken: 0 })
    const byId = new Map(found.overlaps.map((one) => [one.id, one]))
    assert.deepEqual([...byId.keys()], ['equal', 'drawn', 'text'])
    assert.equal(byId.get('equal')!.picture!.places.length, 41)
    assert.deepEqual(byId.get('equal')!.both, ['train[0]'])
    assert.equal(byId.get('drawn')!.picture!.kind, 'near')
    assert.equal(byId.get('text')!.picture, null)
    assert.equal(found.sources[0]!.pictures, 2)
    assert.equal(found.sources[0]!.texts, 2)
  })

  test('finds the same with kept prints, a torn line among them', async () => {
    writeFileSync(prints, '["torn', { flag: 'a' })
    assert.deepEqual(await check(new PrintStore(prints)), found)
    assert.deepEqual(await check(new PrintStore()), found)
  })
})
