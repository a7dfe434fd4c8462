/** The bytes of an item, when its turn comes. */
import { open, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { InputError } from '../core/errors.ts'
import { readFileWhole } from '../core/read-file-whole-node.ts'
import { openParquetRows } from '../data/parquet-rows.ts'
import { RecordFault } from '../data/record-fault.ts'
import type { Row } from '../data/row-format.ts'
import type { Rows } from '../data/rows.ts'
import { readAt } from '../data/tar-members.ts'
import { isMangled, RENAME } from '../data/walk-files.ts'
import { clipInfoOf } from '../preprocess/frames-node.ts'
import type { ContentPart } from '../serve/messages.ts'
import type { FilePlace, ItemSource, LabelInput, MediaType, MemberPlace } from './item.ts'
import { FewOpen } from './few-open.ts'
import { mediaOf } from './media-fields.ts'
import { baseOf, isAddress, pathOf } from './list-items-node.ts'
import type { ShardFiles } from './shard-files-node.ts'

export type ClipOptions = {
  readonly frames?: number | undefined
  readonly fps?: number | undefined
  readonly forceSample?: boolean | undefined
}

export type OpenerOptions = {
  readonly clip: ClipOptions
  /** Where the paths of tables begin; else beside the table. */
  readonly media: string | undefined
  readonly shards: ShardFiles
}

/** A table keeps some of its blocks in memory; rows come in their order, so two of them are enough. */
const MOST_TABLES = 2

export class ItemOpener {
  readonly #inputs: readonly LabelInput[]
  readonly #clip: ClipOptions
  readonly #media: string | undefined
  readonly #shards: ShardFiles
  readonly #tables = new FewOpen<Rows>({
    most: MOST_TABLES,
    open: (path) => openParquetRows(path, null),
    close: (rows) => rows.close(),
  })

  /** Whoever made `shards` closes them. */
  constructor(inputs: readonly LabelInput[], { clip, media, shards }: OpenerOptions) {
    this.#inputs = inputs
    this.#clip = clip
    this.#media = media
    this.#shards = shards
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
        return this.#members(source.media, input)
      case 'row':
        return this.#row(source, input)
      case 'unusable':
        throw new RecordFault(source.fault, source.message)
    }
  }

  close(): Promise<void> {
    return this.#tables.close()
  }

  async #members(media: readonly MemberPlace[], input: LabelInput): Promise<ContentPart[]> {
    await using shard = await this.#shards.borrow(input.path)
    const parts: ContentPart[] = []
    for (const { type, offset, bytes } of media) {
      parts.push(this.#part(type, await readAt(shard.file, offset, bytes)))
    }
    return parts
  }

  async #row({ row }: { readonly row: number }, input: LabelInput): Promise<ContentPart[]> {
    const where = `${input.name}, row ${row}`
    const content = await this.#rowOf(input, row, where)
    const { media, text } = mediaOf(content, where)
    const base = baseOf(input, this.#media)
    const parts = await Promise.all(
      media.map(({ type, reference }) =>
        typeof reference === 'string'
          ? this.#file({ type, path: pathOf(reference, base) }, input)
          : this.#part(type, reference),
      ),
    )
    return [...parts, ...textPart(text)]
  }

  async #rowOf({ path }: LabelInput, row: number, where: string): Promise<Row> {
    await using table = await this.#tables.borrow(path)
    return table.file.read(row, where)
  }

  /** Clips stay paths, since only some of their bytes may be needed; pictures are read once for all prompts. */
  async #file({ type, path }: FilePlace, input: LabelInput): Promise<ContentPart> {
    // The names of files in folders are names, whatever they look like.
    const isNamed = input.kind === 'manifest' || input.kind === 'parquet'
    if (isNamed && isAddress(path)) return this.#part(type, path)
    const whole = resolve(isNamed ? '' : input.path, path)
    const about = await stat(whole).catch((cause) => {
      throw isMissing(cause) ? missing(type, whole) : closed(whole, cause)
    })
    if (!about.isFile() && !(type === 'video' && about.isDirectory())) {
      throw new InputError('INPUT_LABEL_MEDIA', `label: ${whole} should be a file, it is none.`)
    }
    if (type === 'video' && (about.isDirectory() || !/\.gif$/i.test(whole))) {
      await checkOpens(whole)
      return this.#part(type, whole)
    }
    return this.#part(type, await readWhole(whole))
  }

  /** A GIF that does not move is a picture. */
  #part(type: MediaType, source: string | Uint8Array): ContentPart {
    if (type === 'image' || isStillGif(source)) return { type: 'image', image: source }
    const { frames, fps, forceSample } = this.#clip
    return {
      type,
      video: source,
      ...(frames !== undefined && { frames }),
      ...(fps !== undefined && { fps }),
      ...(forceSample && { forceSample }),
    }
  }
}

async function checkOpens(path: string): Promise<void> {
  try {
    await (await open(path)).close()
  } catch (cause) {
    throw closed(path, cause)
  }
}

/** Throws InputError for what may not be read. */
export async function readWhole(path: string): Promise<Uint8Array> {
  try {
    return await readFileWhole(path)
  } catch (cause) {
    throw closed(path, cause)
  }
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ENOTDIR'
}

function missing(type: MediaType, path: string): InputError {
  const todo = isMangled(path) ? `; ${RENAME}` : ''
  return new InputError('INPUT_LABEL_MEDIA', `label: there is no ${type} at ${path}${todo}.`)
}

function closed(path: string, cause: unknown): InputError {
  return new InputError(
    'INPUT_LABEL_MEDIA',
    `label: ${path} should be a file that may be read, it cannot be (${(cause as Error).message}).`,
    { cause },
  )
}

function isStillGif(source: string | Uint8Array): boolean {
  if (typeof source === 'string' || String.fromCharCode(...source.subarray(0, 3)) !== 'GIF') {
    return false
  }
  try {
    return clipInfoOf(source).frames === 1
  } catch {
    return false // Whoever decodes it says what is wrong with it.
  }
}

function textPart(text: string | null): ContentPart[] {
  return text === null ? [] : [{ type: 'text', text }]
}
