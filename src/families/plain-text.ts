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
  readonly #free: string[]

  /**
   * `tags` are texts that mean something besides the tokenizer's control tokens; `texts` is everything that will be in
   * the prompt, what people wrote and the template.
   */
  constructor(tokenizer: Tokenizer, tags: readonly string[], texts: readonly string[]) {
    const controls = [
      ...tokenizer.addedTokens.filter(({ special }) => special).map(({ content }) => content),
      ...tags,
    ].filter((control) => control !== '')
    const written = texts.join('\n')
    this.#free = freeStandIns(written)
    for (const control of controls) {
      const first = firstOf(control)
      if (this.#standInOf.has(first) || !written.includes(first)) continue
      this.#standInOf.set(first, this.takeMark())
    }
    this.standIns = new Map([...this.#standInOf].map(([first, standIn]) => [standIn, first]))
    this.#controls = controls.length === 0 ? null : beginningOf(controls)
  }

  /** A character that is nowhere in the prompt. Throws InputError where the texts use all there are. */
  takeMark(): string {
    const mark = this.#free.pop()
    if (mark !== undefined) return mark
    throw new InputError(
      'INPUT_NONCHARACTERS',
      'messages: the text uses all of the noncharacters U+FDD0 to U+FDEF; remove them.',
    )
  }

  /** The texts of one message, which a template may put next to each other: a token may lie across two of them. */
  protect(texts: readonly string[]): string[] {
    const starts = new Set<number>()
    if (this.#controls) {
      for (const { index } of texts.join('').matchAll(this.#controls)) starts.add(index)
    }
    if (starts.size === 0) return [...texts]
    let end = 0
    return texts.map((text) => {
      const begin = end
      end += text.length
      return text.replace(/[^]/gu, (character, at: number) =>
        starts.has(begin + at) ? (this.#standInOf.get(character) ?? character) : character,
      )
    })
  }

  /** The text as people wrote it. */
  reveal(text: string): string {
    let revealed = text
    for (const [standIn, first] of this.standIns) revealed = revealed.replaceAll(standIn, first)
    return revealed
  }
}

function firstOf(control: string): string {
  return String.fromCodePoint(control.codePointAt(0) ?? 0)
}

function freeStandIns(written: string): string[] {
  return Array.from({ length: STAND_INS }, (_, i) => String.fromCharCode(FIRST_STAND_IN + i))
    .filter((standIn) => !written.includes(standIn))
    .reverse()
}

/** Every place where a control token begins, be it inside of another. */
function beginningOf(controls: readonly string[]): RegExp {
  const escaped = controls.map((text) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'))
  return new RegExp(`(?=${escaped.join('|')})`, 'gu')
}
