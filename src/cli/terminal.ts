/** The terminal: answers on stdout, everything else on stderr, colours where they are wanted. */
import { styleText } from 'node:util'
import type { Environment } from '../core/set-variables.ts'

export type Colour = Parameters<typeof styleText>[0]

export type TerminalStreams = {
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
}

/** All but tab and line feed: C0, DEL and C1. */
// eslint-disable-next-line no-control-regex
const CONTROL_CHARACTERS = /[\0-\x08\x0b-\x1f\x7f-\x9f]/g

export class Terminal {
  readonly streams: TerminalStreams
  /** stdout is a JSON object for a program; people read stderr. */
  isJson = false
  readonly #hasColour: boolean
  #hasPrintedJson = false

  constructor(streams: TerminalStreams, environment: Environment) {
    this.streams = streams
    // https://no-color.org: set and not empty, whatever it is set to.
    this.#hasColour = !environment['NO_COLOR'] && environment['TERM'] !== 'dumb'
  }

  /** Whether a person reads stdout while it is written. */
  get isInteractive(): boolean {
    return this.streams.stdout.isTTY === true && !this.isJson
  }

  write(text: string): void {
    this.streams.stdout.write(text)
  }

  /** What a model wrote. Control characters would let it move the cursor or rename the window: a terminal gets none. */
  writeForeign(text: string): void {
    this.write(this.streams.stdout.isTTY ? text.replace(CONTROL_CHARACTERS, '\ufffd') : text)
  }

  print(line = ''): void {
    this.write(`${line}\n`)
  }

  /** The object that `--json` promises. The first one counts: an error after it shows in the exit code. */
  json(value: unknown): void {
    if (this.#hasPrintedJson) return
    this.#hasPrintedJson = true
    this.write(`${JSON.stringify(value, null, this.streams.stdout.isTTY ? 2 : undefined)}\n`)
  }

  /** A line for people, on stderr. */
  note(line: string): void {
    this.streams.stderr.write(`${line}\n`)
  }

  /** `text` in a colour where `stream` shows them. */
  style(colour: Colour, text: string, stream: 'stdout' | 'stderr' = 'stdout'): string {
    const isShown = this.#hasColour && this.streams[stream].isTTY === true
    return isShown && text !== '' ? styleText(colour, text) : text
  }
}
