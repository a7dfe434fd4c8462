/**
 * Rows of Parquet files, pictures inside them included.
 *
 * A row cannot be read alone: columns are compressed in pages. So rows are read in blocks, a row group or a part of one, and
 * the last few blocks are kept. Reading in order is fast; in random order a whole block is decoded for each row.
 */
import { createHash } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'
import { basename } from 'node:path'
import {
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type AsyncBuffer,
  type FileMetaData,
} from 'hyparquet'
import { compressors } from './parquet-compressors.ts'
import { InputError } from '../core/errors.ts'
import { parquetFiles } from './parquet-files.ts'
import { RecordFault } from './record-fault.ts'
import type { Row } from './row-format.ts'
import type { OpenRowsOptions, Rows } from './rows.ts'

/** Row groups of more bytes than this are read in parts of so many rows. */
const BLOCK_BYTES = 2 ** 25
const BLOCK_ROWS = 64
const KEPT_BLOCKS = 4
/** Fewer are kept where they are larger than this together; films may be large. */
const KEPT_BYTES = KEPT_BLOCKS * BLOCK_BYTES

/** Half-open. */
type Block = { readonly from: number; readonly to: number; readonly bytes: number }

type ParquetFile = {
  readonly path: string
  readonly handle: FileHandle
  readonly buffer: AsyncBuffer
  readonly metadata: FileMetaData
  /** Rows that are read together. */
  readonly blocks: readonly Block[]
  /** Rows of the files before it. */
  readonly start: number
  readonly length: number
}

/** All rows of one split of a folder, or of one file. Throws InputError INPUT_DATA_…; the caller closes. */
export async function openParquetRows(
  path: string,
  split: string | null,
  { onProgress, signal }: OpenRowsOptions = {},
): Promise<Rows> {
  const names = parquetFiles(path, split)
  const files: ParquetFile[] = []
  const close = async () => {
    await Promise.all(files.map(({ handle }) => handle.close()))
  }
  try {
    let start = 0
    for (const [i, name] of names.entries()) {
      signal?.throwIfAborted()
      const file = await openFile(name, start)
      files.push(file)
      start += file.length
      onProgress?.(i + 1, names.length)
    }
    const read = blockReader(files)
    return { length: start, sha256: await hashOf(files), read, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Those of the named columns that one file has, a block of rows at a time: what is next to them, pictures mostly, is not read. */
export async function* readParquetColumns(
  path: string,
  names: readonly string[],
): AsyncGenerator<readonly Row[]> {
  const file = await openFile(path, 0)
  try {
    const fields = parquetSchema(file.metadata).children.map(({ element }) => element.name)
    const known = names.filter((name) => fields.includes(name))
    for (const block of file.blocks) {
      if (known.length > 0) yield await readBlock(file, block, known)
      else yield Array.from({ length: block.to - block.from }, () => ({}))
    }
  } finally {
    await file.handle.close()
  }
}

async function openFile(path: string, start: number): Promise<ParquetFile> {
  const handle = await open(path).catch((cause: unknown) => {
    throw new InputError(
      'INPUT_DATA_MISSING',
      `data: expected a Parquet file at ${path}, it cannot be opened; check the path.`,
      { cause },
    )
  })
  try {
    const { size } = await handle.stat()
    const buffer = { byteLength: size, slice: (from: number, to = size) => slice(handle, from, to) }
    const metadata = await parquetMetadataAsync(buffer, { geoparquet: false })
    const blocks = blocksOf(metadata)
    return { path, handle, buffer, metadata, blocks, start, length: Number(metadata.num_rows) }
  } catch (cause) {
    await handle.close()
    throw new InputError(
      'INPUT_DATA_BROKEN',
      `data: ${path} should be a Parquet file, it is not (${(cause as Error).message}); get it again.`,
      { cause },
    )
  }
}

async function slice(handle: FileHandle, from: number, to: number): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(to - from)
  for (let at = 0; at < bytes.length;) {
    const { bytesRead } = await handle.read(bytes, at, bytes.length - at, from + at)
    if (bytesRead === 0) throw new Error('the file ends early')
    at += bytesRead
  }
  return bytes.buffer
}

function blocksOf({ row_groups: groups }: FileMetaData): Block[] {
  const blocks: Block[] = []
  let start = 0
  for (const { num_rows, total_byte_size } of groups) {
    const [rows, bytes] = [Number(num_rows), Number(total_byte_size)]
    const end = start + rows
    const step = bytes <= BLOCK_BYTES ? rows : BLOCK_ROWS
    for (let to = start; start < end; start = to) {
      to = Math.min(end, start + step)
      blocks.push({ from: start, to, bytes: (bytes * (to - start)) / rows })
    }
  }
  return blocks
}

/** Keeps the blocks that were used last. */
function blockReader(files: readonly ParquetFile[]): Rows['read'] {
  const kept = new Map<Block, Promise<Row[]>>()
  const blockOf = (file: ParquetFile, block: Block) => {
    const rows = kept.get(block) ?? readBlock(file, block)
    kept.delete(block)
    kept.set(block, rows)
    let bytes = [...kept.keys()].reduce((sum, one) => sum + one.bytes, 0)
    for (const oldest of kept.keys()) {
      if (oldest === block || (kept.size <= KEPT_BLOCKS && bytes <= KEPT_BYTES)) break
      kept.delete(oldest)
      bytes -= oldest.bytes
    }
    return rows
  }
  return async (index, where) => {
    const file = files.find(({ start, length }) => index >= start && index < start + length)
    const block = file?.blocks.find(
      ({ from, to }) => index - file.start >= from && index - file.start < to,
    )
    if (!file || !block) throw new Error(`internal: there is no row ${index}`)
    try {
      const row = (await blockOf(file, block))[index - file.start - block.from]
      if (row) return row
      throw new Error('the row is not there')
    } catch (cause) {
      const reason = (cause as Error).message
      throw new RecordFault(
        'unreadable',
        `${where}: rows ${block.from} to ${block.to - 1} of ${basename(file.path)} cannot be read (${reason}); get the file again.`,
        { cause },
      )
    }
  }
}

function readBlock(
  { buffer, metadata }: ParquetFile,
  { from, to }: Block,
  columns?: string[],
): Promise<Row[]> {
  return parquetReadObjects({
    ...(columns && { columns }),
    file: buffer,
    metadata,
    rowStart: from,
    rowEnd: to,
    rowFormat: 'object',
    compressors,
    // Without this, bytes of pictures would come as text, and not all of them.
    utf8: false,
    geoparquet: false,
    parsers: { stringFromBytes },
    useOffsetIndex: true,
  })
}

/** Text that is no UTF-8 stays bytes: whoever needs it as text finds the fault in that record alone. */
function stringFromBytes(bytes: Uint8Array | undefined): string | Uint8Array | undefined {
  if (!bytes) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return bytes.slice()
  }
}

/** Over names, sizes and footers, which name every page's place and size: the data themselves may be hundreds of gigabytes. */
async function hashOf(files: readonly ParquetFile[]): Promise<string> {
  const hash = createHash('sha256')
  for (const { path, buffer, metadata } of files) {
    const { byteLength } = buffer
    hash.update(`${basename(path)}\n${byteLength}\n`)
    hash.update(new Uint8Array(await buffer.slice(byteLength - metadata.metadata_length - 8)))
  }
  return hash.digest('hex')
}
