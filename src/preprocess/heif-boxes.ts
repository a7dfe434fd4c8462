/** The boxes of a file in the HEIF container. Source: ISO/IEC 14496-12. */
import { unreadable, type ByteReader } from './byte-reader.ts'

export type Box = { readonly type: string; readonly from: number; readonly to: number }

export function boxes(reader: ByteReader, from: number, to: number): Box[] {
  const found: Box[] = []
  for (let at = from; at + 8 <= to;) {
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

/** The first box of a type. Throws InputError where there is none. */
export function needBox(list: readonly Box[], type: string): Box {
  const box = list.find((one) => one.type === type)
  if (box === undefined) throw unreadable(`its AVIF has no ${type}`)
  return box
}

export function characters(reader: ByteReader, at: number): string {
  return String.fromCharCode(...reader.bytes.subarray(at, at + 4))
}

/** What the box says one behind another, after its version and flags: numbers of as many bytes as asked for. */
export function numbersIn(reader: ByteReader, box: Box): (size: number) => number {
  let at = box.from + 4
  return (size) => {
    at += size
    return reader.uint(at - size, size, false)
  }
}

/** How many bytes the id of an item takes in a box, by its version. */
export function idSize(reader: ByteReader, box: Box, longSince: number): number {
  return reader.u8(box.from) < longSince ? 2 : 4
}
