/** Which values can have a gradient. */
import type { DType } from '../core/dtype.ts'

const FLOATS: ReadonlySet<DType> = new Set<DType>(['float32', 'float64', 'float16', 'bfloat16'])

export function isFloat({ dtype }: { readonly dtype: DType }): boolean {
  return FLOATS.has(dtype)
}
