/**
 * Stop strings in a stream of text, wherever the borders of its pieces fall.
 *
 * The answer ends at the first character with which any stop string is complete; of several that are complete there the
 * longest counts. What is given out never holds a part of a stop string: an end of the text with which one could begin is
 * held back until it is clear. The result is the same for every way of cutting a text into pieces.
 * Matching: Knuth, Morris and Pratt, SIAM J. Comput. 6 (1977), one automaton per stop string.
 */

export type StopMatcher = {
  /** What is safe to give out after one more piece. Once `stop` is set the stream is over: nothing more may be pushed. */
  push(piece: string): { readonly text: string; readonly stop: string | undefined }
  /**
   * Looks ahead at text that is not certain yet; the next `push` begins again without it. U+FFFD in it is part of no stop
   * string: where the bytes are broken is what is not certain. Once `stop` is set, `text` is what was held back and is not
   * part of it.
   */
  look(piece: string): { readonly text: string; readonly stop: string | undefined }
  /** What was held back, now that no more comes. */
  end(): string
}

const BROKEN = '\ufffd'

/** A matcher for one answer. Stop strings must not be empty. */
export function createStopMatcher(stops: readonly string[]): StopMatcher {
  const patterns = stops.map(createPattern)
  let held = ''
  let looked: { readonly patterns: readonly Pattern[]; length: number } | null = null
  return {
    push(piece) {
      if (piece !== '') looked = null
      const text = held + piece
      for (let i = held.length; i < text.length; i++) {
        for (const pattern of patterns) advance(pattern, text[i] as string)
        const stop = longestComplete(patterns)
        if (stop === undefined) continue
        held = ''
        return { text: text.slice(0, i + 1 - stop.length), stop }
      }
      const clear = text.length - Math.max(0, ...patterns.map(({ matched }) => matched))
      held = text.slice(clear)
      return { text: text.slice(0, clear), stop: undefined }
    },
    look(piece) {
      looked ??= { patterns: patterns.map((pattern) => ({ ...pattern })), length: 0 }
      for (const character of piece.split('')) {
        looked.length++
        for (const pattern of looked.patterns) {
          if (character === BROKEN) pattern.matched = 0
          else advance(pattern, character)
        }
        const stop = longestComplete(looked.patterns)
        if (stop === undefined) continue
        const text = held.slice(0, held.length - Math.max(0, stop.length - looked.length))
        held = ''
        return { text, stop }
      }
      return { text: '', stop: undefined }
    },
    end() {
      const rest = held
      held = ''
      return rest
    },
  }
}

type Pattern = {
  readonly stop: string
  /** For each beginning of `stop`, by its length: the length of the longest shorter beginning that also ends it. */
  readonly borders: readonly number[]
  /** How many characters of `stop` the text so far ends with. */
  matched: number
}

function createPattern(stop: string): Pattern {
  const borders = [0, 0]
  let border = 0
  for (let i = 1; i < stop.length; i++) {
    while (border > 0 && stop[i] !== stop[border]) border = borders[border] as number
    if (stop[i] === stop[border]) border++
    borders.push(border)
  }
  return { stop, borders, matched: 0 }
}

function advance(pattern: Pattern, character: string): void {
  const { stop, borders } = pattern
  while (pattern.matched > 0 && stop[pattern.matched] !== character) {
    pattern.matched = borders[pattern.matched] as number
  }
  if (stop[pattern.matched] === character) pattern.matched++
}

function longestComplete(patterns: readonly Pattern[]): string | undefined {
  let longest: string | undefined
  for (const { stop, matched } of patterns) {
    if (matched === stop.length && stop.length > (longest?.length ?? 0)) longest = stop
  }
  return longest
}
