/** How pages of Parquet files are unpacked. */
import { compressors as packed } from 'hyparquet-compressors'

type Compressors = typeof packed
type Unpack = NonNullable<Compressors['LZ4']>

/**
 * hyparquet's, but for LZ4 of nothing: a column that is null throughout has pages without a byte, which LZ4 writes as one zero,
 * a run of no letters, and hyparquet-compressors 1.1.2 looks for a repetition behind it.
 */
export const compressors: Compressors = {
  ...packed,
  LZ4: orNothing(packed.LZ4),
  LZ4_RAW: orNothing(packed.LZ4_RAW),
}

function orNothing(unpack: Unpack | undefined): Unpack {
  if (!unpack) throw new Error('internal: hyparquet-compressors has no LZ4')
  return (input, length) => (length === 0 ? new Uint8Array() : unpack(input, length))
}
