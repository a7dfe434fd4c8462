/** What is told of an adapter holds for the model that it was trained over. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adapterNotices, type GivenParts } from './adapter-notices.ts'

test('adapters under an adapter are merged by convert where the model has eyes alone', () => {
  const given = { options: {}, settings: { baseFolder: null, trainable: [] } } as unknown
  const told = (vision: object | null) => {
    const opened = { config: { vision }, documents: { name: 'm' }, adapters: ['lower'], files: [] }
    const checkpoint = opened as unknown as Parameters<typeof adapterNotices>[0]
    return adapterNotices(checkpoint, given as GivenParts).join()
  }
  assert.match(told({}), /`llava convert FOLDER --to llava-hf` merges all of them/)
  assert.match(told(null), /`llava convert` takes no model without eyes and merges none/)
})
