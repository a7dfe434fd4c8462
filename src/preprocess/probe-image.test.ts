import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { InputError } from '../core/errors.ts'
import { decodeImage } from './decode-image.ts'
import { imageSizeOf } from './node.ts'
import { probeImage } from './probe-image.ts'

const FOLDER = 'fixtures/pictures'

const [BYTE, SHORT, LONG, SBYTE, SSHORT, SLONG] = [1, 3, 4, 6, 8, 9] as const
const corpus = readdirSync(FOLDER)
  .filter((name) => /\.(png|jpg|webp|gif)$/.test(name))
  .map((name) => new Uint8Array(readFileSync(`${FOLDER}/${name}`)))

/** Small files of the formats that are read here without sharp. */
const own = [
  text('P6 2 2 255\n').concat([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
  text('P2 # grey\n2 2 9\n0 3 6 9\n'),
  text('P4 9 2\n').concat([0xaa, 0x80, 0x55, 0]),
  bmp(2, 2, 24, 0, [1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0]),
  bmp(4, 2, 8, 1, [4, 1, 0, 0, 0, 4, 1, 2, 3, 4, 0, 1], 4),
].map((bytes) => Uint8Array.from(bytes))

const MAGICS = [
  '\x89PNG\r\n\x1a\n',
  '\xff\xd8\xff',
  'GIF89a',
  'RIFF\x10\0\0\0WEBPVP8X',
  'II*\0',
  'MM\0+',
  '\0\0\0\x18ftypavif',
  'BM',
  'P6 ',
]

test('any bytes behind any magic number give a header or an InputError, at once', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('', ...MAGICS),
      fc.uint8Array({ maxLength: 400 }),
      (magic, rest) => {
        expectHeader(Uint8Array.from([...text(magic), ...rest]))
      },
    ),
    { numRuns: 2000 },
  )
})

test('damaged and cut pictures give a header or an InputError, at once', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...corpus, ...own),
      edits(),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (file, changes, cut) => {
        expectHeader(damage(file, changes).subarray(0, Math.ceil(file.length * cut)))
      },
    ),
    { numRuns: 400 },
  )
})

test('damaged bitmaps, pixmaps and GIFs are read whole or refused', async () => {
  const gif = corpus.find((bytes) => bytes[0] === 0x47)!
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...own, gif), edits(), async (file, changes) => {
      try {
        const image = await decodeImage(damage(file, changes), { maxPixels: 200_000 })
        assert.equal(image.data.length, image.width * image.height * 3)
      } catch (error) {
        assert.ok(error instanceof InputError, String(error))
      }
    }),
    { numRuns: 300 },
  )
})

test('a header that claims a bomb is refused before any pixel is decoded', async () => {
  const bombs: [string, number[]][] = [
    ['20 000 × 20 000 PNG', png(20_000, 20_000)],
    ['65 535 wide JPEG', jpeg(65_535, 8)],
    ['65 535 × 65 535 JPEG', jpeg(65_535, 65_535)],
    [
      '65 535 wide GIF',
      [...text('GIF89a'), 255, 255, 255, 255, 0, 0, 0, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0],
    ],
    ['60 000² BMP', bmp(60_000, 60_000, 24, 0, [])],
    ['30 000² pixmap', text('P6 30000 30000 255\n')],
  ]
  for (const [name, bytes] of bombs) {
    const before = process.memoryUsage().rss
    await assert.rejects(
      decodeImage(Uint8Array.from(bytes)),
      { code: /^INPUT_IMAGE_(TOO_LARGE|UNREADABLE)$/ },
      name,
    )
    assert.ok(process.memoryUsage().rss - before < 2 ** 26, name)
  }
  for (const bytes of [jpeg(65_535, 8), png(65_535, 8), png(20_000, 20_000)]) {
    await assert.rejects(decodeImage(Uint8Array.from(bytes)), { code: 'INPUT_IMAGE_TOO_LARGE' })
  }
})

test('a PNG that claims more samples than its bytes can hold is cut', async () => {
  const bytes = Uint8Array.from(png(12_000, 12_000))
  await assert.rejects(decodeImage(bytes), { code: 'INPUT_IMAGE_UNREADABLE' })
  assert.throws(() => imageSizeOf(bytes), { code: 'INPUT_IMAGE_UNREADABLE' })
})

test('what is no picture is refused with the reason', async () => {
  const cases: [number[], RegExp][] = [
    [[], /empty/],
    [text('hello, I am a text file that calls itself photo.jpg'), /begins like none/],
    [text('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'), /begins like none/],
    [text('%PDF-1.7'), /begins like none/],
    [text('\0\0\0\x18ftypheic\0\0\0\0heicmif1'), /heic, which is not AVIF \(convert it/],
    [text('\0\0\0\x18ftypisom\0\0\0\0isommp42'), /isom, which is not AVIF \(a film/],
    [png(0, 7), /0 × 7/],
  ]
  for (const [bytes, reason] of cases) {
    await assert.rejects(decodeImage(Uint8Array.from(bytes)), (error: InputError) => {
      assert.equal(error.code, 'INPUT_IMAGE_UNREADABLE')
      assert.match(error.message, reason)
      return true
    })
  }
})

test('every picture cut in half is refused', async () => {
  // Half of the animated GIF still holds its first frame.
  const still = corpus.filter((bytes) => bytes.length > 200 && bytes[0] !== 0x47)
  for (const bytes of still) {
    await assert.rejects(decodeImage(bytes.subarray(0, bytes.length / 2)), {
      code: 'INPUT_IMAGE_UNREADABLE',
    })
  }
})

test('a JPEG’s orientation is that of its Exif, which may go on in a second segment; of XMP where Exif says none', async () => {
  const { default: sharp } = await import('sharp')
  const plain = await sharp(`${FOLDER}/photo-100x100.png`).jpeg().toBuffer()
  const segment = (body: Buffer) =>
    Buffer.concat([Buffer.of(0xff, 0xe1, (body.length + 2) >> 8, (body.length + 2) & 255), body])
  const exif = (data: Buffer | string) =>
    segment(Buffer.concat([Buffer.from('Exif\0\0'), Buffer.from(data)]))
  const xmp = segment(
    Buffer.from('http://ns.adobe.com/xap/1.0/\0<rdf:Description tiff:Orientation="8"/>'),
  )
  const says = (orientation: number) => exif(exifData(orientation))
  // As Pillow has them.
  const cases: [Buffer[], number][] = [
    [[says(6), says(3)], 6],
    [[says(1), says(6)], 1],
    [[exif(''), says(6)], 6],
    [[exif(exifData(6).subarray(0, 12)), exif(exifData(6).subarray(12))], 6],
    [[xmp], 8],
    [[xmp, says(1)], 1],
    [[xmp, exif('')], 8],
    [[xmp, exif('no TIFF at all')], 1],
    [[xmp, exif(exifData(6).subarray(0, 12))], 8],
  ]
  const scan = plain.indexOf(Buffer.of(0xff, 0xda))
  for (const at of [2, scan]) {
    for (const [segments, orientation] of cases) {
      const file = Buffer.concat([plain.subarray(0, at), ...segments, plain.subarray(at)])
      assert.equal(probeImage(file).orientation, orientation)
    }
  }
})

test('XMP says the orientation of a PNG and a WebP too', async () => {
  const { default: sharp } = await import('sharp')
  const packet = '<x:xmpmeta><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>'
  const picture = sharp(`${FOLDER}/photo-100x100.png`)
  const webp = await picture.clone().withXmp(packet).webp().toBuffer()
  assert.equal(probeImage(webp).orientation, 6)
  const plain = await picture.png().toBuffer()
  const body = Buffer.from(`iTXtXML:com.adobe.xmp\0\0\0\0\0${packet}`)
  const length = Buffer.of(0, 0, 0, body.length - 4)
  const chunk = Buffer.concat([length, body, Buffer.alloc(4)])
  const at = plain.indexOf('IDAT') - 4
  assert.equal(
    probeImage(Buffer.concat([plain.subarray(0, at), chunk, plain.subarray(at)])).orientation,
    6,
  )
})

test('Exif and XMP of a WebP count only where its header announces them', async () => {
  const { default: sharp } = await import('sharp')
  const picture = sharp(`${FOLDER}/photo-100x100.png`)
  const [EXIF, XMP] = [8, 4]
  const orientation = async (from: typeof picture, flag: number) => {
    const webp = await from.webp().toBuffer()
    const said = probeImage(webp).orientation
    webp[20] = (webp[20] as number) & ~flag
    return [said, probeImage(webp).orientation]
  }
  assert.deepEqual(
    await orientation(picture.clone().withMetadata({ orientation: 6 }), EXIF),
    [6, 1],
  )
  const xmp = picture.clone().withXmp('<a tiff:Orientation="8"/>')
  assert.deepEqual(await orientation(xmp, XMP), [8, 1])
  assert.deepEqual(await orientation(xmp, EXIF), [8, 8])
})

/** A directory of one entry. */
function exifData(orientation: number): Buffer {
  return directoryOf([SHORT, 1, 0, orientation])
}

/** Directories of entries for the orientation: type, count, first bytes of the value. */
function directoryOf(...entries: number[][]): Buffer {
  const header = Buffer.from('MM\0*\0\0\0\x08', 'latin1')
  const body = entries.map(([type = 0, count = 0, ...value]) => {
    const entry = Buffer.alloc(12)
    entry.set([0x01, 0x12, 0, type, 0, 0, 0, count, ...value])
    return entry
  })
  return Buffer.concat([header, Buffer.of(0, entries.length), ...body, Buffer.alloc(4)])
}

test('of Exif the first orientation that holds a whole number counts, whatever its type', async () => {
  const { default: sharp } = await import('sharp')
  const plain = await sharp(`${FOLDER}/photo-100x100.png`).jpeg().toBuffer()
  const long = [0, 0, 0, 6]
  // As Pillow 13 has them.
  const cases: [Buffer, number][] = [
    [directoryOf([SBYTE, 1, 6]), 6],
    [directoryOf([SSHORT, 1, 0, 6]), 6],
    [directoryOf([LONG, 1, ...long]), 6],
    [directoryOf([SLONG, 1, ...long]), 6],
    [directoryOf([BYTE, 1, 6]), 1],
    [directoryOf([SHORT, 0, 0, 6]), 1],
    [directoryOf([SHORT, 0, 0, 3], [SHORT, 1, 0, 6]), 6],
    [directoryOf([SHORT, 1, 0, 3], [SHORT, 1, 0, 6]), 3],
    // Behind the header stands how many entries there are; the other values lie beyond the end.
    [directoryOf([SHORT, 3, 0, 0, 0, 8]), 1],
    [directoryOf([SHORT, 3, 0, 0, 0, 8], ...Array.from({ length: 5 }, () => [SHORT, 0])), 6],
    [directoryOf([SHORT, 3, 0, 0, 1, 0], [SHORT, 1, 0, 6]), 1],
    [directoryOf([99, 1, 3], [SHORT, 1, 0, 6]), 6],
  ]
  const swapped = directoryOf([SHORT, 1, 0, 6])
  swapped.set(Buffer.from('MM*\0'))
  cases.push([swapped, 6])
  for (const [data, orientation] of cases) {
    const body = Buffer.concat([Buffer.from('Exif\0\0'), data])
    const segment = Buffer.concat([Buffer.of(0xff, 0xe1, 0, body.length + 2), body])
    const file = Buffer.concat([plain.subarray(0, 2), segment, plain.subarray(2)])
    assert.equal(probeImage(file).orientation, orientation, data.toString('hex'))
  }
})

test('a TIFF is turned as its XMP says where it has no orientation of its own', async () => {
  const { default: sharp } = await import('sharp')
  const raw = { width: 2, height: 1, channels: 3 } as const
  const picture = sharp(Buffer.from([10, 20, 30, 40, 50, 60]), { raw })
  const packet = '<x:xmpmeta><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>'
  const tiff = await picture.withXmp(packet).tiff({ compression: 'none' }).toBuffer()
  const own = tiff.indexOf(Buffer.of(0x12, 0x01, SHORT, 0, 1, 0, 0, 0))
  assert.ok(own > 0)
  assert.equal((await decodeImage(tiff)).width, 2)
  // As a tag that nobody knows.
  tiff.writeUInt16LE(273 + 0x8000, own)
  const { width, height, data } = await decodeImage(tiff)
  assert.deepEqual([width, height, ...data], [1, 2, 10, 20, 30, 40, 50, 60])
  assert.deepEqual(imageSizeOf(tiff), { width, height })
})

test('a TIFF whose orientation is none is read unturned, of whatever type it is', async () => {
  const { default: sharp } = await import('sharp')
  const samples = Buffer.from([10, 20, 30, 40, 50, 60])
  const raw = { width: 2, height: 1, channels: 3 } as const
  const tiff = await sharp(samples, { raw }).tiff({ compression: 'none' }).toBuffer()
  const at = tiff.indexOf(Buffer.of(0x12, 0x01, 3, 0, 1, 0, 0, 0))
  assert.ok(at > 0)
  for (const [type, orientation] of [
    [SHORT, 0],
    [SHORT, 9],
    [LONG, 0],
    [LONG, 9],
    [BYTE, 9],
    [BYTE, 6],
  ] as const) {
    tiff[at + 2] = type
    tiff[at + 8] = orientation
    const { data, width } = await decodeImage(tiff)
    assert.deepEqual([width, ...data], [2, ...samples])
    assert.equal(tiff[at + 8], orientation)
  }
})

test('orientation is read from Exif and broken Exif is no fault', () => {
  const rotated = new Uint8Array(readFileSync(`${FOLDER}/exif-rotated-320x240.jpg`))
  assert.equal(probeImage(rotated).orientation, 6)
  const at = Buffer.from(rotated).indexOf('Exif\0\0') + 10
  for (let i = at; i < at + 16; i++) rotated[i] = 0xff
  assert.equal(probeImage(rotated).orientation, 1)
})

function expectHeader(bytes: Uint8Array): void {
  const before = process.cpuUsage() // not the clock: other tests run at the same time
  try {
    const { width, height } = probeImage(bytes)
    assert.ok(width >= 1 && height >= 1)
  } catch (error) {
    assert.ok(error instanceof InputError, String(error))
  }
  assert.ok(process.cpuUsage(before).user < 5e5)
}

function edits(): fc.Arbitrary<[number, number][]> {
  return fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 })
}

/** Half of the changes go to the first 64 bytes, where headers are. */
function damage(file: Uint8Array, changes: [number, number][]): Uint8Array {
  const bytes = file.slice()
  for (const [at, value] of changes)
    bytes[at % (at % 2 ? bytes.length : Math.min(64, bytes.length))] = value
  return bytes
}

function text(characters: string): number[] {
  return Array.from(characters, (character) => character.charCodeAt(0))
}

function u32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]
}

function le32(value: number): number[] {
  return u32(value).reverse()
}

function png(width: number, height: number): number[] {
  const header = [...text('IHDR'), ...u32(width), ...u32(height), 8, 2, 0, 0, 0]
  return [
    ...text('\x89PNG\r\n\x1a\n'),
    ...u32(13),
    ...header,
    0,
    0,
    0,
    0,
    ...Array<number>(400).fill(0),
  ]
}

function jpeg(width: number, height: number): number[] {
  const size = [height >> 8, height & 255, width >> 8, width & 255]
  return [0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, ...size, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]
}

function bmp(
  width: number,
  height: number,
  bits: number,
  compression: number,
  data: number[],
  colours = 0,
): number[] {
  const palette = Array.from({ length: colours * 4 }, (_, i) => (i * 37) & 255)
  const offset = 54 + palette.length
  return [
    ...text('BM'),
    ...le32(offset + data.length),
    ...le32(0),
    ...le32(offset),
    ...[40, width, height].flatMap(le32),
    1,
    0,
    bits,
    0,
    ...[compression, data.length, 0, 0, colours, 0].flatMap(le32),
    ...palette,
    ...data,
  ]
}

test('a TIFF whose samples Pillow would read otherwise is refused by what it has', () => {
  const tiff = (tags: Readonly<Record<number, number>>) => {
    const entries = Object.entries({ 256: 2, 257: 2, 258: 16, 262: 1, ...tags })
    const bytes = Buffer.alloc(10 + 12 * entries.length + 4)
    bytes.write('II*\0', 'latin1')
    bytes.writeUInt32LE(8, 4)
    bytes.writeUInt16LE(entries.length, 8)
    entries.forEach(([tag, value], i) => {
      bytes.writeUInt16LE(Number(tag), 10 + 12 * i)
      bytes.writeUInt16LE(3, 12 + 12 * i)
      bytes.writeUInt32LE(1, 14 + 12 * i)
      bytes.writeUInt16LE(value, 18 + 12 * i)
    })
    return () => probeImage(bytes)
  }
  assert.equal(tiff({})().format, 'tiff')
  assert.throws(tiff({ 339: 2 }), /signed samples of 16 bits/)
  assert.throws(tiff({ 262: 0 }), /16 bits whose least is white/)
  assert.throws(tiff({ 259: 50000 }), /compressed by ZSTD/)
  assert.throws(tiff({ 259: 34925 }), /compressed by LZMA/)
})
