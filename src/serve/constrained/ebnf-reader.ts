/**
 * Grammars as XGrammar 0.1.27 reads them, from those of GBNF: an alternative may be empty (`ws ::= | " " ws`), which XGrammar writes
 * as `""`. What it would follow without an end, or too deep for its stack, is refused here.
 *
 *     rule         name ::= alternatives
 *     alternatives sequence | sequence …
 *     sequence     parts, each a text, a class, a rule's name or a group, with * + ? {…} behind
 *
 * Source: github.com/ggml-org/llama.cpp, grammars/README.md.
 */

/** Groups in groups. */
const MOST_DEEP = 100

const TOKEN =
  /(?:\s+|#.*)|("(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|[\w.-]+|::=|\{[^{}]*\}|\(=|[()|*+?])/y

/** What has to end for a part to end: a rule by its name, or one of the sequences of a group. Other parts always end. */
type Part = string | Alternatives
type Alternatives = readonly (readonly Part[])[]
type Token = { readonly text: string; readonly end: number }

/** `text` is the grammar as it came where it cannot be read: XGrammar tells why. */
export function readEbnf(grammar: string): { readonly text: string } | { readonly fault: string } {
  const tokens = tokensOf(grammar)
  if (tokens === null) return { text: grammar }
  try {
    const reader = new EbnfReader(tokens)
    const endless = endlessRule(reader.rules())
    if (endless === null) return { text: withEmptyTexts(grammar, reader.empty) }
    return {
      fault: `has a rule that never ends, ${endless.slice(0, 60)}: whichever way it goes on, it needs itself or another such rule; give it an alternative that does not`,
    }
  } catch (error) {
    if (error instanceof TooDeep) return { fault: `has groups over ${MOST_DEEP} deep; nest less` }
    if (error instanceof Unread) return { text: grammar }
    throw error
  }
}

class TooDeep extends Error {}
class Unread extends Error {}

/** Without spaces and comments; null where something is no token. */
function tokensOf(grammar: string): Token[] | null {
  const tokens: Token[] = []
  for (let at = 0; at < grammar.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at
    const found = TOKEN.exec(grammar)
    if (!found) return null
    if (found[1] !== undefined) tokens.push({ text: found[1], end: TOKEN.lastIndex })
  }
  return tokens
}

class EbnfReader {
  /** Where empty sequences stand. */
  readonly empty: number[] = []
  readonly #tokens: readonly Token[]
  #at = 0
  #depth = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  rules(): Map<string, Alternatives> {
    const rules = new Map<string, Alternatives>()
    while (this.#next !== undefined) {
      if (!this.#isRule) throw new Unread()
      const name = this.#next
      this.#at += 2
      rules.set(name, this.#alternatives())
    }
    return rules
  }

  get #next(): string | undefined {
    return this.#tokens[this.#at]?.text
  }

  /** Whether a rule begins here, which is where the one before ends. */
  get #isRule(): boolean {
    return isName(this.#next ?? '') && this.#tokens[this.#at + 1]?.text === '::='
  }

  #alternatives(): Alternatives {
    const all = [this.#sequence()]
    while (this.#next === '|') {
      this.#at++
      all.push(this.#sequence())
    }
    return all
  }

  #sequence(): Part[] {
    const start = this.#at
    const parts: Part[] = []
    while (this.#next !== undefined && !/^[|)]$/.test(this.#next) && !this.#isRule) {
      const part = this.#part()
      if (!this.#mayBeLeftOut() && part !== null) parts.push(part)
    }
    if (this.#at === start) this.empty.push(this.#tokens[start - 1]?.end ?? 0)
    return parts
  }

  #part(): Part | null {
    const text = this.#next ?? ''
    this.#at++
    if (/^["[]/.test(text)) return null
    if (isName(text)) return text
    if (!text.startsWith('(')) throw new Unread()
    if (++this.#depth > MOST_DEEP) throw new TooDeep()
    const inside = this.#alternatives()
    if (this.#next !== ')') throw new Unread()
    this.#at++
    this.#depth--
    // What only has to follow is no part of the text.
    return text === '(=' ? null : inside
  }

  #mayBeLeftOut(): boolean {
    let mayBe = false
    for (; /^[*+?{]/.test(this.#next ?? ''); this.#at++) {
      mayBe ||= /^(?:[*?]|\{\s*0*\s*[,}])/.test(this.#next ?? '')
    }
    return mayBe
  }
}

function isName(text: string): boolean {
  return /^[\w.-]/.test(text)
}

/** A rule of which no text is whole, or null. A rule that is not there is left to XGrammar. */
function endlessRule(rules: ReadonlyMap<string, Alternatives>): string | null {
  const users = new Map<string, string[]>()
  for (const [name, body] of rules) {
    for (const used of namesIn(body)) {
      const known = users.get(used)
      if (known) known.push(name)
      else users.set(used, [name])
    }
  }
  const endless = new Set(rules.keys())
  const ends = (body: Alternatives): boolean =>
    body.some((parts) =>
      parts.every((part) => (typeof part === 'string' ? !endless.has(part) : ends(part))),
    )
  // A set gives each once, also what is added while it is gone through.
  const waiting = new Set(rules.keys())
  for (const name of waiting) {
    waiting.delete(name)
    if (!endless.has(name) || !ends(rules.get(name) ?? [])) continue
    endless.delete(name)
    for (const user of users.get(name) ?? []) waiting.add(user)
  }
  const [first = null] = endless
  return first
}

function namesIn(body: Alternatives): Set<string> {
  return new Set(
    body.flatMap((parts) =>
      parts.flatMap((part) => (typeof part === 'string' ? [part] : [...namesIn(part)])),
    ),
  )
}

function withEmptyTexts(grammar: string, places: readonly number[]): string {
  const cuts = [0, ...places, grammar.length]
  return cuts
    .slice(1)
    .map((end, i) => grammar.slice(cuts[i], end))
    .join(' "" ')
}
