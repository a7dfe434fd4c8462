import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { scratchFolder } from './scratch.cases.ts'
import { walkFiles } from './walk-files.ts'

const { folder, write } = scratchFolder()
/** Has pipes, and names of any bytes. */
const isLinux = process.platform === 'linux'

/** Sorted, since disks have an order of their own; and how much was left out. */
async function walked(root: string): Promise<{ files: string[]; left: number }> {
  const [files, left] = [[] as string[], [] as null[]]
  for await (const path of walkFiles(join(folder, root), () => {})) {
    if (path === null) left.push(path)
    else files.push(path)
  }
  return { files: files.sort(), left: left.length }
}

const link = (target: string, name: string) => symlinkSync(target, join(folder, name))

test('links to folders are folders, those that two lead to twice', async () => {
  // They were left out, and nobody said so.
  write('linked/in/a/1.png', '')
  write('linked/else/x.png', '')
  write('linked/else/deep/y.png', '')
  link('../../else', 'linked/in/a/l')
  link('../else', 'linked/in/m.png')
  link('../else', 'linked/in/.hidden')
  link('../else/x.png', 'linked/in/x.png')
  link('in', 'linked/root')
  const files = [
    'a/1.png',
    'a/l/deep/y.png',
    'a/l/x.png',
    'm.png/deep/y.png',
    'm.png/x.png',
    'x.png',
  ]
  assert.deepEqual(await walked('linked/in'), { files, left: 0 })
  assert.deepEqual(await walked('linked/root'), { files, left: 0 })
})

test('links that lead in a circle end where they began, and are told', async () => {
  write('circle/in/a/b/1.png', '')
  write('circle/in-2/2.png', '')
  write('circle/above.png', '')
  link('.', 'circle/in/a/self')
  link('../..', 'circle/in/a/b/up')
  link('../../..', 'circle/in/a/b/out')
  link('../in-2', 'circle/in/other')
  link('../in/a', 'circle/in-2/back')
  const files = ['a/b/1.png', 'other/2.png', 'other/back/b/1.png']
  assert.deepEqual(await walked('circle/in'), { files, left: 6 })
})

test(
  'what is no file is told: links to nothing or to themselves, pipes',
  { skip: !isLinux },
  async () => {
    write('odd/1.png', '')
    link('nothing.png', 'odd/dangling.png')
    link('loop.png', 'odd/loop.png')
    execFileSync('mkfifo', [join(folder, 'odd/pipe.png')])
    assert.deepEqual(await walked('odd'), { files: ['1.png'], left: 3 })
  },
)

test('names that are no UTF-8 are named as what they are', { skip: !isLinux }, async () => {
  const bytes = (name: string) =>
    Buffer.concat([Buffer.from(join(folder, name)), Buffer.from([0xff])])
  mkdirSync(join(folder, 'names'))
  writeFileSync(bytes('names/a'), '')
  assert.deepEqual((await walked('names')).files, ['a\u{fffd}'])
  mkdirSync(bytes('names/b'))
  await assert.rejects(walked('names'), { code: 'INPUT_DATA_MISSING', message: /no UTF-8, rename/ })
})
