/** Reads a regular expression without anchors and writes it as XGrammar 0.1.27 follows it; throws RegexFault where it cannot. */
import {
  anyBut,
  bracketClass,
  characterClass,
  namedClass,
  numberedAt,
  RegexFault,
} from './regex-class.ts'

/** Groups in groups. */
const MOST_DEEP = 100

export class RegexReader {
  readonly #characters: readonly string[]
  readonly #isJson: boolean
  #at = 0
  #depth = 0

  /** `isJson`: it stands in a JSON text, which it must not break. */
  constructor(body: string, isJson: boolean) {
    this.#characters = [...body]
    this.#isJson = isJson
  }

  whole(): { readonly text: string; readonly hasTopLevelChoice: boolean } {
    const alternatives = this.#alternatives()
    if (this.#at < this.#characters.length) throw new RegexFault('has a ) without its (')
    return { text: choice(alternatives), hasTopLevelChoice: alternatives.length > 1 }
  }

  get #next(): string | undefined {
    return this.#characters[this.#at]
  }

  #alternatives(): string[] {
    const all = [this.#sequence()]
    while (this.#next === '|') {
      this.#at++
      all.push(this.#sequence())
    }
    return all
  }

  #sequence(): string {
    let text = ''
    for (;;) {
      const next = this.#next
      if (next === undefined || next === '|' || next === ')') return text
      text += this.#atom(next) + this.#quantifier()
    }
  }

  #atom(character: string): string {
    if (character === '(') return this.#group()
    if (character === '[') return this.#class()
    if (character === '\\') return this.#escape()
    if (character === '^' || character === '$') throw new RegexFault('has an anchor in its middle')
    if (/[*+?]/.test(character)) throw new RegexFault(`has a ${character} behind nothing`)
    if (character === '{') throw new RegexFault('has a { that begins no count; write \\{ for it')
    this.#at++
    if (character === '.') return this.#isJson ? anyBut([], true) : '[^\\n]'
    if (this.#isJson && isEscapedInJson(character)) {
      throw new RegexFault('has a character that JSON escapes')
    }
    return character
  }

  #group(): string {
    const start = this.#characters.slice(this.#at, this.#at + 3).join('')
    if (/^\(\?[^:]/.test(start)) {
      throw new RegexFault(
        'looks ahead or back, names a group or sets a flag, which is not enforced',
      )
    }
    if (++this.#depth > MOST_DEEP) throw new RegexFault(`has groups over ${MOST_DEEP} deep`)
    const opening = start === '(?:' ? start : '('
    this.#at += opening.length
    const inside = choice(this.#alternatives())
    if (this.#next !== ')') throw new RegexFault('has a group that does not end')
    this.#at++
    this.#depth--
    return `${opening}${inside})`
  }

  /** Short or long, a repetition matches the same whole texts. */
  #quantifier(): string {
    const found = this.#quantifierAt()
    if (found === '') return ''
    this.#at += found.length
    if (this.#next === '?') this.#at++
    if (this.#quantifierAt() !== '') throw new RegexFault('has two repetitions of one thing')
    return found
  }

  #quantifierAt(): string {
    const next = this.#next ?? ''
    if (/^[*+?]$/.test(next)) return next
    if (next !== '{') return ''
    const ahead = this.#characters.slice(this.#at, this.#at + LONGEST_COUNT).join('')
    return /^\{\d+(?:,\d*)?\}/.exec(ahead)?.[0] ?? ''
  }

  #class(): string {
    const isNegated = this.#characters[this.#at + 1] === '^'
    const start = this.#at + (isNegated ? 2 : 1)
    let end = start
    while (end < this.#characters.length && this.#characters[end] !== ']') {
      end += this.#characters[end] === '\\' ? 2 : 1
    }
    if (end === start || end >= this.#characters.length) {
      throw new RegexFault('has a class that is empty or does not end')
    }
    this.#at = end + 1
    const inside = this.#characters.slice(start, end)
    return bracketClass(inside, { isNegated, isJson: this.#isJson })
  }

  #escape(): string {
    const letter = this.#characters[this.#at + 1] ?? ''
    const numbered = numberedAt(this.#characters, this.#at)
    this.#at = numbered?.end ?? this.#at + 2
    if (numbered) return characterClass(numbered.code, this.#isJson)
    const named = namedClass(letter, this.#isJson)
    if (named !== null) return named
    if (/^[nrtfv]$/.test(letter) && !this.#isJson) return `\\${letter}`
    if (/^[!-/:-@[-`{-~]$/.test(letter)) {
      if (!this.#isJson || !isEscapedInJson(letter)) return `\\${letter}`
    }
    throw new RegexFault(`has \\${letter}, which is not enforced`)
  }
}

/** Of a count in braces. */
const LONGEST_COUNT = 32

function isEscapedInJson(character: string): boolean {
  return character === '"' || character === '\\' || character < ' '
}

/** One of several; XGrammar knows no empty one. */
function choice(alternatives: readonly string[]): string {
  const full = alternatives.filter((one) => one !== '')
  const text = full.join('|')
  return full.length < alternatives.length && full.length > 0 ? `(?:${text})?` : text
}
