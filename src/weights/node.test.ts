import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

import { collectGarbage } from '../../test/collect-garbage.ts'
import { CheckpointError } from '../core/errors.ts'
import { openFileBytes } from './node.ts'

const folder = mkdtempSync(join(tmpdir(), 'weights-node-'))
after(() => rmSync(folder, { recursive: true }))

const content = Uint8Array.from({ length: 300_001 }, (_, i) => (i * 31) % 251)
const path = join(folder, 'some.bin')
writeFileSync(path, content)

for (const map of [true, false]) {
  test(`${map ? 'mapped' : 'plain'} reads give the file's bytes at any offset`, () => {
    const file = openFileBytes(path, { map })
    assert.equal(file.size, content.length)
    for (const [offset, length] of [
      [0, 10],
      [65535, 3],
      [65536, 70000],
      [131071, 1],
      [300_001, 0],
      [0, 300_001],
    ] as const) {
      assert.deepEqual(file.bytes(offset, length), content.subarray(offset, offset + length))
    }
    file.release(1000, 200_000)
    assert.deepEqual(file.bytes(60_000, 20), content.subarray(60_000, 60_020))
    file.close()
    file.close()
  })

  test(`${map ? 'mapped' : 'plain'} reads past the end and after close are errors`, () => {
    const file = openFileBytes(path, { map })
    for (const [offset, length] of [
      [300_001, 1],
      [-1, 2],
      [0, 2 ** 60],
      [0.5, 1],
      [2 ** 53, 1],
    ] as const) {
      assert.throws(() => file.bytes(offset, length), CheckpointError)
    }
    file.close()
    assert.throws(() => file.bytes(0, 1), { code: 'CHECKPOINT_CLOSED' })
  })
}

test('a view outlives close and garbage collection', () => {
  const file = openFileBytes(path)
  const view = file.bytes(70_000, 1000)
  file.close()
  for (let i = 0; i < 5; i++) collectGarbage()
  assert.deepEqual(view, content.subarray(70_000, 71_000))
})

test('an empty file can be opened, a folder or nothing cannot', () => {
  const empty = join(folder, 'empty')
  writeFileSync(empty, '')
  assert.equal(openFileBytes(empty).bytes(0, 0).length, 0)
  assert.throws(() => openFileBytes(folder), { code: 'CHECKPOINT_NOT_A_FILE' })
  assert.throws(() => openFileBytes(join(folder, 'none')), { code: 'CHECKPOINT_UNREADABLE' })
})

test('a pipe is refused, not waited for', { skip: process.platform === 'win32' }, () => {
  const pipe = join(folder, 'pipe.safetensors')
  execFileSync('mkfifo', [pipe])
  assert.throws(() => openFileBytes(pipe), { code: 'CHECKPOINT_NOT_A_FILE' })
})
