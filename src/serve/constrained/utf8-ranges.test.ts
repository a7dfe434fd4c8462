import assert from 'node:assert/strict'
import { test } from 'node:test'
import { complement, merged, utf8Alternatives, type Range } from './utf8-ranges.ts'

/** As JavaScript reads the same expression over bytes. */
function matches(ranges: readonly Range[], codePoint: number): boolean {
  const bytes = Buffer.from(String.fromCodePoint(codePoint)).toString('latin1')
  return new RegExp(`^(?:${utf8Alternatives(ranges).join('|')})$`, 's').test(bytes)
}

test('ranges are written as the bytes of their characters and of no others', () => {
  const lists: readonly (readonly Range[])[] = [
    [[0xe0, 0xe9]],
    [[0x80, 0x10ffff]],
    [[0x7ff, 0x800], [0xfffe, 0x10001]],
    [[0x4e00, 0x9fff]],
    complement([[0, 0x7f], [0xa0, 0xa0], [0x2000, 0x200a], [0x3000, 0x3000]]),
  ] // oxfmt-ignore
  for (const ranges of lists) {
    const edges = ranges.flatMap(([from, to]) => [from - 1, from, from + 1, to - 1, to, to + 1])
    for (const one of edges.filter((edge) => edge >= 0x80 && edge <= 0x10ffff)) {
      if (one >= 0xd800 && one <= 0xdfff) continue
      const isIn = ranges.some(([from, to]) => from <= one && one <= to)
      assert.equal(matches(ranges, one), isIn, `${one.toString(16)} of ${ranges.join(' ')}`)
    }
  }
})

test('what touches is one range, and halves of pairs are no characters', () => {
  assert.deepEqual(merged([[5, 9], [1, 4], [12, 12]]), [[1, 9], [12, 12]]) // oxfmt-ignore
  assert.deepEqual(complement([[0, 0x7f]]), [[0x80, 0xd7ff], [0xe000, 0x10ffff]]) // oxfmt-ignore
})
