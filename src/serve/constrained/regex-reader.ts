/** Reads a regular expression without anchors; throws RegexFault where it says what is not enforced. */
import {
  anyBut,
  bracketClass,
  HALF,
  isEscapable,
  isHalf,
  namedClass,
  numberedAt,
  RegexFault,
} from './regex-class.ts'
import type { RegexTree } from './regex-tree.ts'
import type { Range } from './utf8-ranges.ts'

/** Groups in groups. */
const MOST_DEEP = 100

export class RegexReader {
  readonly #characters: readonly string[]
  readonly #isJson: boolean
  readonly #names = new Set<string>()
  #at = 0
  #depth = 0

  /** `isJson`: it stands in a JSON text, which it must not break. */
  constructor(body: string, isJson: boolean) {
    this.#characters = [...body]
    this.#isJson = isJson
  }

  whole(): { readonly tree: RegexTree; readonly hasTopLevelChoice: boolean } {
    if (this.#characters.some(isHalf)) throw new RegexFault(`has ${HALF}`)
    const alternatives = this.#alternatives()
    if (this.#at < this.#characters.length) throw new RegexFault('has a ) without its (')
    return { tree: choice(alternatives), hasTopLevelChoice: alternatives.length > 1 }
  }

  get #next(): string | undefined {
    return this.#characters[this.#at]
  }

  #alternatives(): RegexTree[] {
    const all = [this.#sequence()]
    while (this.#next === '|') {
      this.#at++
      all.push(this.#sequence())
    }
    return all
  }

  #sequence(): RegexTree {
    const parts: RegexTree[] = []
    for (;;) {
      const next = this.#next
      if (next === undefined || next === '|' || next === ')') return { kind: 'sequence', parts }
      parts.push(this.#repeated(this.#atom(next)))
    }
  }

  #atom(character: string): RegexTree {
    if (character === '(') return this.#group()
    return { kind: 'character', ranges: this.#character(character) }
  }

  #character(character: string): readonly Range[] {
    if (character === '[') return this.#class()
    if (character === '\\') return this.#escape()
    if (character === '^' || character === '$') throw new RegexFault('has an anchor in its middle')
    if (/[*+?]/.test(character)) throw new RegexFault(`has a ${character} behind nothing`)
    if (character === '{') throw new RegexFault('has a { that begins no count; write \\{ for it')
    this.#at++
    if (character === '.') return anyBut(this.#isJson ? [] : [LINE_FEED], this.#isJson)
    if (this.#isJson && isEscapedInJson(character)) {
      throw new RegexFault('has a character that JSON escapes')
    }
    return only(character)
  }

  #group(): RegexTree {
    const ahead = this.#characters.slice(this.#at, this.#at + LONGEST_NAME).join('')
    const [start, ...names] = GROUP.exec(ahead) ?? []
    if (start === undefined) throw new RegexFault(groupFault(ahead))
    const name = names.find((one) => one !== undefined)
    if (name !== undefined && this.#names.has(name)) {
      throw new RegexFault(`names two groups ${name}; give each its own name`)
    }
    if (name !== undefined) this.#names.add(name)
    if (++this.#depth > MOST_DEEP) throw new RegexFault(`has groups over ${MOST_DEEP} deep`)
    this.#at += [...start].length
    const inside = choice(this.#alternatives())
    if (this.#next !== ')') throw new RegexFault('has a group that does not end')
    this.#at++
    this.#depth--
    return inside
  }

  /** Short or long, a repetition matches the same whole texts. */
  #repeated(part: RegexTree): RegexTree {
    const found = this.#quantifierAt()
    if (found === '') return part
    this.#at += found.length
    if (this.#next === '?') this.#at++
    if (this.#quantifierAt() !== '') throw new RegexFault('has two repetitions of one thing')
    return { kind: 'repetition', part, ...counts(found) }
  }

  #quantifierAt(): string {
    const next = this.#next ?? ''
    if (/^[*+?]$/.test(next)) return next
    if (next !== '{') return ''
    const ahead = this.#characters.slice(this.#at, this.#at + LONGEST_COUNT).join('')
    return /^\{\d+(?:,\d*)?\}/.exec(ahead)?.[0] ?? ''
  }

  #class(): readonly Range[] {
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

  #escape(): readonly Range[] {
    const letter = this.#characters[this.#at + 1] ?? ''
    const numbered = numberedAt(this.#characters, this.#at)
    this.#at = numbered?.end ?? this.#at + 2
    if (numbered) {
      return bracketClass([...numbered.text], { isNegated: false, isJson: this.#isJson })
    }
    const named = namedClass(letter, this.#isJson)
    if (named !== null) return named
    const control = CONTROLS[letter]
    if (control !== undefined && !this.#isJson) return only(control)
    if (isEscapable(letter) && !(this.#isJson && isEscapedInJson(letter))) return only(letter)
    throw new RegexFault(`has \\${letter}, which is not enforced`)
  }
}

const LINE_FEED: Range = [10, 10]
const CONTROLS: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  f: '\f',
  v: '\v',
}

/** How a group begins; a name of ECMAScript's or Python's changes nothing about what matches. */
const GROUP =
  /^\((?:\?:|\?P<([\p{XID_Start}_]\p{XID_Continue}*)>|\?<([\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*)>|(?!\?))/u

/** With what is around it. */
const LONGEST_NAME = 256

function groupFault(ahead: string): string {
  if (/^\(\?<?[=!]/.test(ahead)) return 'looks ahead or back, which is not enforced'
  if (ahead.startsWith('(?P=')) return 'refers back to a group, which is not enforced'
  if (/^\(\?[a-z-]+[:)]/i.test(ahead)) {
    return `sets a flag, which is not enforced; write what it stands for, [aA] for an a of either case`
  }
  return `has ${ahead.slice(0, 8)}, which begins no group; write ( or (?: for one, \\( for a bracket`
}

/** Of a count in braces. */
const LONGEST_COUNT = 32

function counts(quantifier: string): { readonly least: number; readonly most: number } {
  if (quantifier === '?') return { least: 0, most: 1 }
  if (quantifier === '*' || quantifier === '+') {
    return { least: quantifier === '*' ? 0 : 1, most: Infinity }
  }
  const [least = '', most = least] = quantifier.slice(1, -1).split(',')
  return { least: Number(least), most: most === '' ? Infinity : Number(most) }
}

function only(character: string): readonly Range[] {
  const code = character.codePointAt(0) as number
  return [[code, code]]
}

function isEscapedInJson(character: string): boolean {
  return character === '"' || character === '\\' || character < ' '
}

function choice(ways: readonly RegexTree[]): RegexTree {
  const [only] = ways
  return ways.length === 1 && only ? only : { kind: 'choice', ways }
}
