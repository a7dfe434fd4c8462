/** The items of all inputs, one after another and never all of them. */
import { createHash } from 'node:crypto'
import { open, stat, type FileHandle } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readCsvRows } from '../data/csv-rows.ts'
import { readParquetColumns } from '../data/parquet-rows.ts'
import { RecordFault, type FaultReason } from '../data/record-fault.ts'
import type { MediaReference, Row } from '../data/row-format.ts'
import { streamJsonRows } from '../data/stream-json-rows.ts'
import { readAt, readTarMembers, type TarMember } from '../data/tar-members.ts'
import { walkFiles } from '../data/walk-files.ts'
import { schemeOf } from '../preprocess/image-source.ts'
import { HEADER_BYTES, itemSize } from './item-size.ts'
import { mediaTypeOf, type FilePlace, type LabelInput, type LabelItem } from './item.ts'
import { ID_FIELDS, mediaOf } from './media-fields.ts'
import { isPackedShard, type ShardFiles } from './shard-files-node.ts'

export type ListOptions = {
  /** Where the paths of manifests begin; else beside the manifest. */
  readonly media: string | undefined
  /** A folder that holds pictures is one clip, its pictures the frames. */
  readonly clipFolders: boolean
  readonly shards: ShardFiles
  /** Hears of folders that may not be opened. */
  readonly onClosed: (path: string, reason: string) => void
}

/** Null stands for something that was left out: a file that is no picture and no clip. */
export async function* listItems(
  inputs: readonly LabelInput[],
  options: ListOptions,
): AsyncGenerator<LabelItem | null> {
  const isAlone = inputs.length === 1
  const titles = titlesOf(inputs)
  for (const [number, input] of inputs.entries()) {
    const title = titles[number] as string
    yield* LISTERS[input.kind]({ input, number, title, isAlone, options })
  }
}

/** What rows and samples without an id of their own are called by: the file's name, with its path where others have it too. */
function titlesOf(inputs: readonly LabelInput[]): string[] {
  const files = new Map<string, number>()
  for (const { name } of inputs) files.set(basename(name), (files.get(basename(name)) ?? 0) + 1)
  return inputs.map(({ name }) => ((files.get(basename(name)) ?? 0) > 1 ? name : basename(name)))
}

type Listing = {
  readonly input: LabelInput
  readonly number: number
  readonly title: string
  readonly isAlone: boolean
  readonly options: ListOptions
}

const LISTERS: {
  readonly [K in LabelInput['kind']]: (listing: Listing) => AsyncGenerator<LabelItem | null>
} = {
  folder: (listing) => (listing.options.clipFolders ? clipFolders(listing) : folder(listing)),
  file: singleFile,
  manifest,
  tar,
  parquet,
}

async function* folder({
  input,
  number,
  isAlone,
  options,
}: Listing): AsyncGenerator<LabelItem | null> {
  for await (const path of walkFiles(input.path, options.onClosed)) {
    const type = path === null ? null : mediaTypeOf(path)
    if (path === null || type === null) {
      yield null
      continue
    }
    const media = [{ type, path }]
    yield {
      place: placeOf(number, path),
      id: isAlone ? path : `${input.name.replace(/\/+$/, '')}/${path}`,
      size: await fileSize(media, input.path),
      prefix: '',
      source: { input: number, kind: 'files', media },
    }
  }
}

/** A folder may come up again between folders below it: the queue takes an item once. */
async function* clipFolders({
  input,
  number,
  isAlone,
  options,
}: Listing): AsyncGenerator<LabelItem | null> {
  let last = ''
  for await (const path of walkFiles(input.path, options.onClosed)) {
    if (path === null || mediaTypeOf(path) !== 'image') {
      yield null
      continue
    }
    const name = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '.'
    if (name === last) continue
    last = name
    yield {
      place: placeOf(number, name),
      id: isAlone ? name : `${input.name.replace(/\/+$/, '')}/${name}`,
      size: 0,
      prefix: '',
      source: { input: number, kind: 'files', media: [{ type: 'video', path: name }] },
    }
  }
}

async function* singleFile({ input, number }: Listing): AsyncGenerator<LabelItem> {
  const media = [{ type: mediaTypeOf(input.name) ?? ('image' as const), path: '' }]
  yield {
    place: placeOf(number, input.name),
    id: input.name,
    size: await fileSize(media, input.path),
    prefix: '',
    source: { input: number, kind: 'files', media },
  }
}

async function* manifest({ input, number, title, options }: Listing): AsyncGenerator<LabelItem> {
  const rows = /\.[ct]sv$/i.test(input.path) ? readCsvRows(input.path) : streamJsonRows(input.path)
  const base = baseOf(input, options.media)
  let index = 0
  for await (const row of rows) {
    const named = rowId(row, title, index)
    const source = named.fault ?? sourceOf(row, `${input.name}, row ${index}`, base)
    const files = source.kind === 'files' ? source.media : []
    yield {
      place: placeOf(number, numbered(index)),
      id: named.id,
      size: await fileSize(files, base),
      prefix: files.length === 0 ? '' : shortHash(files.map(({ path }) => path).join('\n')),
      source: { input: number, ...source },
    }
    index++
  }
}

/** Where the paths of a manifest or table begin. */
export function baseOf({ path }: LabelInput, media: string | undefined): string {
  return resolve(media ?? join(path, '..'))
}

type Unusable = { readonly kind: 'unusable'; readonly fault: FaultReason; readonly message: string }
type RowSource =
  | { readonly kind: 'files'; readonly media: readonly FilePlace[]; readonly text?: string }
  | Unusable

/** One row that names nothing is its own fault, among a million others. */
function sourceOf(row: Row, where: string, base: string): RowSource {
  try {
    const { media, text } = mediaOf(row, where)
    const files = media.map(({ type, reference }) => ({ type, path: pathOf(reference, base) }))
    return { kind: 'files', media: files, ...(text !== null && { text }) }
  } catch (error) {
    if (!(error instanceof RecordFault)) throw error
    return { kind: 'unusable', fault: error.reason, message: error.message }
  }
}

/**
 * WebDataset: files whose names are alike up to the first dot are one sample. Those of a packed shard keep their order, so
 * that it is unpacked once.
 */
async function* tar({ input, number, title, options }: Listing): AsyncGenerator<LabelItem | null> {
  await using shard = await options.shards.borrow(input.path)
  const { file } = shard
  let index = 0
  let sample: { readonly key: string; readonly members: TarMember[] } | null = null
  const take = async (): Promise<LabelItem | null> =>
    sample && tarItem(file, { ...sample, input, number, title, index: index++ })
  for await (const member of readTarMembers(file, input.path)) {
    // As in folders; some programs put a hidden file beside each.
    if (/(?:^|\/)\.[^/]*$/.test(member.name)) continue
    if (member.isLink) {
      if (mediaTypeOf(member.name)) yield null
      continue
    }
    const key = keyOf(member.name)
    if (sample && sample.key !== key) {
      yield await take()
      sample = null
    }
    sample ??= { key, members: [] }
    sample.members.push(member)
  }
  if (sample) yield await take()
}

async function tarItem(
  file: FileHandle,
  sample: {
    readonly key: string
    readonly members: readonly TarMember[]
    readonly input: LabelInput
    readonly number: number
    readonly title: string
    readonly index: number
  },
): Promise<LabelItem | null> {
  const media = sample.members.flatMap(({ name, offset, size }) => {
    const type = mediaTypeOf(name)
    return type ? [{ type, offset, bytes: size }] : []
  })
  if (media.length === 0) return null
  const heads = await Promise.all(
    media.map(async ({ type, offset, bytes }) => {
      const length = type === 'image' ? Math.min(bytes, HEADER_BYTES) : 0
      return { type, bytes, head: await readAt(file, offset, length) }
    }),
  )
  return {
    place: placeOf(sample.number, numbered(sample.index)),
    id: `${sample.title.replace(/\.(?:tar|tgz|tar\.gz)$/i, '')}/${sample.key}`,
    size: isPackedShard(sample.input.path) ? 0 : itemSize(heads),
    prefix: '',
    source: { input: sample.number, kind: 'members', media },
  }
}

/** Rows keep their order: neighbours lie in one block of the file. */
async function* parquet({ input, number, title }: Listing): AsyncGenerator<LabelItem> {
  let index = 0
  for await (const rows of readParquetColumns(input.path, ID_FIELDS)) {
    for (const row of rows) {
      const { id, fault } = rowId(row, title, index)
      yield {
        place: placeOf(number, numbered(index)),
        id,
        size: 0,
        prefix: '',
        source: { input: number, ...(fault ?? { kind: 'row', row: index }) },
      }
      index++
    }
  }
}

/** Numbers of so many digits sort as texts do. */
function numbered(index: number): string {
  return String(index).padStart(12, '0')
}

function placeOf(input: number, within: string): string {
  return `${String(input).padStart(7, '0')}/${within}`
}

/** The row's own id, or one by its number; `fault` where its own cannot be written as it is. */
function rowId(row: Row, title: string, index: number): { id: string; fault: Unusable | null } {
  const byNumber = `${title}#${index}`
  const value = ID_FIELDS.map((field) => row[field]).find(
    (one) => one !== undefined && one !== null && one !== '',
  )
  if (value === undefined) return { id: byNumber, fault: null }
  const wrong = idFault(value)
  if (wrong === null) return { id: String(value), fault: null }
  const message = `${title}, row ${index}: its id should be a text or a number, ${wrong}; write it as a text.`
  return { id: byNumber, fault: { kind: 'unusable', fault: 'structure', message } }
}

function idFault(value: unknown): string | null {
  switch (typeof value) {
    case 'string':
      // Databases end texts there, or refuse them.
      if (value.includes('\0')) return 'a text with the character U+0000 came'
      return /\p{Surrogate}/u.test(value) ? 'a text with half a character came' : null
    case 'number':
      return Number.isInteger(value) && !Number.isSafeInteger(value)
        ? 'a whole number beyond 2^53 came, whose last digits are lost'
        : Number.isFinite(value)
          ? null
          : 'one beyond all bounds came'
    case 'bigint':
      return null
    default:
      return `${Array.isArray(value) ? 'array' : typeof value} came`
  }
}

/** The name up to the first dot behind the last slash. */
function keyOf(name: string): string {
  const at = name.indexOf('.', name.lastIndexOf('/') + 1)
  return (at < 0 ? name : name.slice(0, at)).replace(/^\.\//, '')
}

/** What is fetched or is data itself; whatever else has a colon is a name. */
export function isAddress(reference: string): boolean {
  return /^(?:https?:\/\/|data:)/i.test(reference)
}

/** The path of a file, or the address of one elsewhere; `file:` URLs are paths. */
export function pathOf(reference: MediaReference, base: string): string {
  if (typeof reference !== 'string') throw new Error('internal: bytes in a manifest')
  if (isAddress(reference)) return reference
  if (schemeOf(reference) !== 'file') return resolve(base, reference)
  try {
    return fileURLToPath(reference)
  } catch (error) {
    const why = (error as Error).message
    throw new RecordFault(
      'structure',
      `${reference.slice(0, 80)}: a file: URL should name a file of this machine (${why}).`,
    )
  }
}

async function fileSize(media: readonly FilePlace[], base: string): Promise<number> {
  const heads = await Promise.all(
    media.map(async ({ type, path }) => ({ type, ...(await headOf(resolve(base, path))) })),
  )
  return itemSize(heads)
}

/** What is not there or no file counts as small: its turn says so. A pipe would be waited for. */
async function headOf(path: string): Promise<{ head: Uint8Array; bytes: number }> {
  const about = await stat(path).catch(() => null)
  const file = about?.isFile() ? await open(path).catch(() => null) : null
  const bytes = about?.isFile() ? about.size : 0
  try {
    const head = file && (await readAt(file, 0, Math.min(bytes, HEADER_BYTES)).catch(() => null))
    return { head: head ?? new Uint8Array(0), bytes }
  } finally {
    await file?.close()
  }
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}
