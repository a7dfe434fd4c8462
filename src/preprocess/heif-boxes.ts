/**
 * The boxes of a file in the HEIF container, as many and as long ones as real files have.
 *
 * Source: ISO/IEC 14496-12.
 */
import { unreadable, type ByteReader } from './byte-reader.ts'

export type Box = { readonly type: string; readonly from: number; readonly to: number }

/** One behind another. A grid has one for each of its tiles, and few others. */
const MOST_BOXES = 4096

/** Bytes of a box that lists items: as many tiles take some tens of kB. */
const MOST_LIST = 2 ** 17

export function boxes(reader: ByteReader, from: number, to: number): Box[] {
  const found: Box[] = []
  for (let at = from; at + 8 <= to && found.length < MOST_BOXES;) {
    const short = reader.u32(at, false)
    const isLong = short === 1
    const size = isLong ? reader.u64(at + 8, false) : short === 0 ? to - at : short
    const header = isLong ? 16 : 8
    if (size < header || at + size > to) return found
    found.push({ type: characters(reader, at + 4), from: at + header, to: at + size })
    at += size
  }
  return found
}

/** The first box of a type, which lists items. Throws InputError for a list longer than any real one. */
export function findList(list: readonly Box[], type: string): Box | undefined {
  const box = list.find((one) => one.type === type)
  if (box !== undefined) checkList(box)
  return box
}

export function checkList({ type, from, to }: Box): void {
  if (to - from <= MOST_LIST) return
  throw unreadable(
    `its AVIF has ${to - from} bytes of ${type}, of which at most ${MOST_LIST} are read`,
  )
}

/** The first box of a type. Throws InputError where there is none. */
export function needBox(list: readonly Box[], type: string): Box {
  const box = list.find((one) => one.type === type)
  if (box === undefined) throw unreadable(`its AVIF has no ${type}`)
  return box
}

export function characters(reader: ByteReader, at: number): string {
  const [first, second] = [reader.u16(at, false), reader.u16(at + 2, false)]
  return String.fromCharCode(first >> 8, first & 255, second >> 8, second & 255)
}

/**
 * What the box says one behind another, from `start` on (behind its version and flags): numbers of as many bytes as asked
 * for. They throw InputError at its end.
 */
export function numbersIn(
  reader: ByteReader,
  { type, from, to }: Box,
  start = from + 4,
): (size: number) => number {
  let at = start
  return (size) => {
    at += size
    if (at > to) throw unreadable(`its AVIF has a box ${type} that ends early`)
    return reader.uint(at - size, size, false)
  }
}

/** How many bytes the id of an item takes in a box, by its version. */
export function idSize(reader: ByteReader, box: Box, longSince: number): number {
  return reader.u8(box.from) < longSince ? 2 : 4
}
