/** Every row, in the order of the table; those of one model stand together, so that it is loaded once. */
import type { RowMaker } from './context.ts'
import { decodeRows } from './decode.ts'
import { mediaRows } from './media.ts'
import { prefillRows } from './prefill.ts'
import { questionRows } from './question.ts'
import { singleProcessRows } from './single-process.ts'
import { towerRows } from './towers.ts'

export const ROWS: readonly RowMaker[] = [
  ...questionRows,
  ...prefillRows,
  ...decodeRows,
  ...towerRows,
  ...mediaRows,
  ...singleProcessRows,
]
