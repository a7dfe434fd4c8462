/** Every builder of the mini model's data. A new one is a file and a line. */
import { bloodCells } from './blood-cells.ts'
import type { Builder } from './builder.ts'
import { charts } from './charts.ts'
import { clips } from './clips.ts'
import { clothing } from './clothing.ts'
import { easyVqa } from './easy-vqa.ts'
import { emoji } from './emoji.ts'
import { grocery } from './grocery.ts'
import { pairs } from './pairs.ts'
import { replay } from './replay.ts'
import { scenes } from './scenes.ts'
import { tables } from './tables.ts'
import { words } from './words.ts'

export const BUILDERS: readonly Builder[] = [
  grocery,
  clothing,
  scenes,
  words,
  charts,
  tables,
  easyVqa,
  emoji,
  bloodCells,
  pairs,
  clips,
  replay,
]
