/** Between an answer's text and whoever listens: calls are taken out of it. */
import type { ToolFormat } from '../../families/tool-format.ts'
import type { Answer, AnswerLogprob } from '../answer.ts'
import type { OnText } from '../generator.ts'
import { CallParser, type WrittenCall } from './call-parser.ts'
import type { ToolUse } from './tool-use.ts'

export class CallHearer {
  readonly #parser: CallParser
  readonly #onText: OnText
  readonly #calls: WrittenCall[] = []
  #text = ''
  /** Of text that was not passed on yet. */
  #logprobs: AnswerLogprob[] = []

  constructor({ tools, required, isParallel }: ToolUse, format: ToolFormat, onText: OnText) {
    const isOpened = format === 'mistral' && required !== null
    const names = tools.map(({ name }) => name)
    this.#parser = new CallParser({ format, names, isParallel, isOpened })
    this.#onText = onText
  }

  readonly hear: OnText = (text, logprobs) => {
    this.#logprobs.push(...logprobs)
    this.#pass(this.#parser.push(text))
  }

  /** The answer with its calls beside its words. */
  end(answer: Answer): Answer {
    this.#pass(this.#parser.end())
    const text = this.#calls.length > 0 ? this.#text : answer.text
    return { ...answer, text, toolCalls: this.#calls }
  }

  #pass({ text, calls }: ReturnType<CallParser['end']>): void {
    if (text === '' && calls.length === 0) return
    this.#text += text
    this.#calls.push(...calls)
    this.#onText(text, this.#logprobs.splice(0), calls)
  }
}
