import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hostTensor } from '../core/tensor.ts'
import { embedPrompt, PictureKeys } from './embedded-prompt.ts'
import { EmbeddingTable } from './embedding-table.ts'
import type { PreparedPrompt } from './prepare-prompt.ts'

const table = new EmbeddingTable(
  hostTensor('float32', [4, 2], Float32Array.of(0, 0, 1, 10, 2, 20, 3, 30)),
)

/** Two text tokens, a picture of two rows in a place of no vocabulary, a text token. */
const PREPARED = {
  inputIds: [1, 2, -200, -200, 3],
  imageSlots: Int32Array.of(2, 3),
} as unknown as PreparedPrompt
const ROWS = Float32Array.of(7, 70, 8, 80)

describe('what the decoder is given', () => {
  const embedded = embedPrompt(PREPARED, [{ kind: 'image', name: 'a', rows: ROWS }], {
    table,
    keys: new PictureKeys(),
  })

  test('text rows from the table, picture rows in their places', async () => {
    assert.deepEqual([...(await embedded.embeddings(0))], [1, 10, 2, 20, 7, 70, 8, 80, 3, 30])
  })
  test('from any position on', async () => {
    assert.deepEqual([...(await embedded.embeddings(3))], [8, 80, 3, 30])
    assert.deepEqual([...(await embedded.embeddings(5))], [])
  })
})

describe('keys of positions', () => {
  const keysOf = (name: string, keys: PictureKeys) =>
    embedPrompt(PREPARED, [{ kind: 'image', name, rows: ROWS }], { table, keys }).keys

  test('are ids for text, and negative for rows of pictures, each its own', () => {
    const keys = keysOf('a', new PictureKeys())
    assert.deepEqual([keys[0], keys[1], keys[4]], [1, 2, 3])
    assert.ok(keys[2]! < 0 && keys[3]! < 0 && keys[2] !== keys[3])
  })
  test('are equal for equal pictures and differ for others', () => {
    const shared = new PictureKeys()
    assert.deepEqual(keysOf('a', shared), keysOf('a', shared))
    assert.notEqual(keysOf('a', shared)[2], keysOf('b', shared)[2])
  })
  test('of a picture that was forgotten are new, so that nothing old is taken for it', () => {
    const shared = new PictureKeys()
    const first = keysOf('a', shared)[2]
    for (let i = 0; i < 10_000; i++) shared.key(`other ${i}`, 0)
    assert.notEqual(keysOf('a', shared)[2], first)
    assert.ok(Number.isSafeInteger(shared.key('a', 2 ** 21 - 1)))
  })
})
