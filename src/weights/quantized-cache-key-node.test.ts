import assert from 'node:assert/strict'
import {
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'

import { hashFiles, parseMemo, type HashEvent } from './quantized-cache-key-node.ts'

const root = await mkdtemp(join(tmpdir(), 'llava-key-'))
after(() => rm(root, { recursive: true, force: true }))

let folders = 0
async function newModel(): Promise<{ folder: string; files: string[]; memoFile: string }> {
  const folder = join(root, String(folders++))
  await mkdir(folder)
  const files = ['a.safetensors', 'b.safetensors'].map((name) => join(folder, name))
  for (const file of files) await writeFile(file, Buffer.alloc(10_000, file))
  return { folder, files, memoFile: join(folder, 'cache', 'sources.json') }
}

async function hash(
  files: string[],
  options: { memoFile?: string; salt?: string } = {},
): Promise<{ key: string; read: number }> {
  const events: HashEvent[] = []
  const key = await hashFiles(files, { ...options, onProgress: (event) => events.push(event) })
  return { key, read: events.at(-1)?.done ?? 0 }
}

test('the key depends on every byte, on the order and on the salt, not on names or times', async () => {
  const { folder, files } = await newModel()
  const { key } = await hash(files)
  await utimes(files[0]!, 5, 5)
  await rename(files[1]!, join(folder, 'c'))
  assert.equal((await hash([files[0]!, join(folder, 'c')])).key, key)
  assert.notEqual((await hash([join(folder, 'c'), files[0]!])).key, key)
  assert.notEqual((await hash([files[0]!, join(folder, 'c')], { salt: 'importance' })).key, key)
  const bytes = await readFile(files[0]!)
  bytes[7777]! ^= 1
  await writeFile(files[0]!, bytes)
  assert.notEqual((await hash([files[0]!, join(folder, 'c')])).key, key)
})

test('files are read once; an edit of the same length is seen; a folder moved as a whole is not read again', async () => {
  const { folder, files, memoFile } = await newModel()
  const first = await hash(files, { memoFile })
  assert.equal(first.read, 20_000)
  assert.deepEqual(await hash(files, { memoFile }), { key: first.key, read: 0 })
  const bytes = await readFile(files[0]!)
  bytes[0]! ^= 1
  await writeFile(files[0]!, bytes)
  const edited = await hash(files, { memoFile })
  assert.equal(edited.read, 10_000)
  assert.notEqual(edited.key, first.key)
  await rename(folder, `${folder}-moved`)
  const moved = files.map((file) => file.replace(folder, `${folder}-moved`))
  const again = await hash(moved, { memoFile: memoFile.replace(folder, `${folder}-moved`) })
  assert.deepEqual(again, { key: edited.key, read: 0 })
})

test('blobs of the Hugging Face cache are known by their names', async () => {
  const { folder } = await newModel()
  await mkdir(join(folder, 'blobs'))
  const blob = join(folder, 'blobs', 'ab'.repeat(32))
  await writeFile(blob, 'x')
  const link = join(folder, 'model.safetensors')
  await symlink(blob, link)
  assert.equal((await hash([link])).read, 0)
})

test('a damaged or unwritable memo costs only the time of hashing', async () => {
  const { files, memoFile, folder } = await newModel()
  const { key } = await hash(files, { memoFile })
  await writeFile(memoFile, '[["a.safe')
  assert.deepEqual(await hash(files, { memoFile }), { key, read: 20_000 })
  await chmod(folder, 0o500)
  assert.equal((await hash(files, { memoFile: join(files[0]!, 'memo.json') })).key, key)
})

test('whatever the memo holds, only well-formed hashes are taken from it', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.json().map((json) => `[${json}]`),
      ),
      (text) => {
        for (const { sha256 } of parseMemo(text).values()) assert.match(sha256, /^[0-9a-f]{64}$/)
      },
    ),
  )
})

test('a missing file is an error with its path, an abort rejects with its reason', async () => {
  const { files } = await newModel()
  await assert.rejects(hashFiles([join(root, 'missing')]), {
    code: 'CHECKPOINT_UNREADABLE',
    message: /missing/,
  })
  await assert.rejects(hashFiles(files, { signal: AbortSignal.abort(new Error('stop')) }), /stop/)
})
