import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { MediaFolder } from './media-node.ts'
import type { Question } from './question.ts'
import { keepExamples } from './result-files-node.ts'

const folder = mkdtempSync(join(tmpdir(), 'llava-examples-'))
after(() => rmSync(folder, { recursive: true }))

test('pictures beside wrong answers are theirs, all of them: none of an earlier call is left', async () => {
  // A question without a picture was shown beside the picture that an earlier call had kept in its place.
  const question = (id: string, ...images: Uint8Array[]): Question => ({
    id,
    prompt: id,
    images,
    maxTokens: 1,
  })
  const several = [7, 8, 9].map((byte) => Uint8Array.of(byte))
  const questions = [question('a', Uint8Array.of(1)), question('b'), question('c', ...several)]
  const wrong = (id: string) => ({ id, score: 0, given: 'x', read: 'x', expected: 'y' })
  const keep = (...ids: string[]) =>
    keepExamples(folder, { outcomes: ids.map(wrong), questions, media: new MediaFolder(folder) })
  await keep('a', 'b')
  assert.deepEqual([...readFileSync(join(folder, 'examples/0.bin'))], [1])
  await keep('b', 'c')
  // Of several pictures the first alone was kept.
  const kept = ['1.bin', '1-1.bin', '1-2.bin'].map((name) => join(folder, 'examples', name))
  assert.deepEqual(
    kept.filter((path) => existsSync(path)).map((path) => readFileSync(path)[0]),
    [7, 8, 9],
  )
  await keep('b')
  assert.equal(existsSync(join(folder, 'examples/0.bin')), false)
})
