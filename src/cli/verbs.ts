/** Every verb of the command line. A new one is a file and a line. */
import { ask } from './ask.ts'
import { bench } from './bench.ts'
import { chat } from './chat.ts'
import { convert } from './convert.ts'
import { inspect } from './inspect.ts'
import { quantize } from './quantize.ts'
import type { Verb } from './verb.ts'

export const VERBS: readonly Verb[] = [ask, chat, inspect, quantize, convert, bench]
