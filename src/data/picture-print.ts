/**
 * What is the same picture: a print of each that another size, another compression and slight changes of brightness leave
 * nearly as it is.
 *
 *   equal   the same bytes
 *   near    at most NEAR_BITS of 256 bits differ, and no cell's colour by more than NEAR_COLOUR
 *
 * The bits say which of the 16 × 16 lowest frequencies of the picture at 64 × 64 stand out (discrete cosine transform of its
 * brightness, against their median); colours are means over 4 × 4 cells. A picture that was cut, turned or mirrored is another
 * one to it, and so are two drawings with a shape in another place or colour.
 * Source: Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010), §3.2.1, with more bits and colour.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { decodeImage } from '../preprocess/decode-image.ts'
import { resizeImage } from '../preprocess/resize.ts'
import type { Picture } from './record.ts'

export type PicturePrint = {
  readonly sha256: string
  /** 256 bits, eight words. */
  readonly bits: readonly number[]
  /** Red, green and blue of 4 × 4 cells, 0 to 255. */
  readonly colours: readonly number[]
  readonly width: number
  readonly height: number
}

/**
 * Of the quick set's pictures, photographs and drawings, no two different ones come within both; half the size or JPEG of quality 40
 * moves nineteen of twenty by at most half of it.
 */
export const NEAR_BITS = 40
export const NEAR_COLOUR = 40

const SIDE = 64
const LOW = 16
const CELLS = 4

/** Throws what decoding throws for a file that is no picture. */
export async function picturePrint(picture: Picture): Promise<PicturePrint> {
  const bytes = typeof picture === 'string' ? await readFile(picture) : picture
  const image = await decodeImage(bytes)
  const small = resizeImage(image, { width: SIDE, height: SIDE, filter: 'box' }).data // [64, 64, 3]
  return {
    sha256: createHash('sha256').update(bytes).digest('hex'),
    bits: frequencyBits(brightness(small)),
    colours: cellColours(small),
    width: image.width,
    height: image.height,
  }
}

export type Likeness = { readonly kind: 'equal' | 'near'; readonly bits: number }

/** How alike two pictures are; null where they are not. */
export function likeness(a: PicturePrint, b: PicturePrint): Likeness | null {
  if (a.sha256 === b.sha256) return { kind: 'equal', bits: 0 }
  const bits = differingBits(a.bits, b.bits)
  if (bits > NEAR_BITS) return null
  return colourDistance(a.colours, b.colours) <= NEAR_COLOUR ? { kind: 'near', bits } : null
}

export function differingBits(a: readonly number[], b: readonly number[]): number {
  let count = 0
  for (let i = 0; i < a.length; i++) count += ones(((a[i] as number) ^ (b[i] as number)) >>> 0)
  return count
}

/** The largest difference of any cell. */
export function colourDistance(a: readonly number[], b: readonly number[]): number {
  let most = 0
  for (let i = 0; i < a.length; i++)
    most = Math.max(most, Math.abs((a[i] as number) - (b[i] as number)))
  return most
}

function ones(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555)
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333)
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

/** ITU-R BT.601, as JPEG has it. */
function brightness(rgb: Uint8Array): Float64Array {
  return Float64Array.from({ length: SIDE * SIDE }, (_, i) => {
    const at = (k: number) => rgb[3 * i + k] as number
    return 0.299 * at(0) + 0.587 * at(1) + 0.114 * at(2)
  })
}

const COSINES = Float64Array.from({ length: LOW * SIDE }, (_, i) => {
  const [frequency, at] = [Math.floor(i / SIDE), i % SIDE]
  return Math.cos((Math.PI * frequency * (2 * at + 1)) / (2 * SIDE))
})

function frequencyBits(grey: Float64Array): number[] {
  const rows = transform(grey, SIDE) // [64, 16]: frequencies across
  const turned = Float64Array.from({ length: LOW * SIDE }, (_, i) => {
    return rows[(i % SIDE) * LOW + Math.floor(i / SIDE)] as number
  }) // [16, 64]
  // Rounded, so that in a picture of one colour nothing stands out.
  const low = [...transform(turned, LOW)].map((value) => Math.round(value / 16)) // [16, 16]
  const sorted = low.slice(1).sort((a, b) => a - b)
  const median = sorted[sorted.length >> 1] as number
  const words = Array.from({ length: (LOW * LOW) / 32 }, () => 0)
  low.forEach((value, i) => {
    // The first is the mean brightness, which a change of light moves.
    if (i > 0 && value > median) words[i >> 5] = ((words[i >> 5] as number) | (1 << (i & 31))) >>> 0
  })
  return words
}

/** The 16 lowest frequencies of each row. */
function transform(values: Float64Array, rows: number): Float64Array {
  const result = new Float64Array(rows * LOW)
  for (let row = 0; row < rows; row++) {
    for (let k = 0; k < LOW; k++) {
      let sum = 0
      for (let i = 0; i < SIDE; i++) {
        sum += (values[row * SIDE + i] as number) * (COSINES[k * SIDE + i] as number)
      }
      result[row * LOW + k] = sum
    }
  }
  return result
}

function cellColours(rgb: Uint8Array): number[] {
  const side = SIDE / CELLS
  const sums = Array.from({ length: CELLS * CELLS * 3 }, () => 0)
  for (let i = 0; i < SIDE * SIDE; i++) {
    const cell = Math.floor(i / SIDE / side) * CELLS + Math.floor((i % SIDE) / side)
    for (let k = 0; k < 3; k++) {
      sums[3 * cell + k] = (sums[3 * cell + k] as number) + (rgb[3 * i + k] as number)
    }
  }
  return sums.map((sum) => Math.round(sum / side ** 2))
}
