/** Folders are made with those above them, by several at once, and where that cannot be the error comes at once. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { makeFolder, makeFolderSync } from './make-folder-node.ts'

const root = mkdtempSync(join(tmpdir(), 'llava-ts-'))
after(() => rmSync(root, { recursive: true }))

test('several may make the same folders at once, and again', async () => {
  const path = join(root, 'a', 'b', 'c')
  await Promise.all([makeFolder(path), makeFolder(join(path, 'd')), makeFolder(path)])
  makeFolderSync(path)
  makeFolderSync(join(root, 'e', 'f'))
  assert.ok(statSync(join(path, 'd')).isDirectory() && statSync(join(root, 'e', 'f')).isDirectory())
})

test('a file in the way is told', async () => {
  const file = join(root, 'file')
  writeFileSync(file, 'x')
  await assert.rejects(makeFolder(file), { code: 'EEXIST' })
  assert.throws(() => makeFolderSync(join(file, 'below')), { code: 'ENOTDIR' })
})

test('below /proc nothing can be made', { skip: !existsSync('/proc/self') }, async () => {
  await assert.rejects(makeFolder('/proc/llava-ts/below'), { code: 'ENOENT' })
  assert.throws(() => makeFolderSync('/proc/llava-ts'), { code: 'ENOENT' })
})
