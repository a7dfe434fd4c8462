/**
 * Calls out of the text of an answer while it grows.
 *
 * text ─▶ words for people, as soon as they cannot be the beginning of a call ─▶ calls, each when it is whole
 *
 * What looks like a call and is none (broken JSON, a name that was not offered) is words. White space around calls is
 * dropped; an answer without a call keeps every character.
 */
import type { ToolFormat } from '../../families/tool-format.ts'
import { isRecord } from '../faults.ts'
import { ARGUMENTS_NAME, CALL_MARKS, type CallMarks } from './call-format.ts'
import { elementTexts, fieldText, JsonEnd } from './json-scan.ts'

/** A call as the model wrote it. */
export type WrittenCall = {
  readonly name: string
  /** The text of a JSON object. */
  readonly arguments: string
}

export type ParsedPiece = { readonly text: string; readonly calls: readonly WrittenCall[] }

export class CallParser {
  readonly #marks: CallMarks
  readonly #argumentsName: string
  readonly #names: ReadonlySet<string>
  readonly #isParallel: boolean
  #buffer = ''
  /** What stands before the call that is being read, to be told if it is none; null: words are being read. */
  #opening: string | null
  #end = new JsonEnd()
  #isAtStart = true
  #isAfterCall = false
  #count = 0
  /** White space that is told with what follows, unless that is a call. */
  #space = ''
  #text = ''
  #calls: WrittenCall[] = []

  constructor(parts: {
    readonly format: ToolFormat
    /** What may be called. */
    readonly names: readonly string[]
    readonly isParallel: boolean
    /** The mark before calls is part of the prompt. */
    readonly isOpened?: boolean
  }) {
    this.#marks = CALL_MARKS[parts.format]
    this.#argumentsName = ARGUMENTS_NAME[parts.format]
    this.#names = new Set(parts.names)
    this.#isParallel = parts.isParallel
    this.#opening = parts.isOpened ? '' : null
  }

  push(text: string): ParsedPiece {
    this.#buffer += text
    while (this.#opening === null ? this.#readWords(false) : this.#readCall(false)) continue
    return this.#take()
  }

  /** What is left when the answer is over. */
  end(): ParsedPiece {
    while (this.#opening === null ? this.#readWords(true) : this.#readCall(true)) continue
    if (this.#count === 0) this.#text += this.#space
    return this.#take()
  }

  #take(): ParsedPiece {
    const piece = { text: this.#text, calls: this.#calls }
    this.#text = ''
    this.#calls = []
    return piece
  }

  /** Reads up to a call; gives whether one may begin. */
  #readWords(isEnd: boolean): boolean {
    const { open, isOptional, between } = this.#marks
    if (this.#buffer === '') return false
    if ((this.#isAtStart && isOptional) || (this.#isAfterCall && between)) {
      const first = this.#buffer.search(this.#isAfterCall ? /[^\s;]/ : /\S/)
      if (first < 0 && !isEnd) return false
      if (this.#buffer[first] === '{') return this.#begin(first, '')
    }
    const at = this.#buffer.indexOf(open)
    if (at >= 0) {
      this.#say(at)
      return this.#begin(0, open)
    }
    this.#say(this.#buffer.length - (isEnd ? 0 : beginningLength(this.#buffer, open)))
    return false
  }

  /** A call may begin behind `space` characters and the mark. */
  #begin(space: number, mark: string): true {
    this.#opening = this.#buffer.slice(0, space) + mark
    this.#buffer = this.#buffer.slice(this.#opening.length)
    this.#end = new JsonEnd()
    return true
  }

  /** Reads a call, or a list of them; gives whether to go on behind it. */
  #readCall(isEnd: boolean): boolean {
    const { isList, close } = this.#marks
    const start = this.#buffer.search(/\S/)
    if (start < 0) return isEnd && this.#giveUp()
    if (this.#buffer[start] !== (isList ? '[' : '{')) return this.#giveUp()
    const length = this.#end.find(this.#buffer.slice(start))
    if (length === null) return isEnd && this.#giveUp()
    const calls = this.#callsIn(this.#buffer.slice(start, start + length))
    if (!calls) return this.#giveUp()
    const rest = this.#buffer.slice(start + length)
    const behind = rest.trimStart()
    if (!isEnd && behind !== close && close.startsWith(behind)) return false
    this.#buffer = close !== '' && behind.startsWith(close) ? behind.slice(close.length) : rest
    this.#opening = null
    this.#isAfterCall = true
    this.#isAtStart = false
    this.#space = ''
    for (const call of calls) {
      if (this.#isParallel || this.#count === 0) this.#calls.push(call)
      this.#count++
    }
    return true
  }

  /** It was none: the mark is words, and so is what follows up to the next. */
  #giveUp(): true {
    const opening = this.#opening ?? ''
    this.#opening = null
    this.#isAtStart = false
    this.#isAfterCall = false
    const rest = this.#buffer
    this.#buffer = opening
    this.#say(opening.length)
    this.#buffer = rest
    if (opening === '' && rest !== '') this.#say(1)
    return true
  }

  #say(length: number): void {
    const words = this.#space + this.#buffer.slice(0, length)
    this.#buffer = this.#buffer.slice(length)
    const { length: end } = words.trimEnd()
    this.#text += words.slice(0, end)
    this.#space = words.slice(end)
    if (end > 0) this.#isAtStart = this.#isAfterCall = false
  }

  #callsIn(json: string): readonly WrittenCall[] | null {
    try {
      const value = JSON.parse(json) as unknown
      if (Array.isArray(value) && value.length === 0) return null
    } catch {
      return null
    }
    const calls = (this.#marks.isList ? elementTexts(json) : [json]).map((one) => this.#call(one))
    return calls.every((call) => call !== null) ? calls : null
  }

  #call(json: string): WrittenCall | null {
    const value = JSON.parse(json) as unknown
    if (!isRecord(value)) return null
    const { name, [this.#argumentsName]: given = {} } = value
    if (typeof name !== 'string' || !this.#names.has(name)) return null
    if (isRecord(given)) {
      return { name, arguments: fieldText(json, this.#argumentsName) ?? '{}' }
    }
    // Some models write the object as a text.
    return typeof given === 'string' && isObjectText(given) ? { name, arguments: given } : null
  }
}

function isObjectText(text: string): boolean {
  try {
    return isRecord(JSON.parse(text))
  } catch {
    return false
  }
}

/** How many of the last characters of `text` are a beginning of `mark`. */
function beginningLength(text: string, mark: string): number {
  for (let length = Math.min(mark.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(mark.slice(0, length))) return length
  }
  return 0
}
