/** What `llava data` can do: an action is a verb of its own with options of its own. */
import type { Arguments } from './arguments.ts'
import type { OptionSpec, Session } from './verb.ts'

export type DataAction = {
  readonly name: string
  /** What stands behind the name: `<data>`. */
  readonly place: string
  readonly about: string
  readonly options: readonly OptionSpec[]
  readonly examples: readonly string[]
  run(args: Arguments, session: Session): Promise<void>
}

/** Where the records' pictures and clips are; taken by every action that reads records. */
export const DATA_OPTIONS: readonly OptionSpec[] = [
  {
    name: 'image-folder',
    kind: 'text',
    value: 'folder',
    about: "Where the records' pictures begin (default: beside the data)",
  },
  {
    name: 'video-folder',
    kind: 'text',
    value: 'folder',
    about: 'The same for clips (default: the image folder)',
  },
  { name: 'seed', kind: 'number', value: 'n', about: 'For random:N strategies, and mix' },
]
