/** The embedding matrix on the host: an embedding is a row copy, widened to float32 where the file stores less. */
import { bfloat16ToFloat32, float16ToFloat32 } from '../core/dtype.ts'
import { CheckpointError } from '../core/errors.ts'
import type { HostTensor } from '../core/tensor.ts'

export class EmbeddingTable {
  readonly rows: number
  readonly width: number
  readonly #copy: (id: number, target: Float32Array) => void

  /** `table` [V, D] may be a view of a mapped file: only rows that are used get read. */
  constructor(table: HostTensor) {
    const [rows, width] = table.shape as readonly [number, number]
    this.rows = rows
    this.width = width
    this.#copy = rowCopier(table, width)
  }

  /** Writes the rows of `ids` into `target` [ids, D]. */
  copyRows(ids: ArrayLike<number>, target: Float32Array): void {
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i] as number
      if (id < 0 || id >= this.rows) {
        throw new Error(`internal: token id ${id} has no row in an embedding of ${this.rows}`)
      }
      this.#copy(id, target.subarray(i * this.width, (i + 1) * this.width))
    }
  }
}

function rowCopier(
  { dtype, data }: HostTensor,
  width: number,
): (id: number, target: Float32Array) => void {
  if (data instanceof Float32Array) {
    return (id, target) => target.set(data.subarray(id * width, (id + 1) * width))
  }
  if (data instanceof Uint16Array && (dtype === 'float16' || dtype === 'bfloat16')) {
    const widen = dtype === 'float16' ? float16ToFloat32 : bfloat16ToFloat32
    return (id, target) => void widen(data.subarray(id * width, (id + 1) * width), target)
  }
  throw new CheckpointError(
    'CHECKPOINT_DTYPE',
    `decoder.embedTokens.weight: expected float32, float16 or bfloat16, ${dtype} came.`,
  )
}
