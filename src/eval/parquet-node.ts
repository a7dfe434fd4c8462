/**
 * Parquet files as people download them from the hub: rows whose pictures are read when they are needed.
 *
 * A picture column is a struct of bytes and path, or a list of them, as the `datasets` library writes it. Their bytes are most
 * of the file; all else is read at once, which pictures there are included.
 */
import {
  asyncBufferFromFile,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from 'hyparquet'
import type { AsyncBuffer, FileMetaData, RowGroup, SchemaElement, SchemaTree } from 'hyparquet'
import { InputError } from '../core/errors.ts'
import { compressors } from '../data/parquet-compressors.ts'
import { isRow, type Row } from './eval-file.ts'
import type { LazyPicture } from './question.ts'

/** Pictures are functions that give the bytes, or the file's name where the table has no bytes; null stands where a row has none. Throws InputError for a broken file. */
export async function readParquet(path: string): Promise<Row[]> {
  try {
    const file = await asyncBufferFromFile(path)
    const metadata = await parquetMetadataAsync(file)
    const fields = parquetSchema(metadata).children
    const pictures = fields.filter(isPictureField).map(nameOf)
    const read = await readObjects({
      file,
      metadata: withoutBytes(metadata, pictures),
      columns: fields.map(nameOf),
    })
    const groups = new RowGroups(file, metadata)
    return read.map((row, i) => {
      const own = pictures.map((name) => [
        name,
        groups.pictures(row[name], { column: name, index: i }),
      ])
      return { ...plain(row), ...Object.fromEntries(own) }
    })
  } catch (cause) {
    throw new InputError(
      'INPUT_PARQUET_BROKEN',
      `eval: ${path} should be a whole Parquet file, it cannot be read (${cause instanceof Error ? cause.message : String(cause)}); download it again.`,
      { cause },
    )
  }
}

type Selection = {
  readonly file: AsyncBuffer
  readonly metadata: FileMetaData
  readonly columns: string[]
  readonly rowStart?: number
  readonly rowEnd?: number
}

async function readObjects(selection: Selection): Promise<Record<string, unknown>[]> {
  // Byte arrays that are texts say so; the others are pictures.
  return (await parquetReadObjects({ ...selection, compressors, utf8: false })) as Record<
    string,
    unknown
  >[]
}

function nameOf({ element }: SchemaTree): string {
  return element.name
}

/** Bytes and what tells where they came from, or a list of such. */
function isPictureField({ children }: SchemaTree): boolean {
  const hasBytes = children.length > 1 && children.some(({ element }) => isBytes(element))
  return hasBytes || children.some(isPictureField)
}

function isBytes({ name, type }: SchemaElement): boolean {
  return name === 'bytes' && type === 'BYTE_ARRAY'
}

/** As if pictures had no bytes: what is left says where there is one, and how many. */
function withoutBytes(metadata: FileMetaData, pictures: readonly string[]): FileMetaData {
  const flat = ({ element, children, path }: SchemaTree): SchemaElement[] => {
    const isPicture = pictures.includes(path[0] ?? '')
    const kept = children.filter((child) => !isPicture || !isBytes(child.element))
    const own =
      kept.length === children.length ? element : { ...element, num_children: kept.length }
    return [own, ...kept.flatMap(flat)]
  }
  const isLeft = ({ meta_data: chunk }: RowGroup['columns'][number]) => {
    const path = chunk?.path_in_schema ?? []
    return path.at(-1) !== 'bytes' || !pictures.includes(path[0] ?? '')
  }
  return {
    ...metadata,
    schema: flat(parquetSchema(metadata)),
    row_groups: metadata.row_groups.map((group) => ({
      ...group,
      columns: group.columns.filter(isLeft),
    })),
  }
}

type Cell = { readonly column: string; readonly index: number }

/** The pictures of one row group at a time: questions come in the order of rows. */
class RowGroups {
  readonly #file: AsyncBuffer
  readonly #metadata: FileMetaData
  readonly #loaded = new Map<
    string,
    { readonly start: number; readonly rows: Promise<unknown[]> }
  >()

  constructor(file: AsyncBuffer, metadata: FileMetaData) {
    this.#file = file
    this.#metadata = metadata
  }

  /** Functions that read the pictures of a row, as many as its field without their bytes has. */
  pictures(field: unknown, cell: Cell): LazyPicture | LazyPicture[] | null {
    if (Array.isArray(field)) return field.map((_, place) => this.#picture(cell, place))
    return isRow(field) ? this.#picture(cell) : null
  }

  #picture({ column, index }: Cell, place?: number): LazyPicture {
    return async () => {
      const { start, rows } = this.#group(column, index)
      const field = (await rows)[index - start]
      const value: unknown = place !== undefined && Array.isArray(field) ? field[place] : field
      const { bytes, path } = isRow(value) ? value : {}
      if (bytes instanceof Uint8Array) return bytes
      return typeof path === 'string' && path !== '' ? path : null
    }
  }

  #group(column: string, index: number) {
    let start = 0
    for (const group of this.#metadata.row_groups) {
      const end = start + Number(group.num_rows)
      if (index < end) return this.#rowsOf(column, start, end)
      start = end
    }
    throw new Error(`internal: there is no row ${index}`)
  }

  #rowsOf(column: string, start: number, end: number) {
    const before = this.#loaded.get(column)
    if (before?.start === start) return before
    const selection = {
      file: this.#file,
      metadata: this.#metadata,
      columns: [column],
      rowStart: start,
      rowEnd: end,
    }
    const rows = readObjects(selection).then((list) => list.map((row) => row[column]))
    const loaded = { start, rows }
    this.#loaded.set(column, loaded)
    return loaded
  }
}

/** Numbers as JSON has them. */
function plain(row: Record<string, unknown>): Row {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plainValue(value)]))
}

function plainValue(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (Array.isArray(value)) return value.map(plainValue)
  return isRow(value) && !(value instanceof Uint8Array) && !(value instanceof Date)
    ? plain({ ...value })
    : value
}
