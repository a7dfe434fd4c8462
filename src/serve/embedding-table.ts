/** The embedding matrix on the host: an embedding is a row copy, in float32 whichever float the file stores. */
import { bfloat16ToFloat32, float16ToFloat32 } from '../core/dtype.ts'
import { CheckpointError } from '../core/errors.ts'
import { atOnce, type Steps } from '../core/steps.ts'
import { formatType } from '../core/shape.ts'
import type { HostTensor } from '../core/tensor.ts'
import { EMBEDDING } from '../decoder/decoder.ts'

export class EmbeddingTable {
  readonly rows: number
  readonly width: number
  readonly #copy: (id: number, target: Float32Array) => void
  readonly #place: string

  /** `table` [V, D] may be a view of a mapped file; `place` is that file and its name there, for messages. */
  constructor(table: HostTensor, place = 'the checkpoint') {
    this.#place = place
    const [rows, width] = table.shape as readonly [number, number]
    this.rows = rows
    this.width = width
    this.#copy = rowCopier(table, place)
  }

  /** Writes the rows of `ids` into `target` [ids, D]. Throws CheckpointError for a row that is not finite. */
  copyRows(ids: ArrayLike<number>, target: Float32Array): void {
    atOnce(this.rowSteps(ids, target))
  }

  /** The same with pauses: a prompt has thousands of rows, and the file's memory may still have to be read. */
  *rowSteps(ids: ArrayLike<number>, target: Float32Array): Steps<void> {
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] as number
      if (id < 0 || id >= this.rows) {
        throw new Error(`internal: token id ${id} has no row in an embedding of ${this.rows}`)
      }
      const row = target.subarray(i * this.width, (i + 1) * this.width)
      this.#copy(id, row)
      if (!isFinite(row)) throw notFinite(id, this.#place)
      yield
    }
  }
}

/** A number less itself is 0, anything else NaN. */
function isFinite(row: Float32Array): boolean {
  let sum = 0
  for (let i = 0; i < row.length; i++) {
    const value = row[i] as number
    sum += value - value
  }
  return sum === 0
}

function notFinite(id: number, place: string): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_NOT_FINITE',
    `weights: expected finite numbers in ${EMBEDDING} (${place}), row ${id} has others; the file is damaged or its training diverged, use another checkpoint.`,
  )
}

function rowCopier(
  { dtype, shape, data }: HostTensor,
  place: string,
): (id: number, target: Float32Array) => void {
  const width = shape[1] as number
  if (data instanceof Float32Array || data instanceof Float64Array) {
    return (id, target) => target.set(data.subarray(id * width, (id + 1) * width))
  }
  if (data instanceof Uint16Array && (dtype === 'float16' || dtype === 'bfloat16')) {
    const widen = dtype === 'float16' ? float16ToFloat32 : bfloat16ToFloat32
    return (id, target) => void widen(data.subarray(id * width, (id + 1) * width), target)
  }
  throw new CheckpointError(
    'CHECKPOINT_DTYPE',
    `weights: expected a float dtype for ${EMBEDDING} (${place}), ${formatType(dtype, shape)} came; convert the checkpoint to float32 first.`,
  )
}
