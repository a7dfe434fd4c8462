/** Several samples in one row of positions: the longest first, each into the first row that has room for it. */
import { InputError } from '../core/errors.ts'

/**
 * Rows of sample numbers, each at most `rowTokens` long. Which samples share a row depends on nothing but their lengths
 * and their order. Source: first-fit decreasing, at most 11⁄9 of the fewest rows and 2⁄3 more (Dósa 2007).
 *
 * Throws InputError INPUT_TOO_LONG for a sample that fits in no row.
 */
export function packRows(
  samples: readonly number[],
  tokens: (sample: number) => number,
  rowTokens: number,
): number[][] {
  const rows: { readonly samples: number[]; room: number }[] = []
  const longestFirst = samples
    .map((sample) => ({ sample, length: tokens(sample) }))
    .sort((a, b) => b.length - a.length)
  for (const { sample, length } of longestFirst) {
    if (length > rowTokens) throw tooLong(sample, length, rowTokens)
    let row = rows.find(({ room }) => room >= length)
    if (!row) rows.push((row = { samples: [], room: rowTokens }))
    row.samples.push(sample)
    row.room -= length
  }
  return rows.map((row) => row.samples)
}

function tooLong(sample: number, length: number, rowTokens: number): InputError {
  return new InputError(
    'INPUT_TOO_LONG',
    `packing: rows hold ${rowTokens} tokens, sample ${sample} has ${length}; leave it out or make rows longer.`,
  )
}
