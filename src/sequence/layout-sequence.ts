/** The prompt's ids with each picture's place made as long as the picture is. */
import { InputError } from '../core/errors.ts'

export type SequenceLayout = {
  /** One id per position; the placeholder repeated where a picture stands. */
  readonly inputIds: number[]
  /** int32[R]: the positions of all image rows, in order. */
  readonly imageSlots: Int32Array
}

/**
 * Repeats the i-th `placeholder` of `ids` `rows[i]` times. Throws InputError unless there are as many places as pictures.
 */
export function layoutSequence(
  ids: readonly number[],
  placeholder: number | null,
  rows: readonly number[],
): SequenceLayout {
  const places = placeholder === null ? 0 : ids.filter((id) => id === placeholder).length
  if (places !== rows.length) throw placeMismatch(places, rows.length)
  const inputIds: number[] = []
  const slots: number[] = []
  let picture = 0
  for (const id of ids) {
    if (id !== placeholder) {
      inputIds.push(id)
      continue
    }
    for (let row = 0; row < (rows[picture] as number); row++) {
      slots.push(inputIds.length)
      inputIds.push(id)
    }
    picture++
  }
  return { inputIds, imageSlots: Int32Array.from(slots) }
}

function placeMismatch(places: number, pictures: number): InputError {
  const count = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`
  return new InputError(
    'INPUT_IMAGE_COUNT',
    `sequence: the prompt has ${count(places, 'image placeholder')} but ${count(pictures, 'picture')} came with it; send one picture per placeholder.`,
  )
}
