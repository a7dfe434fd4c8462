import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32, deflateSync } from 'node:zlib'
import { InputError } from '../core/errors.ts'
import { probeImage } from './probe-image.ts'

const SIZE = 2_000_000
/** Longer lists of an AVIF are refused unread. */
const LIST = 130_000
/** Headers take a tenth of it, so that no busy machine fails; without limits they take seconds to minutes. */
const MOST_MS = 250

/** Files of the same size, each of them the most work that its format can ask for. */
const WORST: Readonly<Record<string, () => Buffer>> = {
  'PNG of empty chunks': () => png(fill(chunk('tEXt', Buffer.alloc(0)))),
  'PNG whose texts unpack to nothing, block by block': () => {
    const packed = Buffer.concat([Buffer.from('x\x9c', 'latin1'), emptyBlocks(SIZE / 2)])
    return png(
      ...['Raw profile type exif', 'XML:com.adobe.xmp'].map((keyword) =>
        chunk('zTXt', Buffer.concat([Buffer.from(`${keyword}\0\0`), packed])),
      ),
    )
  },
  'PNG whose texts unpack to many times as much': () =>
    png(
      ...['Raw profile type exif', 'XML:com.adobe.xmp'].map((keyword) =>
        chunk(
          'zTXt',
          Buffer.concat([Buffer.from(`${keyword}\0\0`), deflateSync(Buffer.alloc(SIZE * 10))]),
        ),
      ),
    ),
  'PNG whose profile is digits': () =>
    png(chunk('tEXt', Buffer.from(`Raw profile type exif\0\nexif\n9\n${'45\n'.repeat(SIZE / 3)}`))),
  'PNG of lines before a profile': () =>
    png(chunk('tEXt', Buffer.from(`Raw profile type exif\0${'\n'.repeat(SIZE)}`))),
  'JPEG of empty Exif': () => jpeg(fill(segment(Buffer.from('Exif\0\0')))),
  'JPEG of nothing but the name of Exif': () =>
    jpeg(fill(segment(Buffer.from('Exif\0\0'.repeat(10_000))))),
  'JPEG of fill bytes': () => jpeg(Buffer.alloc(SIZE, 0xff)),
  'JPEG of markers without a segment': () => jpeg(fill(Buffer.of(0xff, 0))),
  'JPEG of rubbish': () => jpeg(Buffer.alloc(SIZE)),
  'GIF of blocks of one byte': () =>
    Buffer.concat([gifScreen, Buffer.of(0x21, 0xfe), fill(Buffer.of(1, 1)), Buffer.of(0)]),
  'GIF of empty extensions': () => Buffer.concat([gifScreen, fill(Buffer.of(0x21, 0xfe, 0))]),
  'GIF of rubbish': () => Buffer.concat([gifScreen, Buffer.alloc(SIZE)]),
  'WebP of empty chunks': () => webp(fill(riffChunk('EXIF', Buffer.alloc(0)))),
  'WebP whose XMP almost says something': () =>
    webp(riffChunk('XMP ', fill(Buffer.from('tiff:Orientation="')))),
  'TIFF of as many entries': () => tiff(SIZE / 12, false),
  'BigTIFF of as many entries': () => tiff(SIZE / 20, true),
  'WebP whose Exif has as many entries': () => webp(riffChunk('EXIF', tiff(SIZE / 12, false))),
  'AVIF of empty boxes': () => avif({ properties: fill(box('free', Buffer.alloc(0))) }),
  'AVIF whose properties are said to be of more items than there are': () =>
    avif({ links: fill(full('ipma', u32(20_000))) }),
  'AVIF of all items that there is room for': () =>
    avif({ links: full('ipma', Buffer.concat([u32(SIZE / 3), fill(Buffer.of(0, 7, 0))])) }),
  'AVIF whose references are said to be more than there are': () =>
    avif({ references: fill(box('cdsc', Buffer.of(0, 2, 0xff, 0xff))) }),
  'AVIF of one item that is described again and again': () =>
    avif({ infos: fill(full('infe', Buffer.from('\0\x02\0\0Exif'), 2)) }),
  'AVIF whose lists are as long as they may be': () =>
    avif({
      properties: fill(box('free')),
      links: fill(full('ipma', Buffer.concat([u32(43_000), fill(Buffer.of(0, 7, 0), LIST)]))),
      references: fill(
        box('cdsc', Buffer.of(0, 2, 0xf0, 0x00), fill(Buffer.of(0, 1), 0x1e000)),
        LIST,
      ),
      infos: fill(full('infe', Buffer.from('\0\x02\0\0Exif'), 2), LIST),
      places: fill(Buffer.of(0, 7, 0, 0, 0, 0), LIST),
    }),
  'AVIF of one item in many parts, each the whole file': () => {
    const part = Buffer.concat([u32(0), u32(0)])
    const parts = fill(part, LIST)
    return avif({ places: Buffer.concat([Buffer.of(0, 2, 0, 0, 0x3f, 0), parts]) })
  },
  'pixmap of a comment': () => Buffer.concat([Buffer.from('P6 #'), Buffer.alloc(SIZE, 'a')]),
  'pixmap of white space': () => Buffer.concat([Buffer.from('P6'), Buffer.alloc(SIZE, ' ')]),
}

for (const [name, build] of Object.entries(WORST)) {
  test(`${name}: the header is read or refused at once`, () => {
    const bytes = build()
    assert.ok(bytes.length < 2.2 * SIZE)
    const took = Array.from({ length: 3 }, () => probeMs(bytes))
    assert.ok(Math.min(...took) < MOST_MS, `${took.map(Math.round)} ms`)
  })
}

/** Of the processor, not of the clock: other tests run at the same time. */
function probeMs(bytes: Uint8Array): number {
  const before = process.cpuUsage()
  try {
    probeImage(bytes)
  } catch (error) {
    assert.ok(error instanceof InputError, String(error))
  }
  return process.cpuUsage(before).user / 1000
}

function fill(part: Buffer, size = SIZE): Buffer {
  return Buffer.alloc(Math.floor(size / part.length) * part.length, part)
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data])
  return Buffer.concat([u32(data.length), body, u32(crc32(body))])
}

function png(...chunks: Buffer[]): Buffer {
  const header = Buffer.concat([u32(1), u32(1), Buffer.of(8, 2, 0, 0, 0)])
  const start = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
  return Buffer.concat([start, chunk('IHDR', header), ...chunks])
}

/** Deflated blocks of codes of their own, each of which holds nothing. */
function emptyBlocks(size: number): Buffer {
  const bits: number[] = []
  const push = (value: number, count: number) => {
    for (let i = 0; i < count; i++) bits.push((value >> i) & 1)
  }
  // Two codes for lengths, 18 and 1, of a bit each; the alphabets have one symbol each, the end and a distance.
  const block = () => {
    push(0, 1)
    push(2, 2)
    push(0, 5)
    push(0, 5)
    push(14, 4)
    for (const place of [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1])
      push(place === 18 || place === 1 ? 1 : 0, 3)
    // The code of 1 is 0, of 18 it is 1: 138 and 118 symbols without a code.
    push(1, 1)
    push(127, 7)
    push(1, 1)
    push(107, 7)
    push(0, 1)
    push(0, 1)
    // The end.
    push(0, 1)
  }
  for (let i = 0; i < 8; i++) block()
  const bytes = Buffer.alloc(bits.length / 8)
  for (const [i, bit] of bits.entries())
    bytes[i >> 3] = (bytes[i >> 3] as number) | (bit << (i & 7))
  return Buffer.alloc(Math.floor(size / bytes.length) * bytes.length, bytes)
}

function jpeg(middle: Buffer): Buffer {
  const frame = Buffer.of(0xff, 0xc0, 0, 11, 8, 0, 1, 0, 1, 1, 1, 0x11, 0)
  return Buffer.concat([Buffer.of(0xff, 0xd8, 0xff), middle.subarray(1), frame])
}

function segment(body: Buffer): Buffer {
  const length = body.length + 2
  return Buffer.concat([Buffer.of(0xff, 0xe1, length >> 8, length & 255), body])
}

const gifScreen = Buffer.from('GIF89a\x01\0\x01\0\0\0\0', 'latin1')

function riffChunk(type: string, data: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type), u32(data.length).swap32(), data])
}

function webp(chunks: Buffer): Buffer {
  // That there are Exif and XMP.
  const header = riffChunk('VP8X', Buffer.of(0x0c, 0, 0, 0, 0, 0, 0, 0, 0, 0))
  return riffChunk('RIFF', Buffer.concat([Buffer.from('WEBP'), header, chunks]))
}

function tiff(entries: number, isBig: boolean): Buffer {
  const word = isBig ? 8 : 4
  const bytes = Buffer.alloc((isBig ? 24 : 10) + Math.ceil(entries) * (4 + 2 * word))
  bytes.write(isBig ? 'II+\0\x08\0\0\0\x10' : 'II*\0\x08', 'latin1')
  const start = isBig ? 16 : 8
  if (isBig) bytes.writeUInt32LE(entries, start)
  else bytes.writeUInt16LE(Math.min(65_535, entries), start)
  for (let i = 0, at = start + (isBig ? 8 : 2); i < Math.floor(entries); i++, at += 4 + 2 * word) {
    bytes.writeUInt16LE(i < 2 ? 256 + i : i & 0xffff, at)
    bytes.writeUInt16LE(3, at + 2)
    bytes.writeUInt32LE(1, at + 4)
    bytes.writeUInt16LE(1, at + 4 + word)
  }
  return bytes
}

function box(type: string, ...parts: Buffer[]): Buffer {
  const data = Buffer.concat(parts)
  return Buffer.concat([u32(data.length + 8), Buffer.from(type), data])
}

function full(type: string, data: Buffer, version = 0): Buffer {
  return box(type, Buffer.of(version, 0, 0, 0), data)
}

type Parts = Partial<Record<'properties' | 'links' | 'references' | 'infos' | 'places', Buffer>>

/** Item 1 is the picture, item 2 says in the whole file which way up it stands. */
function avif({ properties, links, references, infos, places }: Parts): Buffer {
  const size = full('ispe', Buffer.concat([u32(64), u32(48)]))
  return Buffer.concat([
    box('ftyp', Buffer.from('avif\0\0\0\0avif')),
    full(
      'meta',
      Buffer.concat([
        full('pitm', Buffer.of(0, 1)),
        full('iref', references ?? box('cdsc', Buffer.of(0, 2, 0, 1, 0, 1))),
        full(
          'iinf',
          Buffer.concat([Buffer.of(0, 1), infos ?? full('infe', Buffer.from('\0\x02\0\0Exif'), 2)]),
        ),
        full(
          'iloc',
          Buffer.concat([
            Buffer.of(0x44, 0, 0, 1),
            places ?? Buffer.concat([Buffer.of(0, 2, 0, 0, 0, 1), u32(0), u32(0)]),
          ]),
        ),
        box(
          'iprp',
          box('ipco', size, properties ?? Buffer.alloc(0)),
          links ?? full('ipma', Buffer.concat([u32(1), Buffer.of(0, 1, 1, 1)])),
        ),
      ]),
    ),
  ])
}
