/**
 * Weights with the statistics that matter to a benchmark: normal, of variance 1 / inputs, and norms in which a few
 * channels are an order larger than the rest, as trained models have them.
 */
import { Rng } from '../../../src/core/rng.ts'

export type WeightKind = 'linear' | 'embedding' | 'norm' | 'bias'

/** Drawing billions of normals takes minutes, so tensors are windows into one pool of them. */
const POOL = normals(1 << 22)
/** One channel in so many is an outlier, and how large it is. */
const OUTLIER_SPACING = 300
const OUTLIER_SIZE = 12

/** Elements of a tensor [rows, columns] (or [columns]); the same for the same name. */
export function randomWeights(
  name: string,
  kind: WeightKind,
  { count, columns }: { readonly count: number; readonly columns: number },
): Float32Array {
  const random = new Rng(hash(name))
  if (kind === 'norm') return normWeights(count, random)
  const deviation = { linear: 1 / Math.sqrt(columns), embedding: 0.02, bias: 0.02 }[kind]
  const result = new Float32Array(count)
  let from = random.integer(POOL.length)
  for (let i = 0; i < count; i++) {
    result[i] = (POOL[from] as number) * deviation
    if (++from === POOL.length) from = random.integer(POOL.length)
  }
  return result
}

function normWeights(count: number, random: Rng): Float32Array {
  const result = Float32Array.from({ length: count }, () => 1 + 0.1 * random.normal())
  for (let i = 0; i < count / OUTLIER_SPACING; i++) result[random.integer(count)] = OUTLIER_SIZE
  return result
}

function normals(count: number): Float32Array {
  const random = new Rng(0)
  return Float32Array.from({ length: count }, () => random.normal())
}

function hash(text: string): number {
  let value = 0x811c9dc5
  for (const character of text)
    value = Math.imul(value ^ (character.codePointAt(0) ?? 0), 0x01000193)
  return value >>> 0
}
