import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FewOpen } from './few-open.ts'

function files(most: number) {
  const log: string[] = []
  const few = new FewOpen<string>({
    most,
    async open(path) {
      log.push(`open ${path}`)
      if (path === 'broken') throw new Error('broken')
      return path
    },
    close: async (file) => void log.push(`close ${file}`),
  })
  return { few, log }
}

async function read(few: FewOpen<string>, path: string): Promise<string> {
  await using lent = await few.borrow(path)
  return lent.file
}

test('what is wanted again is still open, and the one that was wanted longest ago goes', async () => {
  const { few, log } = files(2)
  for (const path of ['a', 'b', 'a', 'c', 'a', 'b']) await read(few, path)
  assert.deepEqual(log, ['open a', 'open b', 'open c', 'close b', 'open b', 'close c'])
  await few.close()
  assert.deepEqual(log.slice(-2), ['close a', 'close b'])
})

test('nothing is closed while somebody reads it', async () => {
  const { few, log } = files(1)
  const lent = await few.borrow('a')
  const both = await Promise.all([few.borrow('b'), few.borrow('c')])
  await few.close()
  assert.deepEqual(log, ['open a', 'open b', 'open c'])
  for (const one of [lent, ...both]) await one[Symbol.asyncDispose]()
  assert.deepEqual(log.slice(3).sort(), ['close a', 'close b', 'close c'])
})

test('what cannot be opened is told to all who want it, and tried again', async () => {
  const { few, log } = files(2)
  await assert.rejects(Promise.all([read(few, 'broken'), read(few, 'broken')]), /broken/)
  await assert.rejects(read(few, 'broken'), /broken/)
  assert.equal(log.filter((line) => line === 'open broken').length, 2)
})
