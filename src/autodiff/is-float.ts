/** Which values can have a gradient. */
import { FLOAT_DTYPES, type DType } from '../core/dtype.ts'

export function isFloat({ dtype }: { readonly dtype: DType }): boolean {
  return FLOAT_DTYPES.includes(dtype)
}
