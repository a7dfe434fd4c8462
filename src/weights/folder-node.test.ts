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
import { completeFolder, copyFileInto, writeFolderAtomically } from './folder-node.ts'

let root: string
before(() => {
  root = mkdtempSync(join(tmpdir(), 'folder-'))
})
after(() => rmSync(root, { recursive: true }))

const text = (path: string) => readFileSync(join(path, 'a.txt'), 'utf8')

test('a folder is made, and replaced as a whole', async () => {
  const path = join(root, 'replaced')
  for (const content of ['one', 'two']) {
    await writeFolderAtomically(path, async (folder) => {
      writeFileSync(join(folder, 'a.txt'), content)
      if (content === 'one') writeFileSync(join(folder, 'only-in-one.txt'), '')
    })
    assert.equal(text(path), content)
  }
  assert.deepEqual(readdirSync(path), ['a.txt'])
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
