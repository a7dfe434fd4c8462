/**
 * The scales of an int8 cache on the host: how they grow when something larger comes than they were made for.
 *
 * A prompt's scales have room for somewhat larger values (`HEADROOM`). What is larger still is cut off, which shows in
 * the rows: they hold the largest number there is. Such channels get twice the scale, and the rows they have are halved.
 */
import { INT8_LEVELS } from '../layers/int8-cache.ts'
import { CACHE_KINDS, slotRow, type CacheKind, type KvCache, type LayerScales } from './kv-cache.ts'

/** Positions [from, to) of a slot. */
export type Positions = { readonly slot: number; readonly from: number; readonly to: number }

/** Gives a slot without positions the scale 0 everywhere, which says so. */
export function clearScales(cache: KvCache, slot: number): void {
  for (const { scales } of cache.layers) {
    for (const scale of Object.values(scales ?? {})) slotRow(scale, slot).fill(0)
  }
}

/** The share of the elements of `added`, the newest positions, that is cut off. */
export function shareCut(cache: KvCache, added: Positions): number {
  let cut = 0
  for (const layer of cache.layers.keys()) {
    for (const kind of CACHE_KINDS) cut += findCut(cache, { layer, kind }, added)
  }
  const perPosition = 2 * cache.layers.length * cache.heads * cache.width
  return cut / (perPosition * (added.to - added.from))
}

/** Doubles the scales of the channels in which some of `added`, the newest positions, is cut off. */
export function widenScales(cache: KvCache, added: Positions): void {
  const isCut = new Uint8Array(cache.heads * cache.width)
  for (const layer of cache.layers.keys()) {
    for (const kind of CACHE_KINDS) {
      if (findCut(cache, { layer, kind }, added, isCut) === 0) continue
      if (kind === 'key') joinPairs(isCut, cache.width)
      const factors = Float32Array.from(isCut, (flag) => 1 + flag)
      growScales(cache, { layer, kind }, factors, { slot: added.slot, from: 0, to: added.to })
      isCut.fill(0)
    }
  }
}

type Part = { readonly layer: number; readonly kind: CacheKind }

/** Multiplies scales by `factors` [K·H] and divides the rows at `positions` by them. */
export function growScales(
  cache: KvCache,
  { layer, kind }: Part,
  factors: Float32Array,
  positions: Positions,
): void {
  const { slot } = positions
  const scale = slotRow(scalesOf(cache, layer)[kind], slot)
  const grown = scale.map((s, i) => s * (factors[i] as number))
  setScales(cache, { layer, kind, slot }, grown)
  divideRows(cache, { layer, kind }, factors, positions)
}

/** Sets s of one kind of a slot, [K·H], and what queries or results are multiplied by because of it. */
export function setScales(
  cache: KvCache,
  { layer, kind, slot }: Part & { readonly slot: number },
  values: Float32Array,
): void {
  const scales = scalesOf(cache, layer)
  slotRow(scales[kind], slot).set(values)
  const wide = slotRow(kind === 'key' ? scales.query : scales.output, slot)
  const group = wide.length / values.length
  for (let head = 0; head < cache.heads * group; head++) {
    const start = Math.floor(head / group) * cache.width
    wide.set(values.subarray(start, start + cache.width), head * cache.width)
  }
}

function scalesOf(cache: KvCache, layer: number): LayerScales {
  const scales = cache.layers[layer]?.scales
  if (!scales) throw new Error('internal: scales of a float32 cache')
  return scales
}

/** How many elements at the positions hold a largest number. Marks their channels in `isCut` [K·H]. */
function findCut(
  cache: KvCache,
  { layer, kind }: Part,
  { slot, from, to }: Positions,
  isCut?: Uint8Array,
): number {
  const data = cache.layers[layer]?.[kind].data as Int8Array
  const { width } = cache
  let count = 0
  for (let head = 0; head < cache.heads; head++) {
    const start = cache.offset(slot, head)
    for (let i = start + from * width; i < start + to * width; i++) {
      const value = data[i] as number
      if (value < INT8_LEVELS && value > -INT8_LEVELS) continue
      if (isCut) isCut[head * width + ((i - start) % width)] = 1
      count++
    }
  }
  return count
}

/** Elements i and i + H/2 of a head share a scale. */
function joinPairs(isCut: Uint8Array, width: number): void {
  const half = width / 2
  for (let start = 0; start < isCut.length; start += width) {
    for (let i = start; i < start + half; i++) {
      if (isCut[i] || isCut[i + half]) isCut[i] = isCut[i + half] = 1
    }
  }
}

/** Divides rows by `factors` [K·H], halves away from zero. */
function divideRows(
  cache: KvCache,
  { layer, kind }: Part,
  factors: Float32Array,
  { slot, from, to }: Positions,
): void {
  const data = cache.layers[layer]?.[kind].data as Int8Array
  const { width } = cache
  for (let head = 0; head < cache.heads; head++) {
    const first = head * width
    const channels = Array.from({ length: width }, (_, i) => i).filter(
      (i) => factors[first + i] !== 1,
    )
    if (channels.length === 0) continue
    const start = cache.offset(slot, head)
    for (let row = start + from * width; row < start + to * width; row += width) {
      for (const channel of channels) {
        const quotient = (data[row + channel] as number) / (factors[first + channel] as number)
        data[row + channel] = quotient < 0 ? -Math.round(-quotient) : Math.round(quotient)
      }
    }
  }
}
