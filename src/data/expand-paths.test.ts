/** Patterns stand for the files that a shell would find. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { expandPaths } from './expand-paths.ts'

const root = mkdtempSync(join(tmpdir(), 'llava-expand-'))
after(() => rmSync(root, { recursive: true }))
mkdirSync(join(root, 'b'))
for (const name of ['a-0.tar', 'a-1.tar', 'a-10.tar', '.a-2.tar', 'b/x.tar', 'odd[1].tar']) {
  writeFileSync(join(root, name), '')
}
const below = (paths: readonly string[]) => paths.map((path) => path.slice(root.length + 1))
const expanded = (pattern: string) => below(expandPaths(join(root, pattern)))

test('braces count with their zeros, up or down, and list', () => {
  assert.deepEqual(expandPaths('t-{008..011}.tar'), [
    't-008.tar',
    't-009.tar',
    't-010.tar',
    't-011.tar',
  ])
  assert.deepEqual(expandPaths('{3..1}'), ['3', '2', '1'])
  assert.deepEqual(expandPaths('{a,b}-{0..1}'), ['a-0', 'a-1', 'b-0', 'b-1'])
})

test('stars, question marks and sets match names, sorted, without hidden ones', () => {
  assert.deepEqual(expanded('a-*.tar'), ['a-0.tar', 'a-1.tar', 'a-10.tar'])
  assert.deepEqual(expanded('a-?.tar'), ['a-0.tar', 'a-1.tar'])
  assert.deepEqual(expanded('a-[!0].tar'), ['a-1.tar'])
  assert.deepEqual(expanded('*/x.tar'), ['b/x.tar'])
  assert.deepEqual(expanded('{a-0,b/x}.tar'), ['a-0.tar', 'b/x.tar'])
})

test('a file whose name looks like a pattern is itself', () => {
  assert.deepEqual(expanded('odd[1].tar'), ['odd[1].tar'])
})

test('what matches nothing, and what stands for too much, is refused', () => {
  assert.throws(() => expanded('c-*.tar'), { code: 'INPUT_DATA_MISSING' })
  assert.throws(() => expandPaths('{0..99999999}'), { code: 'INPUT_DATA_PATTERN' })
})
