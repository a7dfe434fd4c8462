import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { inflate } from './inflate.ts'

const MOST = 5000

/** Few different bytes, of which much is repeated, and any. */
const CONTENTS = fc.oneof(
  fc.array(fc.integer({ min: 97, max: 100 }), { maxLength: MOST, size: 'max' }),
  fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: MOST, size: 'max' }),
)

test('what zlib packs is unpacked, stored or by fixed or own codes, its beginning if it is longer, and refused if it is cut', () => {
  const options = fc.record({
    level: fc.integer({ min: 0, max: 9 }),
    strategy: fc.integer({ min: 0, max: 4 }),
  })
  fc.assert(
    fc.property(
      CONTENTS,
      options,
      fc.double({ min: 0, max: 0.99, noNaN: true }),
      (list, how, cut) => {
        const bytes = Uint8Array.from(list)
        const packed = deflateRawSync(bytes, how)
        assert.deepEqual(inflate(packed, bytes.length), bytes)
        assert.equal(inflate(packed.subarray(0, Math.floor(packed.length * cut)), MOST), undefined)
        const most = Math.floor(bytes.length * cut)
        assert.deepEqual(inflate(packed, most), bytes.subarray(0, most))
      },
    ),
    { numRuns: 200 },
  )
})

test('of damaged data what zlib reads is read', () => {
  const packed = deflateRawSync(
    Buffer.from('A text of some words, some of them words of the text.'.repeat(9)),
  )
  const edits = fc.array(
    fc.tuple(fc.nat({ max: packed.length - 1 }), fc.integer({ min: 0, max: 255 })),
    {
      maxLength: 3,
    },
  )
  fc.assert(
    fc.property(edits, (changes) => {
      const damaged = Uint8Array.from(packed)
      for (const [at, byte] of changes) damaged[at] = byte
      const found = inflate(damaged, MOST)
      const expected = byZlib(damaged)
      if (expected) assert.deepEqual(found, expected)
    }),
    { numRuns: 500 },
  )
})

function byZlib(packed: Uint8Array): Uint8Array | undefined {
  try {
    return Uint8Array.from(inflateRawSync(packed, { maxOutputLength: MOST }))
  } catch {
    return undefined
  }
}
