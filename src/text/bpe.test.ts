import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { atOnce } from '../core/steps.ts'
import { Bpe, MAX_CACHED_BYTES, type BpeOptions } from './bpe.ts'
import { mergeSymbols } from './bpe-merge.ts'
import { mergesOfPieces, MergeTable } from './bpe-merges.ts'

/** The definition: scan for the lowest rank, leftmost first, until nothing merges. */
function mergeByDefinition(symbols: number[], merges: MergeTable): number[] {
  const result = [...symbols]
  for (;;) {
    let best = -1
    for (let i = 0; i + 1 < result.length; i++) {
      const entry = merges.find(result[i]!, result[i + 1]!)
      const other = best < 0 ? -1 : merges.find(result[best]!, result[best + 1]!)
      if (entry >= 0 && (best < 0 || merges.rank(entry) < merges.rank(other))) best = i
    }
    if (best < 0) return result
    const entry = merges.find(result[best]!, result[best + 1]!)
    result.splice(best, 2, merges.result(entry))
  }
}

const tables = fc
  .array(fc.tuple(fc.nat(7), fc.nat(7), fc.nat(11), fc.nat(9)), { maxLength: 30 })
  .map((rows) => {
    const table = new MergeTable(rows.length)
    for (const [left, right, rank, result] of rows) table.set(left, right, rank, result)
    return table
  })

test('merging short and long runs follows the definition', () => {
  const runs = fc.array(fc.nat(9), { maxLength: 120 })
  fc.assert(
    fc.property(tables, runs, (merges, symbols) => {
      const expected = mergeByDefinition(symbols, merges)
      assert.deepEqual(atOnce(mergeSymbols([...symbols], merges)), expected)
    }),
  )
})

test('a pair given twice keeps the rank that came last', () => {
  const table = new MergeTable(2)
  table.set(1, 2, 0, 3)
  table.set(1, 2, 7, 4)
  const entry = table.find(1, 2)
  assert.deepEqual([table.size, table.rank(entry), table.result(entry)], [1, 7, 4])
  assert.equal(table.find(2, 1), -1)
})

function optionsOf(pieces: readonly string[]): BpeOptions {
  const ids = new Map(pieces.map((piece, id) => [piece, id]))
  const order = pieces
    .map((piece, id) => ({ id, piece, isTie: false }))
    .filter(({ piece }) => piece.length > 1)
  return { ids, merges: mergesOfPieces(ids, order), unkId: pieces.length, fuseUnk: true }
}

test('cutting a text before ▁ changes no ids, whatever the vocabulary', () => {
  const piece = fc.string({ unit: fc.constantFrom('a', 'b', '▁'), minLength: 2, maxLength: 4 })
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '▁', 'z'), maxLength: 60 })
  fc.assert(
    fc.property(fc.uniqueArray(piece, { maxLength: 12 }), text, (pieces, input) => {
      const options = optionsOf(['a', 'b', '▁', ...pieces])
      const cut: number[] = []
      atOnce(new Bpe(options).encode([input], cut))
      // The whole run at once; neighbouring unknown characters share one unknown token.
      const symbols = input.match(/z+|./gu) ?? []
      const ids = symbols.map((char) => options.ids.get(char) ?? options.unkId!)
      assert.deepEqual(cut, mergeByDefinition(ids, options.merges))
    }),
    { numRuns: 400 },
  )
})

test('pieces of equal score merge leftmost first', () => {
  const ids = new Map(['a', 'b', 'c', 'ab', 'bc'].map((piece, id) => [piece, id]))
  const order = [
    { id: 4, piece: 'bc', isTie: false },
    { id: 3, piece: 'ab', isTie: true },
  ]
  assert.deepEqual(atOnce(mergeSymbols([0, 1, 2], mergesOfPieces(ids, order))), [3, 2])
})

test('halves are whole characters', () => {
  const ids = new Map([
    ['🙂', 0],
    ['🙂🙂', 1],
  ])
  const table = mergesOfPieces(ids, [{ id: 1, piece: '🙂🙂', isTie: false }])
  assert.equal(table.size, 1)
})

test('400,000 equal characters take no quadratic time, and pauses', { timeout: 30_000 }, () => {
  const pieces = ['a', 'aa', 'aaaa', 'aaaaaaaa']
  const ids: number[] = []
  const steps = new Bpe(optionsOf(pieces)).encode(['a'.repeat(400_000)], ids)
  assert.ok([...steps].length > 200)
  assert.equal(ids.length, 50_000)
})

test('words that are remembered take no more than their budget, however many come', () => {
  const bpe = new Bpe(optionsOf(['a', 'b', 'ab']))
  const word = (i: number) => i.toString(2).replaceAll('0', 'a').replaceAll('1', 'b')
  const ids = (text: string) => {
    const found: number[] = []
    atOnce(bpe.encode([text], found))
    return found
  }
  const first = ids(word(1))
  assert.ok(bpe.cachedBytes > 0)
  assert.deepEqual(ids(word(1)), first)
  for (let i = 0; i < 60_000; i++) {
    ids(word(i))
    assert.ok(bpe.cachedBytes <= MAX_CACHED_BYTES)
  }
  assert.deepEqual(ids(word(1)), first)
})
