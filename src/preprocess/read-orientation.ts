/**
 * Which way up a picture stands, by its metadata: Exif, and XMP where Exif says nothing.
 *
 * As Pillow's `Image.getexif` has it: data that are no Exif say that nothing is known, whatever XMP says beside them.
 */
import { ByteReader } from './byte-reader.ts'
import { MOST_METADATA } from './header-limits.ts'
import type { Orientation } from './probe-image.ts'
import { numberOf, readTags, type Entry } from './tiff-directory.ts'

export type Metadata = {
  /** As a TIFF file, behind its name or without. */
  readonly exif?: Uint8Array | undefined
  readonly xmp?: Uint8Array | undefined
}

export const ORIENTATION = 274

/** Never throws: metadata do not decide whether a picture can be read. */
export function orientationBy({ exif, xmp }: Metadata): Orientation {
  return exifOrientation(exif) ?? (xmp ? xmpOrientation(xmp) : 1)
}

/** Undefined where Exif is not there, or has not the tag. */
export function exifOrientation(exif: Uint8Array | undefined): Orientation | undefined {
  if (exif === undefined) return
  const reader = new ByteReader(withoutName(exif.subarray(0, MOST_METADATA)))
  if (reader.length === 0) return
  if (!isTiff(reader)) return 1
  const tags = readTags(reader, true)
  return tags.has(ORIENTATION) ? orientationOf(reader, tags) : undefined
}

/** What the tag says, if it is there. */
export function orientationOf(reader: ByteReader, tags: ReadonlyMap<number, Entry>): Orientation {
  return toOrientation(numberOf(reader, tags.get(ORIENTATION)))
}

/** A number that is no orientation says as much as none. */
export function toOrientation(value: number | undefined): Orientation {
  return value !== undefined && value >= 1 && value <= 8 ? (value as Orientation) : 1
}

/** As an attribute or an element, without a look at the rest of the XML. */
export function xmpOrientation(xmp: Uint8Array): Orientation {
  const text = new TextDecoder('latin1').decode(xmp.subarray(0, MOST_METADATA))
  return toOrientation(Number(/tiff:Orientation(?:="|>)([0-9])/.exec(text)?.[1]))
}

const NAME = 'Exif\0\0'

/** Some writers put the name there twice. */
function withoutName(exif: Uint8Array): Uint8Array {
  const reader = new ByteReader(exif)
  let at = 0
  while (reader.is(at, NAME)) at += NAME.length
  return exif.subarray(at)
}

/** Some writers turn the bytes of the number round. */
function isTiff(reader: ByteReader): boolean {
  const magics = ['II*\0', 'MM\0*', 'II\0*', 'MM*\0']
  return reader.has(0, 8) && magics.some((magic) => reader.is(0, magic))
}
