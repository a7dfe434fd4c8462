/** Base64 in a table is a picture however short or damaged it is, and no file's name is base64. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import sharp from 'sharp'
import { base64Picture } from './base64-picture.ts'

const pixel = sharp({ create: { width: 1, height: 1, channels: 3, background: '#08f' } })
const KINDS = ['png', 'jpeg', 'gif', 'webp', 'tiff'] as const

/** A bitmap of one pixel: header, size of the file, zeros, and where the pixel begins. */
function bitmap(): Buffer {
  const bytes = Buffer.alloc(58)
  bytes.write('BM')
  for (const [at, value] of [
    [2, 58],
    [10, 54],
    [14, 40],
    [18, 1],
    [22, 1],
  ] as const)
    bytes.writeInt32LE(value, at)
  bytes.writeInt16LE(1, 26)
  bytes.writeInt16LE(24, 28)
  return bytes
}

test('a picture of one pixel is one in every format, bare, wrapped, as a data: URL and safe for URLs', async () => {
  const files = [
    bitmap(),
    ...(await Promise.all(KINDS.map((kind) => pixel.clone().toFormat(kind).toBuffer()))),
  ]
  for (const bytes of files) {
    const text = bytes.toString('base64')
    const wrapped = text.replaceAll(/.{1,76}/g, '$&\n')
    const url = bytes.toString('base64url')
    for (const form of [text, wrapped, `data:image/png;base64,${text}`, url])
      assert.deepEqual(await base64Picture(form)?.(), new Uint8Array(bytes), form)
  }
})

test('names of files are none, with an ending or without, below the root or not', () => {
  const names = [
    'iVBORw0KGgo.png',
    'Qk0',
    'Qk2abcDEF12',
    'val2014/1.jpg',
    '/9j/1.jpg',
    '9j',
    '',
    `${'a/'.repeat(200)}1.jpg`,
  ]
  for (const name of names) assert.equal(base64Picture(name), null, name)
})

test('what cannot be decoded is told when it is read, as what came', async () => {
  const whole = Buffer.alloc(600, 'any bytes').toString('base64')
  const png = (await pixel.clone().resize(64, 64).png({ compressionLevel: 0 }).toBuffer()).toString(
    'base64',
  )
  for (const text of [
    whole.slice(0, 301),
    `A==${whole}`,
    `${png.slice(0, 300)}*${png.slice(300)}`,
    'data:image/png;base64,*',
    `${'no base64 in its beginning: '.repeat(200)}${whole}`,
  ]) {
    const picture = base64Picture(text)
    assert.ok(picture, text)
    await assert.rejects(picture(), {
      code: 'INPUT_QUESTIONS_PICTURE',
      message: new RegExp(` ${text.length} characters`),
    })
  }
})
