/** Files that are small and say that they are huge, deep or endless, and files that are broken, in every format that is read. */
import { readFileSync } from 'node:fs'
import { deflateSync } from 'node:zlib'
import type { Rng } from '../../src/core/rng.ts'

export type Bomb = { readonly name: string; readonly url: string; readonly kind: 'image' | 'video' }

const HUGE = [65_535, 40_000, 0xffff_ffff, 0x7fff_ffff, 100_000] as const

function patched(file: string, change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(readFileSync(file))
  change(bytes)
  return bytes
}

const PNG = 'fixtures/pictures/photo-100x100.png'
const JPEG = 'fixtures/pictures/photo-640x480.jpg'
const GIF = 'fixtures/pictures/animated-160x160.gif'
const WEBP = 'fixtures/pictures/photo-300x200.webp'

/** A PNG of rows that are all the same byte: thousands of times smaller than its pixels. */
function zipBomb(side: number): Buffer {
  const crcTable = Array.from({ length: 256 }, (_, n) => {
    let c = n
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1
    return c >>> 0
  })
  const crc = (data: Buffer) => {
    let c = 0xffffffff
    for (const byte of data) c = ((crcTable[(c ^ byte) & 0xff] as number) ^ (c >>> 8)) >>> 0
    return (c ^ 0xffffffff) >>> 0
  }
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
    length.writeUInt32BE(data.length)
    sum.writeUInt32BE(crc(body))
    return Buffer.concat([length, body, sum])
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(side, 0)
  header.writeUInt32BE(side, 4)
  header.set([1, 0, 0, 0, 0], 8)
  const rows = deflateSync(Buffer.alloc((Math.ceil(side / 8) + 1) * side), { level: 9 })
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10])
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', rows),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function jpegOf(width: number, height: number): Buffer {
  return patched(JPEG, (bytes) => {
    for (let at = 2; at < bytes.length; at += 2 + bytes.readUInt16BE(at + 2)) {
      const marker = bytes[at + 1] as number
      if (marker < 0xc0 || marker > 0xc3) continue
      bytes.writeUInt16BE(height & 0xffff, at + 5)
      bytes.writeUInt16BE(width & 0xffff, at + 7)
      return
    }
  })
}

function bmpOf(width: number, height: number): Buffer {
  const bytes = Buffer.alloc(54 + 16)
  bytes.write('BM', 0, 'latin1')
  bytes.writeUInt32LE(bytes.length, 2)
  bytes.writeUInt32LE(54, 10)
  bytes.writeUInt32LE(40, 14)
  bytes.writeInt32LE(width | 0, 18)
  bytes.writeInt32LE(height | 0, 22)
  bytes.writeUInt16LE(1, 26)
  bytes.writeUInt16LE(24, 28)
  return bytes
}

function tiffOf(width: number, height: number): Buffer {
  const bytes = Buffer.alloc(8 + 2 + 6 * 12 + 4)
  bytes.write('II*\0', 0, 'latin1')
  bytes.writeUInt32LE(8, 4)
  bytes.writeUInt16LE(6, 8)
  const tags = [
    [256, width],
    [257, height],
    [258, 8],
    [262, 1],
    [273, 8],
    [279, 0xffff_fff0],
  ]
  for (const [i, [tag, value]] of tags.entries()) {
    const at = 10 + 12 * i
    bytes.writeUInt16LE(tag as number, at)
    bytes.writeUInt16LE(4, at + 2)
    bytes.writeUInt32LE(1, at + 4)
    bytes.writeUInt32LE((value as number) >>> 0, at + 8)
  }
  return bytes
}

/** The outermost box of AVIF, HEIC and MP4 with an inner box that says it is larger than the file. */
function boxes(brand: string): Buffer {
  const bytes = Buffer.alloc(64)
  bytes.writeUInt32BE(24, 0)
  bytes.write(`ftyp${brand}`, 4, 'latin1')
  bytes.writeUInt32BE(0xffff_ffff, 24)
  bytes.write('metameta', 28, 'latin1')
  return bytes
}

function gifOf(width: number, height: number): Buffer {
  return patched(GIF, (bytes) => {
    bytes.writeUInt16LE(width & 0xffff, 6)
    bytes.writeUInt16LE(height & 0xffff, 8)
  })
}

/** One picture again and again. */
function endlessGif(): Buffer {
  const bytes = readFileSync(GIF)
  const frames = bytes.subarray(bytes.indexOf(0x2c), bytes.length - 1)
  const copies = Math.floor((2 << 20) / frames.length)
  return Buffer.concat([
    bytes.subarray(0, -1),
    ...Array.from({ length: copies }, () => frames),
    Buffer.of(0x3b),
  ])
}

const text = (words: string) => Buffer.from(words, 'latin1')

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="100000" height="100000"><image href="file:///etc/passwd"/></svg>`
const LAUGHS = `<!DOCTYPE l [<!ENTITY a "ha">${Array.from({ length: 9 }, (_, i) => `<!ENTITY ${'bcdefghij'[i]} "${`&${'abcdefghi'[i]};`.repeat(10)}">`).join('')}]><svg>&j;</svg>`

function pictures(): readonly (readonly [string, Buffer])[] {
  const sized = (name: string, make: (width: number, height: number) => Buffer) =>
    HUGE.map((side) => [`${name} ${side}`, make(side, side)] as const)
  const png = (width: number, height: number) =>
    patched(PNG, (bytes) => {
      bytes.writeUInt32BE(width >>> 0, 16)
      bytes.writeUInt32BE(height >>> 0, 20)
    })
  const webp = (width: number) =>
    patched(WEBP, (bytes) => void bytes.writeUInt16LE(width & 0x3fff, bytes.indexOf('VP8') + 14))
  return [
    ...sized('png', png),
    ['png zip bomb', zipBomb(20_000)],
    ['png of nothing', png(0, 10)],
    ['png narrow', png(1, 0x7fff_ffff)],
    ...sized('jpeg', jpegOf),
    ...sized('bmp', bmpOf),
    ['bmp negative', bmpOf(-5, -2_000_000_000)],
    ...sized('tiff', tiffOf),
    ...sized('gif', gifOf),
    ['gif endless', endlessGif()],
    ...sized('webp', webp),
    ['ppm', text(`P6 99999 99999 255\n`)],
    ['ppm endless header', text(`P6 ${'#\n'.repeat(50_000)}`)],
    ['pgm', text(`P5 4294967296 4294967296 65535\n`)],
    ['avif', boxes('avif')],
    ['heic', boxes('heic')],
    ['jxl', Buffer.of(0xff, 0x0a, 0xff, 0xff, 0xff, 0xff)],
    ['ico', Buffer.of(0, 0, 1, 0, 255, 255, 0, 0, 0, 0, 1, 0, 32, 0, 255, 255, 255, 127)],
    ['svg', text(SVG)],
    ['svg laughs', text(LAUGHS)],
    ['psd', text('8BPS\0\x01\0\0\0\0\0\0\0\x03\xff\xff\xff\xff\xff\xff\xff\xff')],
    ['pdf', text('%PDF-1.7\n')],
  ]
}

function clips(): readonly (readonly [string, Buffer])[] {
  const y4m = (width: number, height: number, rate: string) =>
    text(`YUV4MPEG2 W${width} H${height} F${rate} Ip C420jpeg\nFRAME\n`)
  const cut = (file: string, share: number) => {
    const bytes = readFileSync(file)
    return bytes.subarray(0, Math.floor(bytes.length * share))
  }
  const mp4 = 'fixtures/clips/b-frames.mp4'
  const sizes = patched(mp4, (bytes) => {
    for (let at = bytes.indexOf('avc1'); at >= 0; at = bytes.indexOf('avc1', at + 4)) {
      if (at + 34 < bytes.length) bytes.writeUInt32BE(0xffff_ffff, at + 28)
    }
    const times = bytes.indexOf('stts')
    if (times >= 0) bytes.writeUInt32BE(0xffff_ffff, times + 8)
  })
  return [
    ['y4m huge', y4m(100_000, 100_000, '25:1')],
    ['y4m of nothing', y4m(0, 0, '0:0')],
    ['y4m fast', y4m(2, 2, '4294967295:1')],
    ['mp4 sizes', sizes],
    ['mp4 cut', cut(mp4, 0.6)],
    ['mp4 boxes', boxes('isom')],
    ['mkv cut', cut('fixtures/clips/variable.mkv', 0.3)],
    ['webm cut', cut('fixtures/clips/vp9.webm', 0.5)],
    ['webm head', cut('fixtures/clips/vp9.webm', 0.02)],
    ['gif endless', endlessGif()],
    ['gif huge', gifOf(65_535, 65_535)],
    ['playlist', text('#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\nhttp://169.254.169.254/\n')],
    ['concat', text("ffconcat version 1.0\nfile '/etc/passwd'\n")],
    ['avi', text('RIFF\xff\xff\xff\x7fAVI LIST\xff\xff\xff\x7fhdrlavih')],
    ['mpeg', Buffer.of(0, 0, 1, 0xb3, 0xff, 0xff, 0xff, 0xff)],
    ['ogg', text('OggS\0\x02')],
  ]
}

export function allBombs(): Bomb[] {
  const of = (kind: Bomb['kind'], list: readonly (readonly [string, Buffer])[]) =>
    list.map(([name, bytes]): Bomb => ({ name, kind, url: urlOf(kind, bytes) }))
  return [
    ...of('image', pictures()),
    ...of('video', clips()),
    ...of('video', pictures().slice(0, 6)),
  ]
}

/** A file of the fixtures with some bytes changed, cut or doubled. */
export function mutated(rng: Rng): Bomb {
  const files = [
    PNG,
    JPEG,
    GIF,
    WEBP,
    'fixtures/clips/b-frames.mp4',
    'fixtures/clips/420.y4m',
    'fixtures/clips/vp9.webm',
  ]
  const file = files[rng.integer(files.length)] as string
  let bytes = Buffer.from(readFileSync(file))
  for (let i = rng.integer(12); i >= 0; i--) {
    // Headers matter most.
    const within = rng.uniform() < 0.7 ? Math.min(400, bytes.length) : bytes.length
    const at = rng.integer(within)
    const kind = rng.integer(4)
    if (kind === 0) bytes[at] = rng.integer(256)
    else if (kind === 1) bytes.fill(255, at, Math.min(at + 4, bytes.length))
    else if (kind === 2) bytes = Buffer.from(bytes.subarray(0, Math.max(8, bytes.length - at)))
    else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - 20))])
  }
  const kind = file.startsWith('fixtures/clips') ? 'video' : 'image'
  return { name: `mutated ${file}`, kind, url: urlOf(kind, bytes) }
}

function urlOf(kind: string, bytes: Buffer): string {
  return `data:${kind}/any;base64,${bytes.toString('base64')}`
}
