/** Members lie where tar-stream puts them, whatever their names and however long. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { pack } from 'tar-stream'
import { openTar, readTarMembers, type TarMember } from './tar-members.ts'

const root = mkdtempSync(join(tmpdir(), 'llava-tar-'))
after(() => rmSync(root, { recursive: true }))
const path = join(root, 'a.tar')

async function write(files: readonly { name: string; data: Uint8Array }[]) {
  const tar = pack()
  tar.entry({ name: 'folder', type: 'directory' })
  for (const { name, data } of files) tar.entry({ name }, Buffer.from(data))
  tar.entry({ name: 'link', type: 'symlink', linkname: 'x' })
  tar.finalize()
  writeFileSync(path, await buffer(tar))
}

async function members(of = path): Promise<TarMember[]> {
  const all: TarMember[] = []
  const file = await openTar(of)
  try {
    for await (const member of readTarMembers(file, of)) all.push(member)
  } finally {
    await file.close()
  }
  return all
}

test('any names and contents', async () => {
  const letter = fc.constantFrom('a', 'ü', '/', '.', '写')
  const name = fc.string({ unit: letter, minLength: 1, maxLength: 300 }).map((one) => `d/${one}e`)
  const file = fc.record({ name, data: fc.uint8Array({ maxLength: 1500 }) })
  await fc.assert(
    fc.asyncProperty(fc.array(file, { maxLength: 6 }), async (files) => {
      await write(files)
      const bytes = readFileSync(path)
      const found = await members()
      const link = found.pop()
      assert.deepEqual([link?.name, link?.size, link?.isLink], ['link', 0, true])
      assert.deepEqual(
        found.map((one) => one.name.normalize()),
        files.map((one) => one.name.normalize()),
      )
      found.forEach(({ offset, size }, i) =>
        assert.deepEqual(new Uint8Array(bytes.subarray(offset, offset + size)), files[i]!.data),
      )
    }),
    { numRuns: 60 },
  )
})

test("GNU tar's long names and the old form without ustar", async () => {
  const long = `${'long/'.repeat(40)}name.jpg`
  writeFileSync(path, Buffer.concat([gnuLong(long), header('short', 3), padded('abc'), ZEROS]))
  const [first] = await members()
  assert.deepEqual(first, { name: long, offset: 512 * 3, size: 3 })
  writeFileSync(path, Buffer.concat([header('old.jpg', 2, '\0'), padded('ab'), ZEROS]))
  assert.deepEqual(await members(), [{ name: 'old.jpg', offset: 512, size: 2 }])
})

test('a cut archive, one that is packed and one that is not there are refused', async () => {
  await write([{ name: 'a.jpg', data: new Uint8Array(5000) }])
  truncateSync(path, 3000)
  await assert.rejects(members(), /ends within a\.jpg/)
  writeFileSync(path, Buffer.from([0x1f, 0x8b, ...Array.from({ length: 600 }, () => 7)]))
  await assert.rejects(members(), /no header is at byte 0/)
  await assert.rejects(members(join(root, 'none.tar')), { code: 'INPUT_DATA_MISSING' })
})

const ZEROS = Buffer.alloc(1024)

function padded(text: string): Buffer {
  return Buffer.from(text.padEnd(512 * Math.ceil(text.length / 512), '\0'))
}

function header(name: string, size: number, type = '0'): Buffer {
  const block = Buffer.alloc(512)
  block.write(name, 0)
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  block.write(type, 156)
  block.fill(0x20, 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

/** The name, as text, and the member that has it come after a header of type L. */
function gnuLong(name: string): Buffer {
  return Buffer.concat([header('././@LongLink', name.length + 1, 'L'), padded(`${name}\0`)])
}
