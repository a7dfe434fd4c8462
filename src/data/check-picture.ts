/**
 * Whether a picture can be learnt from, and its size.
 *
 * `header` reads the beginning and the end of a file: a file whose end is missing is decoded to be sure. `decode` decodes
 * every picture. What cannot be decoded here stops the original's data loader as well, which then silently takes another
 * record.
 */
import { open, stat, type FileHandle } from 'node:fs/promises'
import { decodeImage } from '../preprocess/decode-image.ts'
import type { ImageSize } from '../preprocess/image.ts'
import { MAX_PIXELS } from '../preprocess/max-pixels.ts'
import {
  checkWhole,
  probeImage,
  type ImageFormat,
  type ImageHeader,
} from '../preprocess/probe-image.ts'
import { RecordFault } from './record-fault.ts'
import type { Picture } from './record.ts'

export type PictureDepth = 'header' | 'decode'

/** The part of a file that is looked at first, and the part at its end. */
const HEAD_BYTES = 2 ** 16
const TAIL_BYTES = 2 ** 12

/** The size that the file's header says. Throws RecordFault picture-missing or picture-broken. */
export async function checkPicture(picture: Picture, depth: PictureDepth): Promise<ImageSize> {
  const name = typeof picture === 'string' ? picture : 'a picture inside the file'
  try {
    if (typeof picture !== 'string') return await checkBytes(picture, depth)
    return await checkFile(picture, depth)
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) {
      throw new RecordFault(
        'picture-missing',
        `picture: expected a file at ${name}, there is none; check imageFolder or leave the record out.`,
        { cause },
      )
    }
    throw new RecordFault(
      'picture-broken',
      `picture: ${name} cannot be used (${(cause as Error).message}); get it again or leave the record out.`,
      { cause },
    )
  }
}

/** The same of a file, with the fault as its decoder tells it. */
export async function checkFile(path: string, depth: PictureDepth): Promise<ImageSize> {
  // A pipe would be waited for.
  if (!(await stat(path)).isFile()) throw new Error('it is no file')
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const isWhole = depth === 'decode' || size <= HEAD_BYTES
    const head = await readPart(file, 0, isWhole ? size : HEAD_BYTES)
    if (isWhole) return await checkBytes(head, depth)
    const header = tryProbe(head)
    const tail = await readPart(file, size - TAIL_BYTES, size)
    if (header && endsWell(header.format, head, { tail, size })) return sizeOf(header)
    // Long metadata before the header, or no end: only the whole file tells.
    return await checkBytes(await readPart(file, 0, size), depth)
  } finally {
    await file.close()
  }
}

function tryProbe(head: Uint8Array): ImageHeader | null {
  try {
    return probeImage(head)
  } catch {
    return null
  }
}

async function checkBytes(bytes: Uint8Array, depth: PictureDepth): Promise<ImageSize> {
  const header = probeImage(bytes)
  checkWhole(header, bytes.length)
  const tail = bytes.subarray(-TAIL_BYTES)
  const isSure = depth === 'header' && endsWell(header.format, bytes, { tail, size: bytes.length })
  if (!isSure) await decodeImage(bytes)
  return sizeOf(header)
}

function sizeOf({ width, height }: ImageHeader): ImageSize {
  if (width * height <= MAX_PIXELS) return { width, height }
  throw new Error(`its header says ${width} × ${height}, more than ${MAX_PIXELS} pixels`)
}

/** Whether the file has the end that its kind promises; kinds without a mark there are decoded. */
function endsWell(
  format: ImageFormat,
  head: Uint8Array,
  { tail, size }: { readonly tail: Uint8Array; readonly size: number },
): boolean {
  const end = Buffer.from(tail.buffer, tail.byteOffset, tail.byteLength)
  if (format === 'jpeg') return end.includes('\xff\xd9', 0, 'latin1')
  if (format === 'png') return end.includes('IEND', 0, 'latin1')
  if (format === 'webp')
    return new DataView(head.buffer, head.byteOffset).getUint32(4, true) + 8 <= size
  return false
}

async function readPart(file: FileHandle, from: number, to: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(to - from)
  for (let at = 0; at < bytes.length;) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, from + at)
    if (bytesRead === 0) throw new Error('the file became shorter while it was read')
    at += bytesRead
  }
  return bytes
}
