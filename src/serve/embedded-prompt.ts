/** Text rows and picture rows in one sequence: what the decoder is given. */
import { inTurns, type Steps } from '../core/steps.ts'
import type { EmbeddedPrompt } from './sequence-group.ts'
import type { EmbeddingTable } from './embedding-table.ts'
import type { PreparedPrompt } from './prepare-prompt.ts'

/** A position's key within a picture leaves room for this many rows. */
const ROWS_PER_PICTURE = 2 ** 21

/** A picture or clip as the decoder reads it. */
export type EncodedMedia = {
  readonly kind: 'image' | 'video'
  /** Names its rows: the pixels they come from and how they were arranged. */
  readonly name: string
  /** [R, D], newline rows included. */
  readonly rows: Float32Array
}

/** Names that are remembered: more pictures than caches of conversations are kept. */
const MOST_NAMES = 10_000

/** Numbers the pictures that were seen, so that positions of equal pixels have equal keys. A number is never used again. */
export class PictureKeys {
  readonly #ids = new Map<string, number>()
  #next = 0

  key(name: string, row: number): number {
    let id = this.#ids.get(name)
    if (id === undefined) {
      id = this.#next++
      this.#ids.set(name, id)
      if (this.#ids.size > MOST_NAMES) this.#forgetOldest()
    }
    return -1 - (id * ROWS_PER_PICTURE + row)
  }

  #forgetOldest(): void {
    for (const name of this.#ids.keys()) {
      this.#ids.delete(name)
      return
    }
  }
}

/** `media` are the pictures and clips in the order of their places. */
export function embedPrompt(
  prepared: Pick<PreparedPrompt, 'inputIds' | 'imageSlots'>,
  media: readonly EncodedMedia[],
  { table, keys }: { readonly table: EmbeddingTable; readonly keys: PictureKeys },
): EmbeddedPrompt {
  const { inputIds, imageSlots } = prepared
  const { width } = table
  const positions = [...inputIds]
  const pictureRows = media.flatMap(({ name, rows }) =>
    Array.from({ length: rows.length / width }, (_, row) => ({
      key: keys.key(name, row),
      data: rows.subarray(row * width, (row + 1) * width),
    })),
  )
  imageSlots.forEach((slot, i) => (positions[slot] = pictureRows[i]?.key ?? 0))
  return {
    keys: positions,
    embeddings: (from) => inTurns(rowSteps(from)),
  }

  function* rowSteps(from: number): Steps<Float32Array> {
    const target = new Float32Array((inputIds.length - from) * width)
    // Rows of pictures are looked up as token 0 first and then overwritten: their ids are in no table.
    const ids = positions.slice(from).map((key) => Math.max(key, 0))
    yield* table.rowSteps(ids, target)
    for (const [i, slot] of imageSlots.entries()) {
      const data = pictureRows[i]?.data
      if (slot >= from && data) target.set(data, (slot - from) * width)
      yield
    }
    return target
  }
}
