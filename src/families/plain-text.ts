/**
 * Keeps people's words from being read as control tokens.
 *
 * The first character of anything in their text that looks like a control token is replaced by a stand-in, a
 * noncharacter that no text holds; the template sees an ordinary text, and the tokenizer turns stand-ins back only after
 * it has looked for control tokens.
 */
import { InputError } from '../core/errors.ts'
import type { Tokenizer } from '../text/tokenizer.ts'

/** Unicode's noncharacters U+FDD0 to U+FDEF: never part of interchanged text. */
const FIRST_STAND_IN = 0xfdd0
const STAND_INS = 32

export class PlainText {
  /** From a stand-in to the character it stands for. */
  readonly standIns: ReadonlyMap<string, string>
  readonly #controls: RegExp | null
  readonly #standInOf = new Map<string, string>()

  /** `tags` are texts that mean something besides the tokenizer's control tokens; `texts` is everything people wrote. */
  constructor(tokenizer: Tokenizer, tags: readonly string[], texts: unknown) {
    const controls = [
      ...tokenizer.addedTokens.filter(({ special }) => special).map(({ content }) => content),
      ...tags,
    ]
    const written = JSON.stringify(texts) ?? ''
    const free = freeStandIns(written)
    for (const control of controls) {
      const first = String.fromCodePoint(control.codePointAt(0) ?? 0)
      if (this.#standInOf.has(first) || !written.includes(first)) continue
      const standIn = free.pop()
      if (standIn === undefined) throw tooManyNoncharacters()
      this.#standInOf.set(first, standIn)
    }
    this.standIns = new Map([...this.#standInOf].map(([first, standIn]) => [standIn, first]))
    this.#controls = controls.length === 0 ? null : alternatives(controls)
  }

  protect(text: string): string {
    if (!this.#controls) return text
    return text.replace(this.#controls, (control) => {
      const first = String.fromCodePoint(control.codePointAt(0) ?? 0)
      return (this.#standInOf.get(first) ?? first) + control.slice(first.length)
    })
  }

  /** The text as people wrote it. */
  reveal(text: string): string {
    let revealed = text
    for (const [standIn, first] of this.standIns) revealed = revealed.replaceAll(standIn, first)
    return revealed
  }
}

function freeStandIns(written: string): string[] {
  return Array.from({ length: STAND_INS }, (_, i) => String.fromCharCode(FIRST_STAND_IN + i))
    .filter((standIn) => !written.includes(standIn))
    .reverse()
}

function alternatives(controls: readonly string[]): RegExp {
  const longestFirst = [...controls].sort((a, b) => b.length - a.length)
  const escaped = longestFirst.map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(escaped.join('|'), 'g')
}

function tooManyNoncharacters(): InputError {
  return new InputError(
    'INPUT_NONCHARACTERS',
    'messages: the text uses all of the noncharacters U+FDD0 to U+FDEF; remove them.',
  )
}
