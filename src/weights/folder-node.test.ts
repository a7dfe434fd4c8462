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

const text = (path: string) => readFileSync(join(path, 'README.md'), 'utf8')
const MODEL = { kind: 'model' } as const

test('a folder is made, and replaced as a whole', async () => {
  const path = join(root, 'replaced')
  for (const shards of [
    ['model-1-of-2.safetensors', 'model-2-of-2.safetensors'],
    ['model.safetensors'],
  ]) {
    const write = async (folder: string) => {
      for (const name of ['README.md', ...shards]) writeFileSync(join(folder, name), shards.join())
    }
    await writeFolderAtomically(path, write, MODEL)
    assert.equal(text(path), shards.join())
    assert.deepEqual(readdirSync(path), ['README.md', ...shards])
  }
  assert.deepEqual(readdirSync(root), ['replaced'])
})

const fill = (names: readonly string[]) => async (folder: string) => {
  for (const name of names) writeFileSync(join(folder, name), 'new')
}
const unwritten = () => assert.fail('it was written')

test('a model takes the place of one that has other files, and of no checkpoint of a run', async () => {
  const path = join(root, 'model')
  const whole = ['config.json', 'merges.txt', 'model.safetensors']
  const adapter = ['adapter_config.json', 'adapter_model.safetensors']
  for (const names of [whole, adapter, whole]) {
    await writeFolderAtomically(path, fill(names), MODEL)
    assert.deepEqual(readdirSync(path), names)
  }
  const taken = { code: 'CHECKPOINT_FOLDER_TAKEN' }
  await assert.rejects(writeFolderAtomically(path, unwritten, { kind: 'state' }), taken)
  assert.deepEqual(readdirSync(path), whole)
  rmSync(path, { recursive: true })
})

// A model that was opened once in int8 could not be saved into its own folder again.
test('our cache and what systems leave lie beside weights and go with them', async () => {
  const path = join(root, 'opened')
  const names = ['config.json', 'model.safetensors']
  await writeFolderAtomically(path, fill(names), MODEL)
  mkdirSync(join(path, '.llava-ts'))
  for (const litter of ['.DS_Store', '._config.json', 'Thumbs.db', 'desktop.ini']) {
    writeFileSync(join(path, litter), '')
  }
  await writeFolderAtomically(path, fill(names), MODEL)
  assert.deepEqual(readdirSync(path), names)
  rmSync(path, { recursive: true })
})

// Whoever saved into a folder of theirs lost what was in it.
test('a folder that holds something else is named and left before anything is written, unless anything may be replaced', async () => {
  for (const [name, files, fault] of [
    ['thesis', ['thesis.txt'], /thesis should be a new folder.* has thesis\.txt in it/],
    ['project', ['README.md'], /has no weights in it/],
    ['noted', ['config.json', 'model.safetensors', 'notes.txt'], /has notes\.txt in it/],
    ['tracked', ['.git', 'model.safetensors'], /has \.git in it/],
  ] as const) {
    const path = join(root, name)
    mkdirSync(path)
    for (const file of files) writeFileSync(join(path, file), 'old')
    await assert.rejects(
      writeFolderAtomically(path, unwritten, MODEL),
      (error: CheckpointError) =>
        error.code === 'CHECKPOINT_FOLDER_TAKEN' && fault.test(error.message),
    )
    assert.deepEqual(readdirSync(path), files)
    const write = fill(['README.md', 'model.safetensors'])
    await writeFolderAtomically(path, write, { ...MODEL, replaces: 'anything' })
    assert.equal(text(path), 'new')
    rmSync(path, { recursive: true })
  }
  assert.deepEqual(readdirSync(root), ['replaced'])
})

test('what comes into a folder while another is written for its place is left', async () => {
  const path = join(root, 'late')
  const write = async (folder: string) => {
    await fill(['model.safetensors'])(folder)
    mkdirSync(path)
    writeFileSync(join(path, 'notes.txt'), 'mine')
  }
  await assert.rejects(writeFolderAtomically(path, write, MODEL), /has notes\.txt in it/)
  assert.deepEqual(readdirSync(path), ['notes.txt'])
  rmSync(path, { recursive: true })
})

// The advice was to check permissions.
test('a file is no folder, whatever may be replaced', async () => {
  const path = join(root, 'file')
  writeFileSync(path, 'mine')
  for (const replaces of ['alike', 'anything'] as const) {
    await assert.rejects(writeFolderAtomically(path, unwritten, { ...MODEL, replaces }), {
      code: 'CHECKPOINT_FOLDER_TAKEN',
      message: /and is a file; name another folder/,
    })
  }
  assert.equal(readFileSync(path, 'utf8'), 'mine')
  rmSync(path)
})

test('a failure leaves what was there, and nothing else', async () => {
  const path = join(root, 'kept')
  const files = ['README.md', 'model.safetensors']
  await writeFolderAtomically(path, fill(files), MODEL)
  const before = readdirSync(root)
  await assert.rejects(
    writeFolderAtomically(
      path,
      async (folder) => {
        writeFileSync(join(folder, 'README.md'), 'half')
        throw new Error('disk full')
      },
      MODEL,
    ),
    /disk full/,
  )
  assert.equal(text(path), 'new')
  assert.deepEqual(readdirSync(root), before)
})

test('a folder that was set aside is found when its replacement never came', async () => {
  const path = join(root, 'aside')
  mkdirSync(path)
  writeFileSync(join(path, 'README.md'), 'old')
  renameSync(path, `${path}.123.old`)
  mkdirSync(`${path}.half.tmp`)
  assert.equal(text((await completeFolder(path)) as string), 'old')
  await writeFolderAtomically(path, fill(['README.md']), MODEL)
  assert.equal(text((await completeFolder(path)) as string), 'new')
  assert.equal(readdirSync(root).filter((name) => name.endsWith('.old')).length, 0)
  assert.equal(await completeFolder(join(root, 'nothing')), undefined)
})

test('files are copied by name, and a place that cannot be written is named', async () => {
  const [from, to] = [join(root, 'from'), join(root, 'to')]
  mkdirSync(from)
  mkdirSync(to)
  writeFileSync(join(from, 'README.md'), 'copied')
  await copyFileInto(join(from, 'README.md'), to)
  assert.equal(text(to), 'copied')
  await assert.rejects(writeFolderAtomically(join(from, 'README.md', 'x'), unwritten, MODEL), {
    code: 'CHECKPOINT_UNWRITABLE',
    message: /name a folder, a part of the path is a file/,
  })
})
