/** `llava chat`: a conversation in the terminal, or a scripted one from stdin. */
import { anySignal } from '../core/any-signal.ts'
import { LlavaError } from '../core/errors.ts'
import type { Answer, GenerateOptions, Model } from '../index.ts'
import type { Arguments } from './arguments.ts'
import { COMMANDS, commandOf, type ChatContext } from './chat-commands.ts'
import { Conversation } from './conversation.ts'
import { GENERATE_OPTIONS, generateOptions } from './generate-flags.ts'
import { Interruption } from './interrupt.ts'
import { LineReader } from './line-reader.ts'
import { LOAD_OPTIONS, loadFromFlags, SAMPLING_OPTIONS, samplingOptions } from './load-flags.ts'
import { showAnswer } from './show-answer.ts'
import { UsageError } from './usage-error.ts'
import type { Session, Verb } from './verb.ts'

export const chat: Verb = {
  options: [
    {
      name: 'image',
      short: 'i',
      kind: 'texts',
      value: 'file',
      about: 'A picture for the first question; repeat for more',
    },
    { name: 'system', kind: 'text', value: 'text', about: 'The system message' },
    ...SAMPLING_OPTIONS,
    ...LOAD_OPTIONS,
    ...GENERATE_OPTIONS,
  ],
  examples: [
    'chat --image kitchen.jpg',
    'chat --temperature 0.7 --max-tokens 512',
    'chat --image kitchen.jpg --json < questions.txt',
  ],
  async run(args, session) {
    const options = generateOptions(args)
    if ((options.n ?? 1) > 1) throw new UsageError('a chat goes on from one answer; leave out --n.')
    const { model, name, loadMs } = await loadFromFlags(args, session)
    try {
      const conversation = new Conversation(args.text('system'), samplingOptions(args))
      const chatter = new Chatter({ args, options, model, conversation, session })
      await chatter.talk()
      const { precision, device } = model
      const made = { model: name, precision: precision.name, device, loadMs }
      if (session.terminal.isJson) session.terminal.json({ turns: conversation.turns, ...made })
    } finally {
      await model.dispose()
    }
  },
}

type Parts = {
  readonly args: Arguments
  readonly options: GenerateOptions
  readonly model: Model
  readonly conversation: Conversation
  readonly session: Session
}

class Chatter {
  readonly #parts: Parts
  readonly #context: ChatContext
  readonly #reader: LineReader
  /** Stops the answer that is being given. */
  #answering: AbortController | null = null
  /** The next Ctrl-C ends the program. */
  #isLeaving = false
  readonly #left = new AbortController()

  constructor(parts: Parts) {
    this.#parts = parts
    const { args, model, conversation, session } = parts
    const { terminal } = session
    this.#context = { model, conversation, terminal, isOrienting: args.flag('auto-orient') }
    this.#reader = new LineReader(session, () => this.#interrupt())
  }

  /** Reads and answers until the end of the input, /exit, or Ctrl-C at an empty prompt. */
  async talk(): Promise<void> {
    const { session } = this.#parts
    const leaving = new Promise<never>((_, reject) => {
      this.#left.signal.addEventListener('abort', () => reject(this.#left.signal.reason as Error))
      session.signal.addEventListener('abort', () => reject(session.signal.reason as Error))
    })
    try {
      await Promise.race([this.#converse(), leaving])
    } finally {
      this.#reader.close()
    }
  }

  async #converse(): Promise<void> {
    const { args, session } = this.#parts
    const { terminal } = session
    if (this.#reader.isTyped) terminal.note('Ask away. /help shows what else there is.')
    for (const file of args.texts('image')) {
      await this.#reporting(() => COMMANDS['image']?.run(`"${file}"`, this.#context))
    }
    for (;;) {
      const line = await this.#readLine(terminal.style('bold', '> '))
      this.#isLeaving = false
      if (line === null) return
      if (line.trim() === '') continue
      if (commandOf(line)) {
        if ((await this.#command(line)) === 'exit') return
      } else await this.#turn(line)
    }
  }

  /** A line, with those that it goes on in. */
  async #readLine(prompt: string): Promise<string | null> {
    const line = await this.#reader.read(prompt)
    if (line === null || !line.endsWith('\\')) return line
    const rest = await this.#readLine('… ')
    return rest === null ? line.slice(0, -1) : `${line.slice(0, -1)}\n${rest}`
  }

  async #command(line: string): Promise<'exit' | void> {
    const { name = '', argument = '' } = commandOf(line) ?? {}
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
    if (!command) {
      this.#parts.session.terminal.note(`There is no /${name}; /help shows what there is.`)
      return
    }
    return this.#reporting(() => command.run(argument, this.#context))
  }

  async #turn(prompt: string): Promise<void> {
    const { conversation } = this.#parts
    const answer = await this.#reporting(() => this.#answer(prompt))
    if (answer) conversation.keep(prompt, answer)
    // Whatever was wrong with them would be wrong again with the next question.
    else conversation.dropMedia()
  }

  async #answer(prompt: string): Promise<Answer> {
    const { model, conversation, options, session } = this.#parts
    const { terminal } = session
    const controller = new AbortController()
    this.#answering = controller
    try {
      const signal = anySignal(controller.signal, session.signal)
      const request = { messages: conversation.messagesWith(prompt), ...options, signal }
      const answer = terminal.isJson
        ? await model.generate(request)
        : await showAnswer(model, request, terminal)
      if (answer.finishReason === 'abort') terminal.note('(stopped)')
      return answer
    } finally {
      this.#answering = null
    }
  }

  /** Does something that may fail by what the user gave: the conversation goes on then. */
  async #reporting<T>(work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof LlavaError)) throw error
      const { terminal } = this.#parts.session
      terminal.note(`${terminal.style('red', 'error:', 'stderr')} ${error.message} [${error.code}]`)
      return undefined
    }
  }

  /** Ctrl-C stops the answer; without one it clears the line; twice at an empty prompt it ends the program. */
  #interrupt(): void {
    if (this.#answering) return this.#answering.abort()
    if (this.#reader.isTyped && this.#reader.typed !== '') return this.#reader.clear()
    if (this.#isLeaving || !this.#reader.isTyped) {
      return this.#left.abort(new Interruption('SIGINT'))
    }
    this.#isLeaving = true
    this.#parts.session.terminal.note('\n(Ctrl-C once more or /exit ends the program.)')
    this.#reader.prompt()
  }
}
