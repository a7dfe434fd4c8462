import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { decodeImage } from './decode-image.ts'

const REFUSED = { code: 'INPUT_IMAGE_UNREADABLE' }
const EOI = [0xff, 0xd9]
const STRAY = [0xff, 0x02]
/** Two bits a block, 0 for its mean and 0 for its end: four grey blocks. */
const FOUR_BLOCKS = 0x00
const ONE_BLOCK = 0x3f
const LONG_COMMENT = segment(0xfe, Array<number>(65_400).fill(7))
const [RST0, RST1, RST2, RST3, RST4] = [
  [0xff, 0xd0],
  [0xff, 0xd1],
  [0xff, 0xd2],
  [0xff, 0xd3],
  [0xff, 0xd4],
] as const

/** 32 × 8 grey pixels. */
function grey(scan: readonly number[], interval = 0): Uint8Array {
  const restarts = interval === 0 ? [] : segment(0xdd, [0, interval])
  return Uint8Array.from([
    ...header(1),
    ...restarts,
    ...segment(0xda, [1, 1, 0, 0, 63, 0]),
    ...scan,
  ])
}

function header(components: number): number[] {
  const parts = Array.from({ length: components }, (_, i) => [i + 1, 0x11, 0])
  const codes = [1, ...Array<number>(15).fill(0), 0]
  return [
    0xff,
    0xd8,
    ...segment(0xdb, [0, ...Array<number>(64).fill(1)]),
    ...segment(0xc0, [8, 0, 8, 0, 32, components, ...parts.flat()]),
    ...segment(0xc4, [0x00, ...codes, 0x10, ...codes]),
  ]
}

function segment(marker: number, body: readonly number[]): number[] {
  return [0xff, marker, (body.length + 2) >> 8, (body.length + 2) & 255, ...body]
}

/** Whether Pillow 13.0 takes the file: each was tried. */
const FILES: readonly [name: string, file: Uint8Array, isTaken: boolean][] = [
  ['whole', grey([FOUR_BLOCKS, ...EOI]), true],
  ['a marker without meaning', grey([...STRAY, FOUR_BLOCKS, ...EOI]), false],
  ['the same behind the scan', grey([FOUR_BLOCKS, ...STRAY, ...EOI]), false],
  ['the same behind the file', grey([FOUR_BLOCKS, ...EOI, ...STRAY]), true],
  ['rubbish behind the scan', grey([FOUR_BLOCKS, 1, 2, 3, 0xff, 0, 0xff, 0xff, ...EOI]), true],
  ['a second beginning', grey([0xff, 0xd8, FOUR_BLOCKS, ...EOI]), false],
  ['a second frame', grey([FOUR_BLOCKS, ...segment(0xc0, [8, 0, 8, 0, 8, 0]), ...EOI]), false],
  ['a second scan', grey([FOUR_BLOCKS, ...segment(0xda, [1, 1, 0, 0, 63, 0]), ...EOI]), false],
  ['a table that is none', grey([...segment(0xdb, [9, 9]), FOUR_BLOCKS, ...EOI]), false],
  ['an early end', grey([...EOI, FOUR_BLOCKS, ...EOI]), true],
  ['a comment, and no end', grey([FOUR_BLOCKS, ...segment(0xfe, [1, 2])]), true],
  ['a comment in the scan', grey([...segment(0xfe, STRAY), FOUR_BLOCKS, ...EOI]), true],
  ['a comment longer than the file', grey([0xff, 0xfe, 99, 99, ...STRAY, ...EOI]), true],
  ['a marker in the next 64 KiB', grey([FOUR_BLOCKS, ...LONG_COMMENT, ...STRAY, ...EOI]), true],
  ['a restart of none', grey([...RST3, FOUR_BLOCKS, ...EOI]), true],
  ['restarts', grey([...blocks(RST0, RST1, RST2), ...EOI], 1), true],
  ['a marker before a restart', grey([...STRAY, ...blocks(RST0, RST1, RST2), ...EOI], 1), true],
  ['a marker in place of a restart', grey([...blocks(RST0, RST1, STRAY), ...EOI], 1), true],
  ['a marker behind all restarts', grey([...blocks(RST0, RST1, RST2), ...STRAY, ...EOI], 1), false],
  ['a marker behind restarts left out', grey([...blocks(RST2), ...STRAY, ...EOI], 1), false],
  ['restarts over', grey([...blocks(RST0, RST0, STRAY, RST1, STRAY, RST2), ...EOI], 1), true],
  ['restarts amiss', grey([...blocks(RST4, RST1, RST2), ...STRAY, ...EOI], 1), false],
  ['more blocks to a restart than there are', grey([...STRAY, FOUR_BLOCKS, ...EOI], 4), false],
  ['scans of one component', scans([]), true],
  ['a marker in a scan of one component', scans(STRAY), false],
]

function blocks(...markers: readonly (readonly number[])[]): number[] {
  return [ONE_BLOCK, ...markers.flatMap((marker) => [...marker, ONE_BLOCK])]
}

function scans(between: readonly number[]): Uint8Array {
  const parts = [1, 2, 3].flatMap((id) => [
    ...segment(0xda, [1, id, 0, 0, 63, 0]),
    ...(id === 2 ? between : []),
    FOUR_BLOCKS,
  ])
  return Uint8Array.from([...header(3), ...parts, ...EOI])
}

for (const [name, file, isTaken] of FILES) {
  test(`a JPEG is ${isTaken ? 'read' : 'refused'} as by Pillow: ${name}`, async () => {
    if (!isTaken) return await assert.rejects(decodeImage(file), REFUSED)
    const { data } = await decodeImage(file)
    assert.deepEqual([data.length, new Set(data)], [32 * 8 * 3, new Set([128])])
  })
}

// libvips gave such a photo with one colour from the marker on.
test('one wrong byte that makes a marker in a photo’s scan is refused, with its place', async () => {
  const photo = new Uint8Array(readFileSync('fixtures/pictures/photo-640x480.jpg'))
  for (const at of [3_000, 20_000, 41_000]) {
    const broken = photo.slice()
    broken.set(STRAY, at)
    await assert.rejects(decodeImage(broken), {
      ...REFUSED,
      message: new RegExp(`jpeg data are damaged \\(marker 0x02 in its scan, at byte ${at}\\)`),
    })
  }
})
