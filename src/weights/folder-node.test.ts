/** Folders that appear complete or not at all. */
import assert from 'node:assert/strict'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { CheckpointError } from '../core/errors.ts'
import { completeFolder, copyFileInto, writeFolderAtomically } from './folder-node.ts'

let root: string
before(() => {
  root = mkdtempSync(join(tmpdir(), 'folder-'))
})
after(() => rmSync(root, { recursive: true }))

const text = (path: string) => readFileSync(join(path, 'a.txt'), 'utf8')

test('a folder is made, and replaced as a whole', async () => {
  const path = join(root, 'replaced')
  for (const shards of [
    ['model-1-of-2.safetensors', 'model-2-of-2.safetensors'],
    ['model.safetensors'],
  ]) {
    await writeFolderAtomically(path, async (folder) => {
      for (const name of ['a.txt', ...shards]) writeFileSync(join(folder, name), shards.join())
    })
    assert.equal(text(path), shards.join())
    assert.deepEqual(readdirSync(path), ['a.txt', ...shards])
  }
  assert.deepEqual(readdirSync(root), ['replaced'])
})

test('a model takes the place of one that has other files, and of no checkpoint of a run', async () => {
  const fill = (names: readonly string[]) => async (folder: string) => {
    for (const name of names) writeFileSync(join(folder, name), '')
  }
  const path = join(root, 'model')
  const whole = ['config.json', 'merges.txt', 'model.safetensors']
  const adapter = ['adapter_config.json', 'adapter_model.safetensors']
  for (const names of [whole, adapter, whole]) {
    await writeFolderAtomically(path, fill(names))
    assert.deepEqual(readdirSync(path), names)
  }
  const state = fill(['state.json', 'state.safetensors'])
  await assert.rejects(writeFolderAtomically(path, state), { code: 'CHECKPOINT_FOLDER_TAKEN' })
  assert.deepEqual(readdirSync(path), whole)
  rmSync(path, { recursive: true })
})

// Whoever saved into a folder of theirs lost what was in it.
test('a folder that holds something else is named and left, unless anything may be replaced', async () => {
  for (const [name, files, fault] of [
    ['thesis', ['thesis.txt'], /thesis should be a new folder.* has thesis\.txt in it/],
    ['project', ['a.txt'], /has no weights in it/],
    ['noted', ['a.txt', 'model.safetensors', 'notes.txt'], /has notes\.txt in it/],
  ] as const) {
    const path = join(root, name)
    mkdirSync(path)
    for (const file of files) writeFileSync(join(path, file), 'old')
    const write = async (folder: string) => {
      for (const file of ['a.txt', 'model.safetensors']) writeFileSync(join(folder, file), 'new')
    }
    await assert.rejects(
      writeFolderAtomically(path, write),
      (error: CheckpointError) =>
        error.code === 'CHECKPOINT_FOLDER_TAKEN' && fault.test(error.message),
    )
    assert.deepEqual(readdirSync(path), files)
    await writeFolderAtomically(path, write, { replaces: 'anything' })
    assert.equal(text(path), 'new')
    rmSync(path, { recursive: true })
  }
  assert.deepEqual(readdirSync(root), ['replaced'])
})

test('a failure leaves what was there, and nothing else', async () => {
  const path = join(root, 'kept')
  await writeFolderAtomically(path, async (folder) => writeFileSync(join(folder, 'a.txt'), 'old'))
  const before = readdirSync(root)
  await assert.rejects(
    writeFolderAtomically(path, async (folder) => {
      writeFileSync(join(folder, 'a.txt'), 'new')
      throw new Error('disk full')
    }),
    /disk full/,
  )
  assert.equal(text(path), 'old')
  assert.deepEqual(readdirSync(root), before)
})

test('a folder that was set aside is found when its replacement never came', async () => {
  const path = join(root, 'aside')
  mkdirSync(path)
  writeFileSync(join(path, 'a.txt'), 'old')
  renameSync(path, `${path}.123.old`)
  mkdirSync(`${path}.half.tmp`)
  assert.equal(text((await completeFolder(path)) as string), 'old')
  await writeFolderAtomically(path, async (folder) => writeFileSync(join(folder, 'a.txt'), 'new'))
  assert.equal(text((await completeFolder(path)) as string), 'new')
  assert.equal(readdirSync(root).filter((name) => name.endsWith('.old')).length, 0)
  assert.equal(await completeFolder(join(root, 'nothing')), undefined)
})

test('files are copied by name, and a place that cannot be written is named', async () => {
  const [from, to] = [join(root, 'from'), join(root, 'to')]
  mkdirSync(from)
  mkdirSync(to)
  writeFileSync(join(from, 'a.txt'), 'copied')
  await copyFileInto(join(from, 'a.txt'), to)
  assert.equal(text(to), 'copied')
  await assert.rejects(
    writeFolderAtomically(join(from, 'a.txt', 'x'), async () => {}),
    {
      code: 'CHECKPOINT_UNWRITABLE',
    },
  )
})
