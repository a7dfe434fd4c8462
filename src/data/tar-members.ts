/**
 * The members of a tar file by their headers: names, and where their bytes lie. Contents are skipped, not read, so a
 * shard of gigabytes takes a few reads, and each of its members can be read alone later. (tar-stream reads a file from
 * its beginning to its end, and does not tell where in it a member lies.)
 *
 * Source: POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar's long names ('L') and base-256 numbers.
 */
import { open, type FileHandle } from 'node:fs/promises'
import { InputError } from '../core/errors.ts'

export type TarMember = {
  readonly name: string
  readonly offset: number
  readonly size: number
  /** A hard or symbolic link: a name without bytes of its own. */
  readonly isLink?: true
}

const BLOCK = 512
/** Of names and pax records, which are text. */
const MOST_META_BYTES = 2 ** 20

/** Throws InputError where there is no such file. */
export function openTar(path: string): Promise<FileHandle> {
  return open(path).catch((cause: unknown) => {
    throw new InputError('INPUT_DATA_MISSING', `data: there is no tar file at ${path}.`, { cause })
  })
}

/**
 * Files and links in the order of the archive; folders and devices are left out. Throws InputError, in which the archive is
 * called `path`.
 */
export async function* readTarMembers(file: FileHandle, path: string): AsyncGenerator<TarMember> {
  const { size: end } = await file.stat()
  if (end < BLOCK) throw broken(path, `it has ${end} bytes`)
  let own: Extended = {}
  for (let at = 0; at + BLOCK <= end;) {
    const block = await readAt(file, at, BLOCK)
    if (block.every((byte) => byte === 0)) return
    const header = readHeader(block)
    if (!header) throw broken(path, `no header is at byte ${at}`)
    const size =
      header.type === 'x' || header.type === 'L' ? header.size : (own.size ?? header.size)
    const offset = at + BLOCK
    if (offset + size > end) throw broken(path, `it ends within ${header.name}`)
    at = offset + Math.ceil(size / BLOCK) * BLOCK
    if (header.type === 'x' || header.type === 'L') {
      if (size > MOST_META_BYTES) throw broken(path, `a name of ${size} bytes is at byte ${offset}`)
      const text = await readAt(file, offset, size)
      own = { ...own, ...(header.type === 'x' ? paxRecords(text) : { name: textOf(text) }) }
      continue
    }
    if (header.type === 'g') continue
    if (header.type === '0' || header.type === '\0' || header.type === '7') {
      yield { name: own.name ?? header.name, offset, size }
    }
    if (header.type === '1' || header.type === '2') {
      yield { name: own.name ?? header.name, offset, size: 0, isLink: true }
    }
    own = {}
  }
}

/** What a record before it says of the next member. */
type Extended = { readonly name?: string; readonly size?: number }

type Header = { readonly name: string; readonly size: number; readonly type: string }

/** Null for what is no header: its sum does not fit. */
function readHeader(block: Uint8Array): Header | null {
  const sum = block.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0)
  if (numberOf(block.subarray(148, 156)) !== sum) return null
  const isUstar = textOf(block.subarray(257, 262)) === 'ustar'
  // GNU's old form has other things where ustar has the beginning of a long path.
  const isGnu = textOf(block.subarray(257, 265)) === 'ustar  '
  const prefix = isUstar && !isGnu ? textOf(block.subarray(345, 500)) : ''
  const name = textOf(block.subarray(0, 100))
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    size: numberOf(block.subarray(124, 136)),
    type: String.fromCharCode(block[156] as number),
  }
}

/** Octal digits, or with the first bit set a binary number. */
function numberOf(field: Uint8Array): number {
  const [first = 0] = field
  if (first & 0x80) {
    return field.subarray(1).reduce((value, byte) => value * 256 + byte, first & 0x7f)
  }
  const digits = textOf(field).trim()
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : digits === '' ? 0 : NaN
}

function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0)
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end))
}

/** Records of the form `LENGTH KEY=VALUE\n`; the length is in bytes and counts itself. */
function paxRecords(bytes: Uint8Array): Extended {
  let [name, size]: [string | undefined, number | undefined] = [undefined, undefined]
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at)
    const length = Number(new TextDecoder().decode(bytes.subarray(at, space)))
    if (space < 0 || !(length > 0)) break
    const record = new TextDecoder().decode(bytes.subarray(space + 1, at + length - 1))
    if (record.startsWith('path=')) name = record.slice('path='.length)
    if (record.startsWith('size=')) size = Number(record.slice('size='.length))
    at += length
  }
  return { ...(name !== undefined && { name }), ...(size !== undefined && { size }) }
}

/** Bytes [offset, offset + size) of a file. */
export async function readAt(file: FileHandle, offset: number, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size)
  for (let at = 0; at < size;) {
    const { bytesRead } = await file.read(bytes, at, size - at, offset + at)
    if (bytesRead === 0) throw new Error('the file ends early')
    at += bytesRead
  }
  return bytes
}

function broken(path: string, what: string): InputError {
  return new InputError(
    'INPUT_DATA_BROKEN',
    `data: ${path} should be a whole tar file without compression, ${what}; get it again, or unpack it once (gunzip).`,
  )
}
