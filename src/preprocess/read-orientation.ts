/**
 * Which way up a picture stands, by its metadata: Exif, and XMP where Exif says nothing.
 *
 * As Pillow's `Image.getexif` has it: data that are no Exif say that nothing is known, whatever XMP says beside them.
 */
import type { Orientation } from './probe-image.ts'
import { isTiffHeader, readOrientation, toOrientation } from './probe-tiff.ts'

export type Metadata = {
  /** As a TIFF file, behind its name or without. */
  readonly exif?: Uint8Array | undefined
  readonly xmp?: Uint8Array | undefined
}

/** Never throws: metadata do not decide whether a picture can be read. */
export function orientationBy({ exif, xmp }: Metadata): Orientation {
  const data = withoutName(exif ?? new Uint8Array(0))
  if (data.length > 0) {
    if (!isTiffHeader(data)) return 1
    const said = readOrientation(data)
    if (said !== undefined) return said
  }
  return xmp ? xmpOrientation(xmp) : 1
}

const NAME = [...'Exif\0\0'].map((character) => character.charCodeAt(0))

/** Some writers put the name there twice. */
function withoutName(exif: Uint8Array): Uint8Array {
  let data = exif
  while (NAME.every((byte, i) => data[i] === byte)) data = data.subarray(NAME.length)
  return data
}

/** As an attribute or an element, without a look at the rest of the XML. */
function xmpOrientation(xmp: Uint8Array): Orientation {
  const text = new TextDecoder('latin1').decode(xmp)
  return toOrientation(Number(/tiff:Orientation(?:="|>)([0-9])/.exec(text)?.[1]))
}
