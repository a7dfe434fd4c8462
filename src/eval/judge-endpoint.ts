/** Any OpenAI-compatible server as judge. */
import type { Endpoint } from './endpoint.ts'
import { dataUrl, readChatReply } from './endpoint-engine.ts'
import { isRow } from './eval-file.ts'
import type { Judge, JudgeReply, JudgeRequest } from './judge.ts'

export class EndpointJudge implements Judge {
  readonly name: string
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
    this.identity = { kind: 'endpoint', model: parts.model }
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
    const reply = await this.#endpoint.post('/chat/completions', body, signal)
    const usage = isRow(reply) && isRow(reply['usage']) ? reply['usage'] : {}
    const count = (name: string) => (typeof usage[name] === 'number' ? usage[name] : 0)
    return {
      text: readChatReply(reply, this.#endpoint.url).text,
      promptTokens: count('prompt_tokens'),
      completionTokens: count('completion_tokens'),
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
