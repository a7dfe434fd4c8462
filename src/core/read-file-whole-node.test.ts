/** Files come whole; what would never end is told at once. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { readFileWhole } from './read-file-whole-node.ts'

const root = mkdtempSync(join(tmpdir(), 'llava-ts-'))
after(() => rmSync(root, { recursive: true }))

test('a file comes whole, by its path or its URL', async () => {
  const path = join(root, 'a')
  writeFileSync(path, 'bytes')
  for (const place of [path, pathToFileURL(path)]) {
    assert.equal(new TextDecoder().decode(await readFileWhole(place)), 'bytes')
  }
  await assert.rejects(readFileWhole(join(root, 'b')), { code: 'ENOENT' })
})

test(
  'pipes, devices and folders are not waited for',
  { skip: process.platform === 'win32' && 'there are no pipes with names', timeout: 30_000 },
  async () => {
    const pipe = join(root, 'pipe')
    execFileSync('mkfifo', [pipe])
    for (const path of [pipe, '/dev/zero', root]) {
      await assert.rejects(readFileWhole(path), / is no file/)
    }
  },
)
