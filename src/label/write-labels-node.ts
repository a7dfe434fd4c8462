/** All answers of a run to one file, which appears whole or not at all: JSON lines, or Parquet. */
import { open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { fileWriter, ParquetWriter } from 'hyparquet-writer'
import { InputError } from '../core/errors.ts'
import { isFolder, makeFolder } from '../core/make-folder-node.ts'
import { answerColumns, answerLine, type AnswerColumn, type LabelRow } from './answer-columns.ts'
import { isProcessAlive } from './owner-node.ts'

export type WriteLabelsOptions = {
  readonly schema: object | undefined
  /** Told in the file, where it has a place for that. */
  readonly about: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  readonly onRows: (rows: number) => void
}

/** Throws InputError for a name that says no format. */
export function labelFormat(path: string): 'jsonl' | 'parquet' {
  const [, ending] = /\.(jsonl|ndjson|parquet)$/i.exec(path) ?? []
  if (ending === undefined) {
    throw new InputError(
      'INPUT_OPTION',
      `label: out should end in .jsonl or .parquet, ${path} came.`,
    )
  }
  return ending.toLowerCase() === 'parquet' ? 'parquet' : 'jsonl'
}

/** Returns how many rows. What fails leaves the file as it was. */
export async function writeLabels(
  path: string,
  rows: AsyncIterable<LabelRow>,
  options: WriteLabelsOptions,
): Promise<number> {
  const target = resolve(path)
  await makeFolder(dirname(target))
  await removeDrafts(target)
  const draft = draftOf(target)
  const write = labelFormat(path) === 'parquet' ? writeParquet : writeLines
  try {
    const count = await write(draft, rows, options)
    await syncFile(draft)
    await rename(draft, target)
    return count
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

/** Makes the folder of a file. Throws InputError where the file could not be written at the end. */
export async function checkPlace(path: string): Promise<void> {
  const target = resolve(path)
  const draft = draftOf(target)
  try {
    await makeFolder(dirname(target))
    if (isFolder(target)) throw new Error('it is a folder')
    await (await open(draft, 'w')).close()
    await rm(draft)
  } catch (error) {
    throw new InputError(
      'INPUT_LABEL_OUT',
      `label: out should be a file that can be written, ${path} cannot (${(error as Error).message}); name another --out.`,
      { cause: error },
    )
  }
}

function draftOf(target: string): string {
  return `${target}.${process.pid}.tmp`
}

/** Of processes that were killed while they wrote. */
async function removeDrafts(target: string): Promise<void> {
  for (const name of await readdir(dirname(target))) {
    const [, id] = name.startsWith(basename(target)) ? (/\.(\d+)\.tmp$/.exec(name) ?? []) : []
    if (name !== `${basename(target)}.${id}.tmp` || isProcessAlive(Number(id))) continue
    await rm(join(dirname(target), name), { force: true })
  }
}

/** The writer's own: it brings another version of the reader. */
type SchemaElement = ConstructorParameters<typeof ParquetWriter>[0]['schema'][number]

/** So many rows are held at a time; of a Parquet file they are one row group. */
const GROUP_ROWS = 10_000

async function* inGroups(
  rows: AsyncIterable<LabelRow>,
  { signal, onRows }: WriteLabelsOptions,
): AsyncGenerator<LabelRow[]> {
  let [group, count]: [LabelRow[], number] = [[], 0]
  for await (const row of rows) {
    signal.throwIfAborted()
    group.push(row)
    count++
    if (group.length < GROUP_ROWS) continue
    yield group
    onRows(count)
    group = []
  }
  if (group.length > 0) yield group
  onRows(count)
}

async function writeLines(
  path: string,
  rows: AsyncIterable<LabelRow>,
  options: WriteLabelsOptions,
): Promise<number> {
  let count = 0
  const file = await open(path, 'w')
  try {
    for await (const group of inGroups(rows, options)) {
      const lines = group.map((row) => `${JSON.stringify(answerLine(row, options.schema))}\n`)
      await file.appendFile(lines.join(''))
      count += group.length
    }
  } finally {
    await file.close()
  }
  return count
}

async function writeParquet(
  path: string,
  rows: AsyncIterable<LabelRow>,
  options: WriteLabelsOptions,
): Promise<number> {
  const columns = answerColumns(options.schema)
  const writer = new ParquetWriter({
    writer: fileWriter(path),
    schema: schemaOf(columns),
    createdBy: 'llava-ts',
    kvMetadata: Object.entries(options.about).map(([key, value]) => ({ key, value })),
  })
  let count = 0
  for await (const group of inGroups(rows, options)) {
    await writer.write({
      columnData: columns.map(({ name, type, value }) => ({
        name,
        data: group.map((row) => stored(value(row), type)),
      })),
      rowGroupSize: GROUP_ROWS,
    })
    count += group.length
  }
  await writer.finish()
  return count
}

function stored(value: string | number | boolean | null, type: AnswerColumn['type']) {
  return type === 'whole' && typeof value === 'number' ? BigInt(value) : value
}

const ELEMENTS: {
  readonly [T in AnswerColumn['type']]: Pick<SchemaElement, 'type' | 'converted_type'>
} = {
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  whole: { type: 'INT64' },
  number: { type: 'DOUBLE' },
  truth: { type: 'BOOLEAN' },
}

function schemaOf(columns: readonly AnswerColumn[]): SchemaElement[] {
  return [
    { name: 'labels', num_children: columns.length },
    ...columns.map(({ name, type }): SchemaElement => ({
      name,
      ...ELEMENTS[type],
      repetition_type: 'OPTIONAL',
    })),
  ]
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
