/**
 * The directory of a zip archive whose entries are stored as they are, the container of PyTorch's files.
 *
 * Entries are places in the file, never unpacked: compressed ones are refused, so an archive cannot grow.
 * Source: PKWARE APPNOTE 6.3.10, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.14–4.3.16 (zip64, end).
 */
import { CheckpointError } from '../core/errors.ts'
import { checkRange, type FileBytes } from './file-bytes.ts'

/** The bytes [offset, offset + size) of the file are the entry's content. */
export type ZipEntry = { readonly name: string; readonly offset: number; readonly size: number }

/** All entries by name. Throws CheckpointError if the archive is damaged, compressed, encrypted or in several parts. */
export function readZipDirectory(file: FileBytes): ReadonlyMap<string, ZipEntry> {
  const end = findEnd(file)
  checkRange(
    { name: file.name, size: file.size, isOpen: true },
    end.directoryOffset,
    end.directorySize,
  )
  if (end.numEntries * DIRECTORY_HEADER > end.directorySize) {
    throw damaged(
      file,
      `${end.directorySize} bytes of directory cannot hold ${end.numEntries} entries`,
    )
  }
  const bytes = file.bytes(end.directoryOffset, end.directorySize)
  const entries = new Map<string, ZipEntry>()
  let at = 0
  for (let i = 0; i < end.numEntries; i++) {
    const { entry, length } = readDirectoryEntry(file, bytes, at)
    if (entries.has(entry.name)) throw damaged(file, `${entry.name} is there twice`)
    entries.set(entry.name, entry)
    at += length
  }
  return entries
}

/** True if the file begins as a zip archive does. */
export function isZip(file: FileBytes): boolean {
  return file.size >= 4 && dataView(file.bytes(0, 4)).getUint32(0, true) === LOCAL_SIGNATURE
}

const LOCAL_SIGNATURE = 0x04034b50
const DIRECTORY_SIGNATURE = 0x02014b50
const END_SIGNATURE = 0x06054b50
const END64_SIGNATURE = 0x06064b50
const LOCATOR64_SIGNATURE = 0x07064b50
const LOCAL_HEADER = 30
const DIRECTORY_HEADER = 46
const END_RECORD = 22
const END64_RECORD = 56
const LOCATOR64 = 20

type End = {
  readonly directoryOffset: number
  readonly directorySize: number
  readonly numEntries: number
}

/** The end record lies at the very end, followed only by a comment of at most 65535 bytes. */
function findEnd(file: FileBytes): End {
  const tail = Math.min(file.size, END_RECORD + 0xffff)
  const view = dataView(file.bytes(file.size - tail, tail))
  for (let at = tail - END_RECORD; at >= 0; at--) {
    if (view.getUint32(at, true) !== END_SIGNATURE) continue
    if (at + END_RECORD + view.getUint16(at + 20, true) !== tail) continue
    if (view.getUint16(at + 4, true) !== 0 && view.getUint16(at + 4, true) !== 0xffff) {
      throw damaged(file, 'it is one part of several')
    }
    const end = {
      numEntries: view.getUint16(at + 10, true),
      directorySize: view.getUint32(at + 12, true),
      directoryOffset: view.getUint32(at + 16, true),
    }
    return readEnd64(file, file.size - tail + at) ?? end
  }
  throw damaged(file, 'it has no directory at its end')
}

/** Zip64 puts a locator just before the end record, and the true numbers where it points. */
function readEnd64(file: FileBytes, endOffset: number): End | undefined {
  if (endOffset < LOCATOR64) return undefined
  const locator = dataView(file.bytes(endOffset - LOCATOR64, LOCATOR64))
  if (locator.getUint32(0, true) !== LOCATOR64_SIGNATURE) return undefined
  const view = dataView(file.bytes(Number(locator.getBigUint64(8, true)), END64_RECORD))
  if (view.getUint32(0, true) !== END64_SIGNATURE)
    throw damaged(file, 'its zip64 record is not where it should be')
  return {
    numEntries: Number(view.getBigUint64(32, true)),
    directorySize: Number(view.getBigUint64(40, true)),
    directoryOffset: Number(view.getBigUint64(48, true)),
  }
}

function readDirectoryEntry(
  file: FileBytes,
  bytes: Uint8Array,
  at: number,
): { entry: ZipEntry; length: number } {
  if (at + DIRECTORY_HEADER > bytes.length) throw damaged(file, 'its directory is cut')
  const view = dataView(bytes.subarray(at))
  if (view.getUint32(0, true) !== DIRECTORY_SIGNATURE)
    throw damaged(file, 'its directory is broken')
  const nameLength = view.getUint16(28, true)
  const extraLength = view.getUint16(30, true)
  const length = DIRECTORY_HEADER + nameLength + extraLength + view.getUint16(32, true)
  if (at + length > bytes.length) throw damaged(file, 'its directory is cut')
  const header = bytes.subarray(at, at + length)
  const name = new TextDecoder().decode(
    header.subarray(DIRECTORY_HEADER, DIRECTORY_HEADER + nameLength),
  )
  checkStored(file, name, view)
  const extra = header.subarray(
    DIRECTORY_HEADER + nameLength,
    DIRECTORY_HEADER + nameLength + extraLength,
  )
  const wide = readSizes64(view, extra)
  if (wide.size !== wide.storedSize) throw damaged(file, `${name} has two sizes`)
  return {
    entry: {
      name,
      size: wide.size,
      offset: contentOffset(file, name, wide.localOffset, wide.size),
    },
    length,
  }
}

function checkStored(file: FileBytes, name: string, view: DataView): void {
  const isEncrypted = (view.getUint16(8, true) & 1) !== 0
  const method = view.getUint16(10, true)
  if (method === 0 && !isEncrypted) return
  throw new CheckpointError(
    'CHECKPOINT_ZIP',
    `weights: ${file.name}: expected entries stored as they are, ${name} is ${isEncrypted ? 'encrypted' : `compressed (method ${method})`}; ` +
      'torch.save writes no such file, save it again with PyTorch.',
  )
}

/** Sizes and place of an entry; those that do not fit 32 bits stand in extra field 1, in this order. */
function readSizes64(
  view: DataView,
  extra: Uint8Array,
): { size: number; storedSize: number; localOffset: number } {
  let field = findExtra(extra, 1)
  const widen = (narrow: number): number => {
    if (narrow !== 0xffffffff || field.length < 8) return narrow
    const wide = Number(dataView(field).getBigUint64(0, true))
    field = field.subarray(8)
    return wide
  }
  const size = widen(view.getUint32(24, true))
  const storedSize = widen(view.getUint32(20, true))
  return { size, storedSize, localOffset: widen(view.getUint32(42, true)) }
}

function findExtra(extra: Uint8Array, wanted: number): Uint8Array {
  const view = dataView(extra)
  for (let at = 0; at + 4 <= extra.length; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) === wanted)
      return extra.subarray(at + 4, at + 4 + view.getUint16(at + 2, true))
  }
  return new Uint8Array(0)
}

/** Name and extra field of the local header may have other lengths than in the directory: PyTorch pads there. */
function contentOffset(file: FileBytes, name: string, localOffset: number, size: number): number {
  const view = dataView(file.bytes(localOffset, LOCAL_HEADER))
  if (view.getUint32(0, true) !== LOCAL_SIGNATURE)
    throw damaged(file, `${name} is not where the directory says`)
  const offset = localOffset + LOCAL_HEADER + view.getUint16(26, true) + view.getUint16(28, true)
  checkRange({ name: `${name} in ${file.name}`, size: file.size, isOpen: true }, offset, size)
  return offset
}

function dataView(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function damaged(file: FileBytes, what: string): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_ZIP',
    `weights: expected a whole zip archive, of ${file.name} ${what}; download or copy it again.`,
  )
}
