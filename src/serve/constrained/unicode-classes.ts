/** What Python's `\d` and `\w` match in all scripts, as ranges for what is to be none of it. */
import type { Range } from './utf8-ranges.ts'

/** Beyond it there are ideographs alone, and no digits. */
const LAST_MIXED = 0x1ffff
const IDEOGRAPHS: Range = [0x20000, 0x3ffff]
/** Every character is looked at up to here. */
const LAST_LATIN = 0x2ff
/** So few characters between two others are left out with them: each range makes an automaton larger. */
const SMALL_GAP = 16

export const digitsOfAllScripts = once(() => rangesOf(/\p{Nd}/u))
export const wordsOfAllScripts = once(() => [...rangesOf(/[\p{L}\p{N}_]/u), IDEOGRAPHS])

function rangesOf(one: RegExp): readonly Range[] {
  const ranges: [number, number][] = []
  for (let code = 0; code <= LAST_MIXED; code++) {
    if (!one.test(String.fromCodePoint(code))) continue
    const last = ranges.at(-1)
    const reach = code <= LAST_LATIN ? 1 : SMALL_GAP
    if (last && code - last[1] <= reach) last[1] = code
    else ranges.push([code, code])
  }
  return ranges
}

/** Looking takes a while, and few expressions ask for it. */
function once<T>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}
