/** The index map applied on the host: projector rows become the rows of the prompt. */
import { atOnce, type Steps } from '../core/steps.ts'
import { NEWLINE_ROW, type RowMap } from './arrange-image-tokens.ts'

/**
 * features [I·P, D] and the newline row [D] (where the map has one) by `map` to [R, D].
 */
export function mergeImageRows(
  map: RowMap,
  features: Float32Array,
  format: RowFormat,
): Float32Array {
  return atOnce(mergeSteps(map, features, format))
}

export type RowFormat = { readonly width: number; readonly newline: Float32Array | null }

/** Elements between two pauses. */
const PIECE = 1 << 17

/** The same with pauses: thousands of rows of a large model are tens of megabytes. */
export function* mergeSteps(
  map: RowMap,
  features: Float32Array,
  { width, newline }: RowFormat,
): Steps<Float32Array> {
  const target = new Float32Array(map.rows * width)
  const rowsBetween = Math.ceil(PIECE / (width * map.taps))
  for (let row = 0; row < map.rows; row++) {
    if (row % rowsBetween === 0) yield
    const output = target.subarray(row * width, (row + 1) * width)
    for (let tap = 0; tap < map.taps; tap++) {
      const index = map.indices[row * map.taps + tap] as number
      const source = sourceRow(index, features, { width, newline })
      if (map.combine === 'sum') add(output, source, map.weights?.[row * map.taps + tap] ?? 0)
      else if (tap === 0) output.set(source)
      else if (map.combine === 'max') raise(output, source)
    }
  }
  return target
}

function sourceRow(
  index: number,
  features: Float32Array,
  { width, newline }: RowFormat,
): Float32Array {
  if (index !== NEWLINE_ROW) return features.subarray(index * width, (index + 1) * width)
  if (newline) return newline
  throw new Error('internal: the index map has a newline row but the model has no imageNewline')
}

function add(target: Float32Array, source: Float32Array, weight: number): void {
  if (weight === 0) return
  for (let i = 0; i < target.length; i++) {
    target[i] = (target[i] as number) + weight * (source[i] as number)
  }
}

function raise(target: Float32Array, source: Float32Array): void {
  for (let i = 0; i < target.length; i++) {
    target[i] = Math.max(target[i] as number, source[i] as number)
  }
}
