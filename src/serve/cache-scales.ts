/**
 * The scales of an int8 cache on the host: how they grow when something larger comes than they were made for.
 *
 * A prompt's scales have room for somewhat larger values (`HEADROOM`). What is larger still is cut off, which shows in
 * the rows: they hold the largest number there is. Such channels get twice the scale, and the rows they have are halved.
 */
import { INT8_LEVELS } from '../layers/int8-cache.ts'
import {
  Breath,
  CACHE_KINDS,
  slotRow,
  type CacheKind,
  type KvCache,
  type LayerScales,
} from './kv-cache.ts'

/** Positions [from, to) of a slot. */
export type Positions = { readonly slot: number; readonly from: number; readonly to: number }

/** Keys or values of one layer in one slot. */
export type SlotPart = { readonly layer: number; readonly kind: CacheKind; readonly slot: number }

/** Share of new positions' elements that may be cut off before they are computed again: docs/decisions.md. */
export const TOLERATED_CUT = 0.02
/** What a channel costs that is rescaled, in bytes copied: each of its rows lies in a cache line of its own. */
const LINE_BYTES = 64

/** Gives a slot without positions the scale 0 everywhere, which says so. */
export function clearScales(cache: KvCache, slot: number): void {
  for (const { scales } of cache.layers) {
    for (const scale of Object.values(scales ?? {})) slotRow(scale, slot).fill(0)
  }
}

/** Gives a part the scales `next` [K·H]; its rows [0, length), which have other scales, are rounded again. */
export async function setScales(
  cache: KvCache,
  part: SlotPart,
  { next, length }: { readonly next: Float32Array; readonly length: number },
): Promise<void> {
  const breath = new Breath()
  const before = scalesOf(cache, part.layer)[part.kind]
  for (const [channel, scale] of slotRow(before, part.slot).slice().entries()) {
    const wanted = next[channel] as number
    if (wanted === scale) continue
    setScale(cache, part, { channel, scale: wanted })
    if (length === 0) continue
    divideRows(cache, part, { channel, divisor: wanted / scale, from: 0, to: length })
    await breath.after(length * LINE_BYTES)
  }
}

/** Rounds rows that have the scales `before` [K·H] to those of their part. */
export async function rescaleRows(
  cache: KvCache,
  part: SlotPart,
  { before, from, to }: { readonly before: Float32Array; from: number; to: number },
): Promise<void> {
  const breath = new Breath()
  const scales = slotRow(scalesOf(cache, part.layer)[part.kind], part.slot)
  for (const [channel, scale] of scales.entries()) {
    const was = before[channel] as number
    if (was === scale) continue
    divideRows(cache, part, { channel, divisor: scale / was, from, to })
    await breath.after((to - from) * LINE_BYTES)
  }
}

/** The share of the elements of `added`, the newest positions, that is cut off. */
export function shareCut(cache: KvCache, added: Positions): number {
  let cut = 0
  for (const layer of cache.layers.keys()) {
    for (const kind of CACHE_KINDS) cut += cutElements(cache, { layer, kind }, added).length
  }
  const perPosition = 2 * cache.layers.length * cache.heads * cache.width
  return cut / (perPosition * (added.to - added.from))
}

/** Doubles the scales of the channels in which some of `added`, the newest positions, is cut off. */
export async function widenScales(cache: KvCache, added: Positions): Promise<void> {
  const breath = new Breath()
  for (const layer of cache.layers.keys()) {
    for (const kind of CACHE_KINDS) {
      const part = { layer, kind, slot: added.slot }
      const cut = new Set(cutElements(cache, part, added))
      const channels = kind === 'key' ? withPartners(cut, cache.width) : cut
      const scales = slotRow(scalesOf(cache, layer)[kind], added.slot)
      for (const channel of channels) {
        setScale(cache, part, { channel, scale: 2 * (scales[channel] as number) })
        divideRows(cache, part, { channel, divisor: 2, from: 0, to: added.to })
        await breath.after(added.to * LINE_BYTES)
      }
    }
  }
}

/** The channels, of K·H, of elements at the positions that hold a largest number; one entry an element. */
function cutElements(
  cache: KvCache,
  { layer, kind }: Pick<SlotPart, 'layer' | 'kind'>,
  { slot, from, to }: Positions,
): number[] {
  const data = cache.layers[layer]?.[kind].data as Int8Array
  const { width } = cache
  const channels: number[] = []
  for (let head = 0; head < cache.heads; head++) {
    const start = cache.offset(slot, head)
    for (let i = start + from * width; i < start + to * width; i++) {
      const value = data[i] as number
      if (value >= INT8_LEVELS || value <= -INT8_LEVELS) {
        channels.push(head * width + ((i - start) % width))
      }
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

/** Sets s of one channel, and what queries or results are multiplied by because of it. */
function setScale(
  cache: KvCache,
  { layer, kind, slot }: SlotPart,
  { channel, scale }: { readonly channel: number; readonly scale: number },
): void {
  const scales = scalesOf(cache, layer)
  const { width, heads } = cache
  slotRow(scales[kind], slot)[channel] = scale
  const ofQueries = slotRow(kind === 'key' ? scales.query : scales.output, slot)
  const group = ofQueries.length / (heads * width)
  const first = Math.floor(channel / width) * group * width + (channel % width)
  for (let i = 0; i < group; i++) ofQueries[first + i * width] = scale
}

/** Divides rows [from, to) of one channel, halves away from zero. */
function divideRows(
  cache: KvCache,
  { layer, kind, slot }: SlotPart,
  { channel, divisor, from, to }: { channel: number; divisor: number; from: number; to: number },
): void {
  const data = cache.layers[layer]?.[kind].data as Int8Array
  const { width } = cache
  const start = cache.offset(slot, Math.floor(channel / width)) + (channel % width)
  for (let i = start + from * width; i < start + to * width; i += width) {
    const quotient = (data[i] as number) / divisor
    data[i] = quotient < 0 ? -Math.round(-quotient) : Math.round(quotient)
  }
}

function scalesOf(cache: KvCache, layer: number): LayerScales {
  const scales = cache.layers[layer]?.scales
  if (!scales) throw new Error('internal: scales of a float32 cache')
  return scales
}
