import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateSync } from 'node:zlib'
import { loadSharp } from './decode-image.ts'
import { probeImage } from './probe-image.ts'

test('a PNG’s orientation is that of the last eXIf, of a profile in any kind of text, of XMP in any kind of text', async () => {
  const sharp = await loadSharp()
  const create = { width: 3, height: 2, channels: 3, background: 'red' } as const
  const plain = await sharp({ create }).png().toBuffer()
  const xmp = (type: TextType, orientation: number) =>
    text(type, 'XML:com.adobe.xmp', `<a tiff:Orientation="${orientation}"/>`)
  const raw = (type: TextType, orientation: number) =>
    text(type, 'Raw profile type exif', profile(orientation))
  // As Pillow has them.
  const cases: [Buffer[], number][] = [
    [[exif(6), exif(3)], 3],
    [[exif(3), raw('tEXt', 6)], 3],
    [[raw('tEXt', 6), exif(3)], 3],
    [[raw('tEXt', 6), raw('zTXt', 3)], 3],
    [[xmp('iTXt', 6), raw('tEXt', 3)], 3],
    [[xmp('tEXt', 6), exif(1)], 1],
    [[xmp('tEXt', 6), xmp('iTXt', 8)], 8],
    [[xmp('iTXt', 8), xmp('zTXt', 6)], 6],
    [[chunk('tEXt', Buffer.from('Comment\0Raw profile type exif'))], 1],
    [[chunk('zTXt', Buffer.from('XML:com.adobe.xmp\0\0x\x9cno zlib'))], 1],
    ...TEXT_TYPES.flatMap((type): [Buffer[], number][] => [
      [[raw(type, 6)], 6],
      [[xmp(type, 6)], 6],
    ]),
  ]
  for (const before of ['IDAT', 'IEND']) {
    const at = plain.indexOf(before) - 4
    for (const [i, [chunks, orientation]] of cases.entries()) {
      const file = Buffer.concat([plain.subarray(0, at), ...chunks, plain.subarray(at)])
      assert.equal(probeImage(file).orientation, orientation, `case ${i} before ${before}`)
    }
  }
})

test('of a text that unpacks to megabytes the beginning is read, at once', async () => {
  const sharp = await loadSharp()
  const create = { width: 3, height: 2, channels: 3, background: 'red' } as const
  const plain = await sharp({ create }).png().toBuffer()
  const [says, spaces] = ['tiff:Orientation="6"', ' '.repeat(2 ** 22)]
  for (const [content, orientation] of [
    [says + spaces, 6],
    [spaces + says, 1],
  ] as const) {
    const bomb = text('zTXt', 'XML:com.adobe.xmp', content)
    const bombs = Array.from({ length: 100 }, () => bomb)
    const file = Buffer.concat([plain.subarray(0, 33), ...bombs, plain.subarray(33)])
    const before = process.cpuUsage() // not the clock: other tests run at the same time
    assert.equal(probeImage(file).orientation, orientation)
    assert.ok(process.cpuUsage(before).user < 1e6)
  }
})

const TEXT_TYPES = ['tEXt', 'zTXt', 'iTXt', 'iTXt packed'] as const
type TextType = (typeof TEXT_TYPES)[number]

function text(type: TextType, keyword: string, content: string): Buffer {
  const rest = {
    tEXt: () => Buffer.from(content),
    zTXt: () => Buffer.concat([Buffer.of(0), deflateSync(content)]),
    iTXt: () => Buffer.from(`\0\0en\0word\0${content}`),
    'iTXt packed': () => Buffer.concat([Buffer.from('\x01\0\0\0'), deflateSync(content)]),
  }[type]()
  return chunk(type.slice(0, 4), Buffer.concat([Buffer.from(`${keyword}\0`), rest]))
}

function chunk(type: string, data: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  return Buffer.concat([length, Buffer.from(type), data, Buffer.alloc(4)])
}

function exifData(orientation: number): Buffer {
  return Buffer.from(
    `MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0${String.fromCharCode(orientation)}\0\0\0\0\0\0`,
    'latin1',
  )
}

const exif = (orientation: number) => chunk('eXIf', exifData(orientation))

/** As ImageMagick writes it: digits in lines of 72. */
function profile(orientation: number): string {
  const data = Buffer.concat([Buffer.from('Exif\0\0'), exifData(orientation)])
  const lines = data.toString('hex').match(/.{1,72}/g)!
  return `\nexif\n${String(data.length).padStart(8)}\n${lines.join('\n')}\n`
}
