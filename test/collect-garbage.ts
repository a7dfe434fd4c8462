/** V8's `gc` for tests, which fail where there is none. The test runner of Node.js 24 hands no flags of V8 on to files. */
import assert from 'node:assert/strict'
import { openCollector } from '../src/preprocess/collect-pixels-node.ts'

const collect = openCollector()
assert.ok(collect, 'V8 has no gc')

export const collectGarbage: () => void = collect
