/** Every operator's gradient. A new operator is an entry in one of these tables; without it this does not compile. */
import type { OpName } from '../../graph/ops/index.ts'
import type { RuleTable } from '../rule.ts'
import { attention } from './attention.ts'
import { elementwise } from './elementwise.ts'
import { layout } from './layout.ts'
import { matrix } from './matrix.ts'
import { quantized } from './quantized.ts'
import { reduction } from './reduction.ts'

export const RULES: RuleTable<OpName> = {
  ...elementwise,
  ...matrix,
  ...layout,
  ...reduction,
  ...attention,
  ...quantized,
}
