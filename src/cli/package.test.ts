import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { commitOf } from './package.ts'

test('the commit of a clone is read: of a branch, packed or not, and detached', () => {
  const folder = mkdtempSync(join(tmpdir(), 'llava-commit-'))
  const write = (name: string, text: string) => {
    mkdirSync(dirname(join(folder, '.git', name)), { recursive: true })
    writeFileSync(join(folder, '.git', name), text)
  }
  const [a, b, c] = ['a', 'b', 'c'].map((digit) => digit.repeat(40)) as [string, string, string]
  try {
    assert.equal(commitOf(folder), null)
    write('HEAD', 'ref: refs/heads/main\n')
    assert.equal(commitOf(folder), null)
    write('packed-refs', `# pack-refs with: peeled\n${b} refs/heads/other\n${a} refs/heads/main\n`)
    assert.equal(commitOf(folder), a)
    write('refs/heads/main', `${b}\n`)
    assert.equal(commitOf(folder), b)
    write('HEAD', `${c}\n`)
    assert.equal(commitOf(folder), c)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
