import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { RecentFiles } from './recent-files-node.ts'

const root = mkdtempSync(join(tmpdir(), 'llava-recent-'))
after(() => rmSync(root, { recursive: true }))

function fileOf(name: string, text: string): string {
  writeFileSync(join(root, name), text)
  return join(root, name)
}

test('a file is read once for all who want it at a time, and anew when it has changed', async () => {
  const files = new RecentFiles()
  const path = fileOf('a', 'one')
  const [first, second] = await Promise.all([files.read(path), files.read(path)])
  assert.equal(first, second)
  fileOf('a', 'three')
  assert.equal(new TextDecoder().decode(await files.read(path)), 'three')
})

test('files over the bound are let go, the one longest not wanted first', async () => {
  // An engine kept the bytes of every picture of a batch until its end.
  const files = new RecentFiles(8)
  const [a, b, c] = ['a', 'b', 'c'].map((name) => fileOf(name, 'four')) as [string, string, string]
  const [bytes, old] = [await files.read(a), await files.read(b)]
  assert.equal(await files.read(a), bytes)
  await files.read(c)
  assert.equal(await files.read(a), bytes)
  assert.notEqual(await files.read(b), old)
})

test('a file that cannot be read is tried again', async () => {
  const files = new RecentFiles()
  await assert.rejects(files.read(join(root, 'later')), { code: 'ENOENT' })
  assert.equal((await files.read(fileOf('later', 'here'))).length, 4)
})

test(
  'a pipe is not waited for',
  { skip: process.platform === 'win32' && 'there are no pipes with names', timeout: 30_000 },
  async () => {
    const pipe = join(root, 'pipe')
    execFileSync('mkfifo', [pipe])
    await assert.rejects(new RecentFiles().read(pipe), /pipe is no file/)
  },
)
