/**
 * Scales of an int8 cache on the host: whether new positions fit into those of their slot, and what happens where they do not.
 *
 * All slots have the model's scales, which have room for larger values than were seen (`calibrate-cache.ts`). What is
 * larger still is cut off, which shows in the rows: they hold the largest number there is. A position of which too much is
 * cut off is computed again with wider scales. Which positions those are depends on what the sequence is, and not on the
 * runs it was read in; but its rows are no use to others from then on.
 */
import { INT8_LEVELS } from '../layers/int8-cache.ts'
import { Breath, CACHE_KINDS, slotRow, type CacheKind, type KvCache } from './kv-cache.ts'

/** Keys or values of one layer in one slot. */
type SlotPart = { readonly layer: number; readonly kind: CacheKind; readonly slot: number }

/** Share of a position's elements that may be cut off: docs/decisions.md. */
export const TOLERATED_CUT = 0.02
/** Widening doubles scales: no two values of a channel differ by so many powers of two. */
export const MOST_WIDENINGS = 24
/** What a channel costs that is rescaled, in bytes copied: each of its rows lies in a cache line of its own. */
const LINE_BYTES = 64

/** Whether too much of a position is cut off. */
export function isCutTooMuch(cache: KvCache, slot: number, position: number): boolean {
  let cut = 0
  for (const layer of cache.layers.keys()) {
    for (const kind of CACHE_KINDS) {
      cut += cutChannels(cache, { layer, kind, slot }, position).length
    }
  }
  return cut > mostCut(cache)
}

/** Of one position's elements, how many may be cut off. */
export function mostCut({ layers, heads, width }: KvCache): number {
  return TOLERATED_CUT * 2 * layers.length * heads * width
}

export function isCutOff(row: number): boolean {
  return row >= INT8_LEVELS || row <= -INT8_LEVELS
}

/** Doubles the scales of the channels in which the newest position, the last before `length`, is cut off. */
export async function widenScales(cache: KvCache, slot: number, length: number): Promise<void> {
  const breath = new Breath()
  for (const [layer, { scales }] of cache.layers.entries()) {
    if (!scales) throw new Error('internal: scales of a float32 cache')
    for (const kind of CACHE_KINDS) {
      const part = { layer, kind, slot }
      const cut = new Set(cutChannels(cache, part, length - 1))
      const channels = kind === 'key' ? withPartners(cut, cache.width) : cut
      const before = slotRow(scales[kind], slot)
      for (const channel of channels) {
        cache.widenScale(part, { channel, scale: 2 * (before[channel] as number) })
        halveRows(cache, part, { channel, length })
        await breath.after(length * LINE_BYTES)
      }
    }
  }
}

/** The channels, of K·H, whose element at a position is cut off. */
function cutChannels(cache: KvCache, { layer, kind, slot }: SlotPart, position: number): number[] {
  const data = cache.layers[layer]?.[kind].data as Int8Array
  const channels: number[] = []
  for (let head = 0; head < cache.heads; head++) {
    const start = cache.offset(slot, head) + position * cache.width
    for (let i = 0; i < cache.width; i++) {
      if (isCutOff(data[start + i] as number)) channels.push(head * cache.width + i)
    }
  }
  return channels
}

/** Elements i and i + H/2 of a head share a scale. */
function withPartners(channels: ReadonlySet<number>, width: number): Set<number> {
  const half = width / 2
  const partners = [...channels].map((channel) =>
    channel % width < half ? channel + half : channel - half,
  )
  return new Set([...channels, ...partners])
}

/** Halves rows [0, length) of one channel, halves away from zero. */
function halveRows(
  cache: KvCache,
  { layer, kind, slot }: SlotPart,
  { channel, length }: { readonly channel: number; readonly length: number },
): void {
  const data = cache.layers[layer]?.[kind].data as Int8Array
  const { width } = cache
  const start = cache.offset(slot, Math.floor(channel / width)) + (channel % width)
  for (let i = start; i < start + length * width; i += width) {
    const half = (data[i] as number) / 2
    data[i] = half < 0 ? -Math.round(-half) : Math.round(half)
  }
}
