/** Bytes of pictures and clips: in memory while they are shown, in the history when they were sent. */
import type { ChatContent } from '../api/chat.ts'
import type { History, StoredMedium } from './history.ts'
import { mediaKind } from './media-kind.ts'
import { newId, type Medium } from './turns.ts'

export class MediaStore {
  readonly #blobs = new Map<string, Promise<Blob | null>>()
  readonly #texts = new WeakMap<Blob, Promise<string>>()
  #history: History | null = null

  attach(history: History): void {
    this.#history = history
  }

  /** A file as a medium, or null where it is neither picture nor clip. */
  async add(file: File): Promise<Medium | null> {
    const kind = await mediaKind(file)
    if (kind === null) return null
    const id = newId()
    this.#blobs.set(id, Promise.resolve(file))
    return { id, kind, name: file.name || kind, type: file.type, bytes: file.size }
  }

  /** What was sent, as it is kept beyond this visit. */
  async stored(media: readonly Medium[], conversation: string): Promise<StoredMedium[]> {
    const found = await Promise.all(
      media.map(async ({ id }) => ({ id, conversation, blob: await this.blob(id) })),
    )
    return found.flatMap(({ blob, ...one }) => (blob ? [{ ...one, blob }] : []))
  }

  blob(id: string): Promise<Blob | null> {
    const known = this.#blobs.get(id)
    if (known) return known
    const loaded = this.#history?.medium(id) ?? Promise.resolve(null)
    this.#blobs.set(id, loaded)
    return loaded
  }

  /** Media as parts of a message. Throws where one is gone. */
  async content(media: readonly Medium[]): Promise<ChatContent[]> {
    return Promise.all(
      media.map(async ({ id, kind, name }): Promise<ChatContent> => {
        const url = await this.dataUrl(id, name)
        return kind === 'image'
          ? { type: 'image_url', image_url: { url } }
          : { type: 'video_url', video_url: { url } }
      }),
    )
  }

  async dataUrl(id: string, name: string): Promise<string> {
    const blob = await this.blob(id)
    if (!blob) throw new Error(`${name} is no longer in this browser; attach it again.`)
    const known = this.#texts.get(blob)
    if (known) return known
    const text = readDataUrl(blob)
    this.#texts.set(blob, text)
    return text
  }
}

function readDataUrl(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.onload = () => resolve(reader.result as string)
    reader.onerror = () => reject(new Error('A file cannot be read any more; attach it again.'))
    reader.readAsDataURL(blob)
  })
}
