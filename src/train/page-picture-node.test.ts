/** Pictures of records are whatever a trainer reads; those of a page are small and what browsers show. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readImage } from '../preprocess/node.ts'
import { pagePicture } from './page-picture-node.ts'

let folder: string
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'page-picture-'))
})
after(() => rmSync(folder, { recursive: true }))

function pnm(name: string, width: number, height: number): string {
  const path = join(folder, name)
  const samples = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 37) % 251)
  writeFileSync(path, Buffer.concat([Buffer.from(`P6 ${width} ${height} 255\n`), samples]))
  return path
}

test('large ones and those of formats that browsers do not know are small JPEG files, whole', async () => {
  for (const [path, size] of [
    [pnm('large.ppm', 1500, 750), { width: 256, height: 128 }],
    [pnm('small.ppm', 20, 30), { width: 20, height: 30 }],
    [pnm('thin.ppm', 2000, 1), { width: 256, height: 1 }],
  ] as const) {
    const url = await pagePicture(path)
    const [head, text = ''] = url?.split(',') ?? []
    assert.equal(head, 'data:image/jpeg;base64')
    const { width, height } = await readImage(Buffer.from(text, 'base64'))
    assert.deepEqual({ width, height }, size)
    assert.ok(text.length < 100_000, `${text.length}`)
  }
})

test('a file that is gone or no picture is none', async () => {
  writeFileSync(join(folder, 'text.png'), 'text')
  for (const name of ['gone.png', 'text.png'])
    assert.equal(await pagePicture(join(folder, name)), null)
})
