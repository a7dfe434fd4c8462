/** Every verb of the command line. A new one is a file and a line. */
import { ask } from './ask.ts'
import { chat } from './chat.ts'
import { convert } from './convert.ts'
import type { Verb } from './verb.ts'

export const VERBS: readonly Verb[] = [ask, chat, convert]
