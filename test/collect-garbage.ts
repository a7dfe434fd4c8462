/** V8's `gc` for tests: a new context has it while the flag is set. The test runner of Node.js 24 hands no flags of V8 on to files. */
import assert from 'node:assert/strict'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('globalThis.gc') as (() => void) | undefined
setFlagsFromString('--no-expose-gc')
assert.ok(collect, 'V8 has no gc')

export const collectGarbage: () => void = collect
