/**
 * Parquet files as people download them from the hub: rows whose pictures are read when they are needed.
 *
 * A picture column is a struct of bytes and path, as the `datasets` library writes it. Those columns are most of the file;
 * the others are read at once.
 */
import {
  asyncBufferFromFile,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from 'hyparquet'
import type { AsyncBuffer, FileMetaData, SchemaTree } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { InputError } from '../core/errors.ts'
import { isRow, type Row } from './eval-file.ts'
import type { LazyPicture } from './question.ts'

/** Picture fields are functions that give the bytes, or null where the row has no picture. Throws InputError for a broken file. */
export async function readParquet(path: string): Promise<Row[]> {
  try {
    const file = await asyncBufferFromFile(path)
    const metadata = await parquetMetadataAsync(file)
    const fields = parquetSchema(metadata).children
    const pictures = fields.filter(isPictureField).map(nameOf)
    const columns = fields.map(nameOf).filter((name) => !pictures.includes(name))
    const read = columns.length > 0 ? await readObjects({ file, metadata, columns }) : []
    const groups = new RowGroups(file, metadata)
    return Array.from({ length: Number(metadata.num_rows) }, (_, i) => ({
      ...plain(read[i] ?? {}),
      ...Object.fromEntries(pictures.map((name) => [name, groups.picture(name, i)])),
    }))
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

function isPictureField({ children }: SchemaTree): boolean {
  return children.some(({ element }) => element.name === 'bytes' && element.type === 'BYTE_ARRAY')
}

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

  /** A function that reads the picture of `column` in row `index`. */
  picture(column: string, index: number): LazyPicture {
    return async () => {
      const { start, rows } = this.#group(column, index)
      const value = (await rows)[index - start]
      const bytes = isRow(value) ? value['bytes'] : null
      return bytes instanceof Uint8Array ? bytes : null
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
