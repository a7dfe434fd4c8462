import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isPartOfUtf8 } from './grammar-vocabulary.ts'

test('a token may be a part of a text in UTF-8, and not what none has', () => {
  for (const part of [[], [0x80], [0xe0], [0xe0, 0xa0], [0x9f, 0xed, 0x9f, 0xbf], [0xf4, 0x8f]]) {
    assert.equal(isPartOfUtf8(Uint8Array.from(part)), true, String(part))
  }
  // Written longer than they should be, halves of pairs, and beyond the last character.
  for (const part of [
    [0xc0],
    [0xf5],
    [0xe0, 0x80],
    [0x41, 0xf0, 0x80],
    [0xed, 0xa0],
    [0xf4, 0x90],
  ]) {
    assert.equal(isPartOfUtf8(Uint8Array.from(part)), false, String(part))
  }
})
