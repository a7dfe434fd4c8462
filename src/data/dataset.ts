/**
 * A data set: files of one or several sources, read one record at a time.
 *
 *   await using data = await openDataset('mixture.yaml', { seed: 0 })
 *   data.length                    records of all sources, strategies applied
 *   await data.read(17)            { id, source, origin, images, videos, turns }
 *   await data.readPreference(17)  { id, source, origin, images, videos, prompt, chosen, rejected }
 *
 * Records are numbered source after source. A record that cannot be one is a RecordFault; what else can be wrong with it is
 * for `checkRecord` to find.
 */
import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { InputError } from '../core/errors.ts'
import { ROW_FORMATS } from './datasets/index.ts'
import {
  parseDatasetSpec,
  type DatasetSpec,
  type ParsedSource,
  type SpecDefaults,
} from './dataset-spec.ts'
import { openJsonRows } from './json-rows.ts'
import { openParquetRows } from './parquet-rows.ts'
import type { DataRecord, PreferenceRecord } from './record.ts'
import { structureFault, type Row, type RowContent } from './row-format.ts'
import type { OpenRowsOptions, Rows } from './rows.ts'
import { sampledRows } from './sampling-strategy.ts'

export type DatasetOptions = SpecDefaults & {
  /** For `random:N`. Default 0. */
  readonly seed?: number
  /** Bytes of the file that is being indexed. */
  readonly onProgress?: (state: DatasetProgress) => void
  readonly signal?: AbortSignal | undefined
}

/** As the terminal's progress bar takes it. */
export type DatasetProgress = {
  readonly stage: string
  readonly done: number
  readonly total: number
  readonly item: string
}

export type DataSource = {
  readonly name: string
  readonly path: string
  /** Its records are numbered [start, start + length). */
  readonly start: number
  readonly length: number
  readonly weight: number | null
}

export type Dataset = {
  readonly length: number
  readonly sources: readonly DataSource[]
  /** Of all rows and of which are taken. A resumed run refuses another one. */
  readonly sha256: string
  sourceOf(index: number): DataSource
  /** What messages call a record: `data: instruct.json[17]`, the row's number in its file. */
  whereOf(index: number): string
  read(index: number): Promise<DataRecord>
  readPreference(index: number): Promise<PreferenceRecord>
  /** Whichever of the two the record is. */
  readEither(index: number): Promise<DataRecord | PreferenceRecord>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Opens every source and reads it once, to know where its rows are.
 *
 * Throws ConfigError for a spec that cannot be meant, InputError INPUT_DATA_… for files that are missing, broken or empty.
 */
export async function openDataset(
  spec: DatasetSpec,
  options: DatasetOptions = {},
): Promise<Dataset> {
  const parsed = parseDatasetSpec(spec, options)
  const opened: OpenSource[] = []
  try {
    let start = 0
    for (const [i, source] of parsed.entries()) {
      const one = await openSource(source, { start, seed: (options.seed ?? 0) + i }, options)
      opened.push(one)
      start += one.length
    }
    return datasetOf(opened)
  } catch (error) {
    await Promise.all(opened.map(({ rows }) => rows.close()))
    throw error
  }
}

type OpenSource = DataSource & {
  readonly parsed: ParsedSource
  readonly rows: Rows
  /** Rows that the strategy took; null: all. */
  readonly taken: Int32Array | null
}

const OPENERS: Readonly<
  Record<ParsedSource['kind'], (source: ParsedSource, options: OpenRowsOptions) => Promise<Rows>>
> = {
  json: ({ path }, options) => openJsonRows(path, options),
  parquet: ({ path, split }, options) => openParquetRows(path, split, options),
}

async function openSource(
  parsed: ParsedSource,
  { start, seed }: { readonly start: number; readonly seed: number },
  { onProgress, signal }: DatasetOptions,
): Promise<OpenSource> {
  const { name, path, weight } = parsed
  const rows = await OPENERS[parsed.kind](parsed, {
    onProgress: (done, total) => onProgress?.({ stage: 'index', done, total, item: name }),
    signal,
  })
  const taken = sampledRows(parsed.strategy, rows.length, seed)
  const length = taken?.length ?? rows.length
  if (length > 0) return { name, path, weight, start, length, parsed, rows, taken }
  await rows.close()
  throw new InputError(
    'INPUT_DATA_EMPTY',
    `data: ${path} should hold records, it holds none; take it out of the mixture or get the file again.`,
  )
}

function datasetOf(opened: readonly OpenSource[]): Dataset {
  const length = opened.reduce((sum, source) => sum + source.length, 0)
  const read = (index: number) => readRecord(placeOf(opened, index))
  const close = async () => {
    await Promise.all(opened.map(({ rows }) => rows.close()))
  }
  return {
    length,
    sources: opened.map(({ name, path, start, length: own, weight }) => ({
      name,
      path,
      start,
      length: own,
      weight,
    })),
    sha256: hashOf(opened),
    sourceOf: (index) => placeOf(opened, index).source,
    whereOf: (index) => whereOf(placeOf(opened, index)),
    async read(index) {
      const record = await read(index)
      if ('turns' in record) return record
      throw structureFault(
        whereOf(placeOf(opened, index)),
        'a conversation was expected, two answers to choose from came',
      )
    },
    async readPreference(index) {
      const record = await read(index)
      if ('chosen' in record) return record
      throw structureFault(
        whereOf(placeOf(opened, index)),
        'prompt, chosen and rejected were expected, a conversation came',
      )
    },
    readEither: read,
    close,
    [Symbol.asyncDispose]: close,
  }
}

type Place = { readonly source: OpenSource; readonly row: number }

function placeOf(opened: readonly OpenSource[], index: number): Place {
  const source = opened.find(({ start, length }) => index >= start && index < start + length)
  if (!source || !Number.isInteger(index)) {
    const last = opened.at(-1)
    throw new InputError(
      'INPUT_DATA_INDEX',
      `data: records are numbered 0 to ${last ? last.start + last.length - 1 : 0}, ${index} came.`,
    )
  }
  const at = index - source.start
  return { source, row: source.taken === null ? at : (source.taken[at] as number) }
}

function whereOf({ source, row }: Place): string {
  return `data: ${source.name}[${row}]`
}

async function readRecord(place: Place): Promise<DataRecord | PreferenceRecord> {
  const { source, row } = place
  const where = whereOf(place)
  const value = await source.rows.read(row, where)
  const { images, videos, id, ...content } = contentOf(value, where)
  const { imageFolder, videoFolder } = source.parsed
  return {
    ...content,
    id: id ?? String(row),
    source: source.name,
    // As os.path.join: an absolute path stays what it is.
    images: images.map((one) => (typeof one === 'string' ? resolve(imageFolder, one) : one)),
    videos: videos.map((one) => (typeof one === 'string' ? resolve(videoFolder, one) : one)),
  }
}

function contentOf(row: Row, where: string): RowContent {
  const format = ROW_FORMATS.find(({ matches }) => matches(row))
  if (!format) {
    const known = ROW_FORMATS.map(({ name, about }) => `${name} (${about})`).join(', ')
    throw structureFault(
      where,
      `its fields should be those of ${known}, ${Object.keys(row).join(', ')} came`,
    )
  }
  const content = format.read(row, where)
  if (content.images.length > 0 && content.videos.length > 0) {
    throw structureFault(where, 'a record should have pictures or clips, it has both')
  }
  return content
}

function hashOf(opened: readonly OpenSource[]): string {
  const hash = createHash('sha256')
  for (const { name, rows, taken, weight } of opened) {
    hash.update(JSON.stringify([name, rows.sha256, rows.length, weight]))
    if (taken !== null) hash.update(taken)
  }
  return hash.digest('hex')
}
