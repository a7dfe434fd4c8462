/**
 * How large a regular expression or a grammar is when its counted repetitions are written out: what stands side by side
 * adds up, what is nested multiplies.
 */

/** Larger ones could take more memory than there is. */
const MOST_WRITTEN = 1e6

/** Groups, counts and what is repeated; spaces of a grammar are between tokens. */
const TOKENS = {
  regex: /\\.|\[(?:\\.|[^\]\\])*\]|\{(\d+)(?:,(\d*))?\}|./gsu,
  ebnf: /#.*|"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|\{\s*(\d+)\s*(?:,\s*(\d*)\s*)?\}|[\w.-]+|[()]/g,
} as const

/** Why a text is too large, or null. */
export function sizeFault(text: string, kind: keyof typeof TOKENS): string | null {
  const size = writtenSize(text, kind)
  if (size <= MOST_WRITTEN) return null
  return `repeats too much: written out it has ${size} parts, and ${MOST_WRITTEN} may be; make the counts in { } smaller, or write + or * for them`
}

function writtenSize(text: string, kind: keyof typeof TOKENS): number {
  const outer: number[] = []
  let [sum, last] = [0, 0]
  for (const [token, least, most] of text.matchAll(TOKENS[kind])) {
    if (token === '(') {
      outer.push(sum)
      sum = 0
      continue
    }
    if (least !== undefined) {
      const times = Math.max(1, Number(most || least))
      sum += last * (times - 1)
      last *= times
      continue
    }
    last = token === ')' ? sum : ownSize(token)
    sum = token === ')' ? sum + (outer.pop() ?? 0) : sum + last
  }
  return sum + outer.reduce((a, b) => a + b, 0)
}

function ownSize(token: string): number {
  if (token.startsWith('#')) return 0
  return token.startsWith('"') ? Math.max(1, token.length - 2) : 1
}
