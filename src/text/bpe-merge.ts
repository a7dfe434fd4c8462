/**
 * The merging itself: repeatedly the pair of lowest rank, the leftmost of equals, becomes one symbol.
 *
 * Words are short, and scanning them beats any structure; a run of thousands of symbols goes through a heap.
 */
import type { Steps } from '../core/steps.ts'
import type { MergeTable } from './bpe-merges.ts'

const MAX_SCANNED = 40

/** Symbols between two pauses. */
const SYMBOLS = 4096

/** Merges `symbols` (consumed) as far as the table allows, with pauses in a long run. */
export function* mergeSymbols(symbols: number[], merges: MergeTable): Steps<number[]> {
  if (symbols.length < 2) return symbols
  if (symbols.length <= MAX_SCANNED) return mergeScanning(symbols, merges)
  return yield* mergeHeap(symbols, merges)
}

function mergeScanning(symbols: number[], merges: MergeTable): number[] {
  const entries: number[] = []
  for (let i = 1; i < symbols.length; i++) {
    entries.push(merges.find(symbols[i - 1] as number, symbols[i] as number))
  }
  for (;;) {
    let best = -1
    let bestRank = Infinity
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i] as number
      if (entry < 0) continue
      const rank = merges.rank(entry)
      if (rank < bestRank) {
        bestRank = rank
        best = i
      }
    }
    if (best < 0) return symbols
    const merged = merges.result(entries[best] as number)
    symbols[best] = merged
    symbols.splice(best + 1, 1)
    entries.splice(best, 1)
    if (best > 0) entries[best - 1] = merges.find(symbols[best - 1] as number, merged)
    if (best < entries.length) entries[best] = merges.find(merged, symbols[best + 1] as number)
  }
}

/** Position and rank share one float64, so that the heap holds plain numbers: rank · 2^31 + position. */
const POSITIONS = 2 ** 31

function* mergeHeap(symbols: number[], merges: MergeTable): Steps<number[]> {
  const count = symbols.length
  const next = Int32Array.from({ length: count }, (_, i) => i + 1) // `count` ends the list
  const previous = Int32Array.from({ length: count }, (_, i) => i - 1)
  const isGone = new Uint8Array(count)
  const heap: number[] = []
  const offer = (at: number): void => {
    const entry = merges.find(symbols[at] as number, symbols[next[at] as number] as number)
    if (entry >= 0) push(heap, merges.rank(entry) * POSITIONS + at)
  }
  for (let i = 0; i + 1 < count; i++) {
    if (i % SYMBOLS === SYMBOLS - 1) yield
    offer(i)
  }
  for (let popped = 1; heap.length > 0; popped++) {
    if (popped % SYMBOLS === 0) yield
    const key = pop(heap)
    const at = key % POSITIONS
    const right = next[at] as number
    if (isGone[at] || right >= count) continue
    // What was offered may have changed since: its pair must still be of the rank it was offered with.
    const entry = merges.find(symbols[at] as number, symbols[right] as number)
    if (entry < 0 || merges.rank(entry) * POSITIONS + at !== key) continue
    symbols[at] = merges.result(entry)
    isGone[right] = 1
    const after = next[right] as number
    next[at] = after
    if (after < count) {
      previous[after] = at
      offer(at)
    }
    const before = previous[at] as number
    if (before >= 0) offer(before)
  }
  return symbols.filter((_, i) => !isGone[i])
}

function push(heap: number[], key: number): void {
  let child = heap.length
  heap.push(key)
  while (child > 0) {
    const parent = (child - 1) >> 1
    if ((heap[parent] as number) <= key) break
    heap[child] = heap[parent] as number
    child = parent
  }
  heap[child] = key
}

function pop(heap: number[]): number {
  const top = heap[0] as number
  const key = heap.pop() as number
  const count = heap.length
  if (count === 0) return top
  let parent = 0
  for (;;) {
    let child = 2 * parent + 1
    if (child >= count) break
    if (child + 1 < count && (heap[child + 1] as number) < (heap[child] as number)) child++
    if ((heap[child] as number) >= key) break
    heap[parent] = heap[child] as number
    parent = child
  }
  heap[parent] = key
  return top
}
