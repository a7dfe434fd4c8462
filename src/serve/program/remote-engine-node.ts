/**
 * Programs on a server somewhere else: ours, vLLM, SGLang, or any that speaks OpenAI's words.
 *
 * Branches send the same beginning, byte by byte, for the server's own cache to find. `select` is a constraint there: the
 * server's choice among the texts, since no API gives the log-probabilities of texts that were not written.
 */
import { InputError } from '../../core/errors.ts'
import { isRecord } from '../faults.ts'
import type { ContentPart, ImageSource, Message } from '../messages.ts'
import { resolveLocalPicture } from '../picture-source.ts'
import { resolveLocalClip } from '../video-source.ts'
import { mapParts } from '../remote/chat-wire.ts'
import { encodePng } from '../remote/encode-png.ts'
import { sendClip } from '../remote/send-clip-node.ts'
import type { GenerateRequest } from '../request.ts'
import type { ProgramEngine, Selected } from './program-engine.ts'
import { RecentFiles } from './recent-files-node.ts'
import { RemoteServer, type RemoteAddress } from './remote-server.ts'

/** Throws as `RemoteServer.connect`. */
export async function connectRemote(
  address: RemoteAddress,
  signal: AbortSignal,
): Promise<ProgramEngine> {
  return new RemoteEngine(await RemoteServer.connect(address, signal))
}

class RemoteEngine implements ProgramEngine {
  readonly #server: RemoteServer
  /** Of forms the server knows OpenAI's alone. */
  readonly #hasPlainWords: boolean
  readonly #files = new RecentFiles()

  constructor(server: RemoteServer) {
    this.#server = server
    this.#hasPlainWords = server.kind === 'openai'
  }

  async generate(request: GenerateRequest, onText: (text: string) => void) {
    const messages = 'messages' in request ? await this.#sent(request.messages) : []
    return this.#server.ask({ ...request, messages }, onText)
  }

  async select({
    call,
    messages,
    choices,
    signal,
  }: Parameters<ProgramEngine['select']>[0]): Promise<Selected> {
    const schema = {
      type: 'object',
      properties: { choice: { enum: choices } },
      required: ['choice'],
    }
    const responseFormat = this.#hasPlainWords
      ? ({ type: 'json_schema', schema } as const)
      : ({ type: 'choice', choices } as const)
    const longest = AROUND_CHOICE + Math.max(...choices.map(mostTokensOf))
    const maxTokens = Math.min(longest, this.#server.mostTokens ?? Infinity)
    const request = { messages: await this.#sent(messages), responseFormat, maxTokens, signal }
    const { text, usage, finishReason } = await this.#server.ask(
      { ...request, temperature: 0 },
      () => {},
    )
    const index = choices.indexOf(this.#hasPlainWords ? chosenIn(text) : text)
    if (index >= 0) return { index, scores: null, probabilities: null, usage }
    const why =
      finishReason === 'length'
        ? `its ${maxTokens} tokens were over; allow it more, or shorten the choices.`
        : 'does it enforce forms?'
    throw new InputError(
      'INPUT_ENDPOINT_REPLY',
      `${call}: the server should answer with one of the choices, ${JSON.stringify(text.slice(0, 80))} came; ${why}`,
    )
  }

  /** Media as bytes. */
  #sent(messages: readonly Message[]): Promise<Message[]> {
    return mapParts(messages, (part) => this.#part(part))
  }

  async #part(part: ContentPart): Promise<ContentPart> {
    if (part.type === 'text') return part
    if (part.type === 'video') return this.#clip(part)
    const { image_url: given } = part.type === 'image_url' ? part : { image_url: null }
    const source =
      part.type === 'image' ? part.image : typeof given === 'string' ? given : given?.url
    return { type: 'image', image: await this.#picture(source ?? '') }
  }

  async #picture(source: ImageSource): Promise<Uint8Array> {
    const local = resolveLocalPicture(source)
    if (local instanceof Uint8Array) return local
    if (local instanceof Blob) return new Uint8Array(await local.arrayBuffer())
    if (typeof local === 'string' || local instanceof URL) return this.#file(local)
    return encodePng(local)
  }

  async #clip(part: Extract<ContentPart, { type: 'video' }>): Promise<ContentPart> {
    const source = resolveLocalClip(part.video)
    if (source instanceof URL && source.protocol !== 'file:') throw notFetched(source)
    const readFile = (path: string) => this.#file(path)
    const sent = await sendClip({ ...part, video: source }, { kind: this.#server.kind, readFile })
    return { type: 'video', ...sent }
  }

  async #file(path: string | URL): Promise<Uint8Array> {
    if (path instanceof URL && path.protocol !== 'file:') throw notFetched(path)
    try {
      return await this.#files.read(path)
    } catch (error) {
      throw new InputError(
        'INPUT_MEDIA_FILE',
        `program: ${String(path)} cannot be read (${(error as Error).message}); check the path.`,
        { cause: error },
      )
    }
  }
}

/** Of a key and the end, where the choice stands in JSON. */
const AROUND_CHOICE = 16

/** A token has one byte at least, and a choice is never longer than it is in JSON. */
function mostTokensOf(choice: string): number {
  return new TextEncoder().encode(JSON.stringify(choice)).length
}

function notFetched({ origin }: URL): InputError {
  return new InputError(
    'INPUT_IMAGE_REMOTE',
    `program: ${origin} is not fetched for a server; give the file's bytes or path.`,
  )
}

function chosenIn(text: string): string {
  try {
    const value = JSON.parse(text) as unknown
    return isRecord(value) ? String(value['choice']) : ''
  } catch {
    return ''
  }
}
