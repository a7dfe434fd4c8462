/** Text rows and picture rows in one sequence: what the decoder is given. */
import type { EmbeddedPrompt } from './sequence-group.ts'
import type { EmbeddingTable } from './embedding-table.ts'
import type { PreparedPrompt } from './prepare-prompt.ts'

/** A position's key within a picture leaves room for this many rows. */
const ROWS_PER_PICTURE = 2 ** 21

/** Numbers the pictures that were seen, so that positions of equal pixels have equal keys. */
export class PictureKeys {
  readonly #ids = new Map<string, number>()

  key(hash: string, row: number): number {
    let id = this.#ids.get(hash)
    if (id === undefined) {
      id = this.#ids.size
      this.#ids.set(hash, id)
    }
    return -1 - (id * ROWS_PER_PICTURE + row)
  }
}

/** `rows` [R, D] are the merged rows of each picture, in order. */
export function embedPrompt(
  prepared: PreparedPrompt,
  rows: readonly Float32Array[],
  { table, keys }: { readonly table: EmbeddingTable; readonly keys: PictureKeys },
): EmbeddedPrompt {
  const { inputIds, imageSlots } = prepared
  const { width } = table
  const positions = [...inputIds]
  const pictureRows = prepared.pictures.flatMap(({ hash, rows: map }, i) =>
    Array.from({ length: map.rows }, (_, row) => ({
      key: keys.key(hash, row),
      data: rows[i]?.subarray(row * width, (row + 1) * width),
    })),
  )
  imageSlots.forEach((slot, i) => (positions[slot] = pictureRows[i]?.key ?? 0))
  return {
    keys: positions,
    embeddings(from) {
      const target = new Float32Array((inputIds.length - from) * width)
      // Rows of pictures are looked up as token 0 first and then overwritten: their ids are in no table.
      table.copyRows(
        positions.slice(from).map((key) => Math.max(key, 0)),
        target,
      )
      imageSlots.forEach((slot, i) => {
        const data = pictureRows[i]?.data
        if (slot >= from && data) target.set(data, (slot - from) * width)
      })
      return target
    },
  }
}
