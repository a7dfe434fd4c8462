/** The bytes of an item, when its turn comes. Files that are used again and again stay open, a few of them. */
import { readFile, open, stat, type FileHandle } from 'node:fs/promises'
import { resolve } from 'node:path'
import { InputError } from '../core/errors.ts'
import { openParquetRows } from '../data/parquet-rows.ts'
import type { Rows } from '../data/rows.ts'
import { readAt } from '../data/tar-members.ts'
import type { ContentPart } from '../serve/messages.ts'
import type { FilePlace, ItemSource, LabelInput, MediaType } from './item.ts'
import { mediaOf } from './media-fields.ts'

export type ClipOptions = {
  readonly frames?: number | undefined
  readonly fps?: number | undefined
}

const MOST_OPEN = 16

export class ItemOpener {
  readonly #inputs: readonly LabelInput[]
  readonly #clip: ClipOptions
  readonly #open = new Map<number, Promise<{ close(): Promise<void> }>>()

  constructor(inputs: readonly LabelInput[], clip: ClipOptions) {
    this.#inputs = inputs
    this.#clip = clip
  }

  /** Media and text of an item as a message has them. Throws InputError or RecordFault for what cannot be read. */
  async read(source: ItemSource): Promise<ContentPart[]> {
    const input = this.#inputs[source.input]
    if (!input) throw new Error(`internal: there is no input ${source.input}`)
    switch (source.kind) {
      case 'files': {
        const parts = await Promise.all(source.media.map((one) => this.#file(one, input)))
        return [...parts, ...textPart(source.text ?? null)]
      }
      case 'members':
        return Promise.all(
          source.media.map(async ({ type, offset, bytes }) => {
            const file = await this.#shared(source.input, () => open(input.path))
            return this.#part(type, await readAt(file, offset, bytes))
          }),
        )
      case 'row': {
        const rows = await this.#shared<Rows>(source.input, () => openParquetRows(input.path, null))
        const row = await rows.read(source.row, `${input.name}, row ${source.row}`)
        const { media, text } = mediaOf(row, `${input.name}, row ${source.row}`)
        const parts = await Promise.all(
          media.map(({ type, reference }) =>
            typeof reference === 'string'
              ? this.#file({ type, path: resolve(input.path, '..', reference) }, input)
              : this.#part(type, reference),
          ),
        )
        return [...parts, ...textPart(text)]
      }
    }
  }

  async close(): Promise<void> {
    const all = [...this.#open.values()]
    this.#open.clear()
    for (const one of all) await (await one.catch(() => null))?.close()
  }

  /** Clips stay paths, since only some of their bytes may be needed; pictures are read once for all prompts. */
  async #file({ type, path }: FilePlace, input: LabelInput): Promise<ContentPart> {
    if (/^[a-z][a-z\d+.-]+:/i.test(path)) return this.#part(type, path)
    const whole = resolve(input.kind === 'manifest' ? '' : input.path, path)
    const about = await stat(whole).catch(() => null)
    if (!about) {
      throw new InputError('INPUT_LABEL_MEDIA', `label: there is no ${type} at ${whole}.`)
    }
    if (type === 'video' && (about.isDirectory() || !/\.gif$/i.test(whole))) {
      return this.#part(type, whole)
    }
    return this.#part(type, new Uint8Array(await readFile(whole)))
  }

  #part(type: MediaType, source: string | Uint8Array): ContentPart {
    if (type === 'image') return { type, image: source }
    const { frames, fps } = this.#clip
    return {
      type,
      video: source,
      ...(frames !== undefined && { frames }),
      ...(fps !== undefined && { fps }),
    }
  }

  /** The least recently used file is closed when there are too many. */
  async #shared<T extends { close(): Promise<void> } = FileHandle>(
    input: number,
    make: () => Promise<T>,
  ): Promise<T> {
    const known = this.#open.get(input) as Promise<T> | undefined
    const file = known ?? make()
    this.#open.delete(input)
    this.#open.set(input, file)
    const [oldest] = this.#open
    if (this.#open.size > MOST_OPEN && oldest) {
      this.#open.delete(oldest[0])
      // Whoever reads from it now may still do so.
      setTimeout(
        () => void oldest[1].then((one) => one.close()).catch(() => {}),
        CLOSE_LATER_MS,
      ).unref()
    }
    return file
  }
}

const CLOSE_LATER_MS = 60_000

function textPart(text: string | null): ContentPart[] {
  return text === null ? [] : [{ type: 'text', text }]
}
