/** Any OpenAI-compatible server as judge. */
import { readChatReply } from '../serve/remote/chat-wire.ts'
import { dataUrl } from '../serve/remote/media-url.ts'
import type { Endpoint } from '../serve/remote/endpoint.ts'
import { isRow } from './eval-file.ts'
import type { Judge, JudgeReply, JudgeRequest } from './judge.ts'

export class EndpointJudge implements Judge {
  readonly name: string
  readonly place: string
  readonly identity: Judge['identity']
  readonly #endpoint: Endpoint
  readonly #model: string
  readonly #readPicture: (path: string) => Promise<Uint8Array>

  constructor(parts: {
    readonly endpoint: Endpoint
    readonly model: string
    readonly readPicture: (path: string) => Promise<Uint8Array>
  }) {
    this.name = parts.model
    this.place = plainAddress(parts.endpoint.url)
    this.identity = { kind: 'endpoint', model: parts.model, url: this.place }
    this.#endpoint = parts.endpoint
    this.#model = parts.model
    this.#readPicture = parts.readPicture
  }

  async ask(request: JudgeRequest, signal: AbortSignal | undefined): Promise<JudgeReply> {
    const body = {
      model: this.#model,
      messages: await this.#wireMessages(request),
      temperature: request.temperature,
      max_tokens: request.maxTokens,
    }
    const reply = await this.#endpoint.postChat(body, signal)
    const said = readChatReply(reply, this.#endpoint.url)
    const { text, promptTokens = 0, completionTokens = 0 } = said
    const isUncounted = said.promptTokens === undefined || said.completionTokens === undefined
    // More exact than the name that was asked for: `gpt-4o` is another model every few months.
    const model = isRow(reply) ? reply['model'] : null
    return {
      text,
      promptTokens,
      completionTokens,
      ...(isUncounted ? { isUncounted } : {}),
      ...(typeof model === 'string' ? { model } : {}),
      ...(this.#endpoint.isOwnTemperature ? { isOwnTemperature: true } : {}),
    }
  }

  /** Pictures go behind the text of the last message, as lmms-eval sends them. */
  async #wireMessages({ messages, images }: JudgeRequest): Promise<unknown[]> {
    const urls = await Promise.all(
      images.map(async (image) => {
        const bytes = image instanceof Uint8Array ? image : await this.#readPicture(image)
        return { type: 'image_url', image_url: { url: dataUrl(bytes) } }
      }),
    )
    return messages.map(({ role, content }, i) => {
      const isLast = i === messages.length - 1
      return {
        role,
        content: isLast && urls.length > 0 ? [{ type: 'text', text: content }, ...urls] : content,
      }
    })
  }
}

/** What of an address says whose model it is: two servers may call different models by one name. Names, passwords and keys are not in it. */
export function plainAddress(url: string): string {
  const { origin, pathname } = new URL(url)
  return `${origin}${pathname.replace(/\/+$/, '')}`
}
