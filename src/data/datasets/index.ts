/** Every kind of row that can be read. A new one is a file and a line; the first that matches reads a row. */
import type { RowFormat } from '../row-format.ts'
import { llava } from './llava.ts'
import { preference } from './preference.ts'
import { scienceqa } from './scienceqa.ts'

export const ROW_FORMATS: readonly RowFormat[] = [preference, llava, scienceqa]
