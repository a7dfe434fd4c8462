/** What was said so far, and what waits to be said with the next question. */
import type { Answer, ContentPart, Message } from '../index.ts'
import type { samplingOptions } from './load-flags.ts'

export type Turn = {
  readonly prompt: string
  readonly images: readonly string[]
  readonly videos: readonly string[]
  readonly answer: Answer
}

export class Conversation {
  readonly turns: Turn[] = []
  /** Which frames of a clip are taken. */
  readonly sampling: ReturnType<typeof samplingOptions>
  readonly #system: readonly Message[]
  #messages: Message[] = []
  #images: string[] = []
  #videos: string[] = []

  constructor(system: string | undefined, sampling: ReturnType<typeof samplingOptions> = {}) {
    this.sampling = sampling
    this.#system = system === undefined ? [] : [{ role: 'system', content: system }]
  }

  /** All pictures of the conversation, those that wait last. */
  get images(): string[] {
    const parts = this.#messages.flatMap(({ content }) =>
      typeof content === 'string' ? [] : content,
    )
    const asked = parts.flatMap((part) => (part.type === 'image' ? [String(part.image)] : []))
    return [...asked, ...this.#images]
  }

  addImage(file: string): void {
    this.#images.push(file)
  }

  addVideo(file: string): void {
    this.#videos.push(file)
  }

  /** Everything so far and `prompt` with the pictures that wait. Nothing is kept until `keep`. */
  messagesWith(prompt: string): Message[] {
    return [...this.#system, ...this.#messages, this.#userMessage(prompt)]
  }

  /** The question was answered: both are part of the conversation. An answer without a word leaves no trace in it. */
  keep(prompt: string, answer: Answer): void {
    this.turns.push({ prompt, images: this.#images, videos: this.#videos, answer })
    if (answer.text === '') return
    this.#messages.push(this.#userMessage(prompt), { role: 'assistant', content: answer.text })
    this.#images = []
    this.#videos = []
  }

  reset(): void {
    this.#messages = []
    this.#images = []
    this.#videos = []
  }

  /** Pictures and clips that wait for the next question are dropped, because they could not be used. */
  dropMedia(): void {
    this.#images = []
    this.#videos = []
  }

  #userMessage(prompt: string): Message {
    const content: ContentPart[] = [
      ...this.#images.map((image) => ({ type: 'image', image }) as const),
      ...this.#videos.map((video) => ({ type: 'video', video, ...this.sampling }) as const),
      { type: 'text', text: prompt },
    ]
    return { role: 'user', content }
  }
}
