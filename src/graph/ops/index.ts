/** Every operator the graph language has. A new one is an entry in one of these tables. */
import type { Attributes, OpDefinition } from './definition.ts'
import { attention } from './attention.ts'
import { elementwise } from './elementwise.ts'
import { layout } from './layout.ts'
import { matrix } from './matrix.ts'
import { quantized } from './quantized.ts'
import { reduction } from './reduction.ts'

export const OPS = {
  ...elementwise,
  ...matrix,
  ...layout,
  ...reduction,
  ...attention,
  ...quantized,
} as const

export type OpName = keyof typeof OPS

/** The attributes of an operator: those it must have, and those it may. */
export type OpAttributes<N extends OpName> =
  (typeof OPS)[N] extends OpDefinition<infer R, infer O>
    ? Attributes<R> & Partial<Attributes<O>>
    : never
