/**
 * What a request is near to: a vector of its pictures beside one of its words, each of length 1.
 *
 * Pictures: what the embedding function that is handed in says (features of a model's vision tower), else the colours and frequencies
 * of the picture's print, which tell scenes apart but no contents. Words: TF-IDF over hashed words, without any model.
 * Long vectors are projected to DIMENSIONS by random signs (Achlioptas, JCSS 66 (2003)), which keeps distances nearly as they are.
 */
import { Rng } from '../../core/rng.ts'
import type { PicturePrint } from '../picture-print.ts'
import { textWords } from '../text-overlap.ts'

const DIMENSIONS = 128

/** Vectors [n][≤ 2 · DIMENSIONS]; `pictures` [n][any one size]. */
export function requestVectors(
  pictures: readonly Float32Array[],
  texts: readonly string[],
): Float32Array[] {
  const words = textVectors(texts)
  const signs = signTable(pictures[0]?.length ?? 0)
  return pictures.map((picture, i) => {
    const left = unit(projected(picture, signs))
    const right = unit(words[i] as Float32Array)
    const both = new Float32Array(left.length + right.length)
    both.set(left)
    both.set(right, left.length)
    return both
  })
}

/** Of a picture without a model: 48 colours and 255 frequencies, as ±. */
export function printVector({ bits, colours }: PicturePrint): Float32Array {
  const signs = bits.flatMap((word) =>
    Array.from({ length: 32 }, (_, k) => ((word >>> k) & 1) * 2 - 1),
  )
  return unit(Float32Array.from([...colours.map((value) => (value - 128) / 16), ...signs]))
}

/** The cosine of two requests' vectors: both halves have length 1. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let d = 0; d < a.length; d++) sum += (a[d] as number) * (b[d] as number)
  return sum / 2
}

function textVectors(texts: readonly string[]): Float32Array[] {
  const bags = texts.map((text) => textWords(text))
  const holders = new Map<string, number>()
  for (const bag of bags) {
    for (const word of new Set(bag)) holders.set(word, (holders.get(word) ?? 0) + 1)
  }
  return bags.map((bag) => {
    const vector = new Float32Array(DIMENSIONS)
    for (const word of bag) {
      const hash = hashOf(word)
      const at = hash % DIMENSIONS
      const sign = hash & 0x80000000 ? -1 : 1
      vector[at] =
        (vector[at] as number) + sign * Math.log(1 + texts.length / (holders.get(word) ?? 1))
    }
    return vector
  })
}

/** FNV-1a, 32 bits. */
function hashOf(word: string): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(word, 'utf8')) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

function projected(vector: Float32Array, signs: Int8Array): Float32Array {
  if (vector.length <= DIMENSIONS) return vector
  return Float32Array.from({ length: DIMENSIONS }, (_, k) => {
    let sum = 0
    for (let d = 0; d < vector.length; d++) {
      sum += (vector[d] as number) * (signs[k * vector.length + d] as number)
    }
    return sum
  })
}

/** int8[DIMENSIONS, length]; the same for every run, so that vectors of two runs can be compared. */
function signTable(length: number): Int8Array {
  if (length <= DIMENSIONS) return new Int8Array()
  const rng = new Rng(0)
  return Int8Array.from({ length: length * DIMENSIONS }, () =>
    rng.nextUint32() & 0x80000000 ? 1 : -1,
  )
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))
  return length === 0 ? vector : vector.map((value) => value / length)
}
