/**
 * Whether a marker breaks the scan of a JPEG.
 *
 * A byte 0xff that came into a scan makes a marker, and there the scan ends: its decoder fills the rest of the picture with
 * one colour. libjpeg refuses the marker only when it is asked to read on to the end of the file
 * (`jpeg_finish_decompress`), as Pillow does and libvips does not. So the markers are read here, each taken or refused as
 * in jdmarker.c; tables are refused whatever is in them, for behind the only scan nobody writes any.
 */
import { ByteReader, unreadable } from './byte-reader.ts'
import { jpegSegments } from './probe-image.ts'

/** Pillow hands a file to libjpeg in parts. When all rows are there it reads to the end of the part, and no further. */
const PART_BYTES = 2 ** 16

/** Huffman coded, baseline and extended, and arithmetically coded. */
const SEQUENTIAL_FRAMES = [0xc0, 0xc1, 0xc9]
const [TEM, SOF0, RST0, RST7, EOI, SOS] = [0x01, 0xc0, 0xd0, 0xd7, 0xd9, 0xda] as const
const [DNL, DRI, APP0, APP15, COM] = [0xdc, 0xdd, 0xe0, 0xef, 0xfe] as const

/** Throws InputError INPUT_IMAGE_UNREADABLE. */
export function checkJpegScan(bytes: Uint8Array): void {
  const reader = new ByteReader(bytes)
  let frame: number | null = null
  let interval = 0
  for (const { marker, at, length } of jpegSegments(reader)) {
    if (SEQUENTIAL_FRAMES.includes(marker)) frame = at
    if (marker === DRI) interval = reader.u16(at + 2, false)
    if (marker !== SOS || frame === null) continue
    // Files of several scans, as progressive ones are, libjpeg reads to their end before it gives the first row.
    if (reader.u8(at + 2) !== reader.u8(frame + 7)) continue
    const restarts = interval === 0 ? 0 : Math.ceil(countUnits(reader, frame) / interval) - 1
    checkMarkers(bytes, at + length, restarts)
  }
}

/** The MCUs of a scan of all components. */
function countUnits(reader: ByteReader, frame: number): number {
  const [height, width] = [reader.u16(frame + 3, false), reader.u16(frame + 5, false)]
  const components = reader.u8(frame + 7)
  const sampling = Array.from({ length: components }, (_, i) => reader.u8(frame + 9 + 3 * i))
  const across = components === 1 ? 1 : Math.max(1, ...sampling.map((factors) => factors >> 4))
  const down = components === 1 ? 1 : Math.max(1, ...sampling.map((factors) => factors & 15))
  return Math.ceil(width / (8 * across)) * Math.ceil(height / (8 * down))
}

function checkMarkers(bytes: Uint8Array, start: number, restarts: number): void {
  let seen = bytes
  let [left, expected] = [restarts, RST0 as number]
  for (let at = seen.indexOf(0xff, start); at >= 0; at = seen.indexOf(0xff, at)) {
    while (seen[at] === 0xff) at++
    const marker = seen[at++]
    if (marker === undefined) return
    if (marker === 0) continue
    const isRestart = marker >= RST0 && marker <= RST7
    if (left > 0 && marker < SOF0) continue
    if (left > 0 && isRestart) {
      // As jpeg_resync_to_restart: it is the next but one or two, or is late and skipped, or stands for the next.
      const ahead = (marker - expected) & 7
      const passed = ahead >= 6 ? 0 : ahead <= 2 ? ahead + 1 : 1
      expected += passed
      left -= passed
      continue
    }
    left = 0
    seen = seen.subarray(0, Math.ceil(at / PART_BYTES) * PART_BYTES)
    if (marker === EOI) return
    if (isRestart || marker === TEM) continue
    const isSkipped = (marker >= APP0 && marker <= APP15) || marker === COM || marker === DNL
    if (!isSkipped) {
      const name = `0x${marker.toString(16).padStart(2, '0')}`
      throw unreadable(`its jpeg data are damaged (marker ${name} in its scan, at byte ${at - 2})`)
    }
    at += Math.max(2, ((seen[at] ?? 0) << 8) | (seen[at + 1] ?? 0))
  }
}
