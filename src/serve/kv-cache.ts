/**
 * The keys and values of the sequences that are being answered.
 *
 * One buffer per layer and kind, [slots, K, C, H] with C the capacity, float32 or int8 with scales for each slot: the
 * model's, unless a sequence needs wider ones. A sequence owns one slot and its positions [0, length); the memory of
 * [length, C) holds nothing. Slots of one call are adjacent, so that a run over several sequences is a view and never a
 * copy. Buffers are zeroed by the system on first touch: untouched capacity costs address space, not memory.
 */
import { allocate, bytesPerElement, type TypedArray } from '../core/dtype.ts'
import { CapacityError } from '../core/errors.ts'
import { elementCount } from '../core/shape.ts'
import { nextTurn } from '../core/steps.ts'
import type { DecoderConfig } from '../decoder/decoder.ts'
import { cacheHeadDim } from '../layers/attention.ts'
import type { Runtime, Tensor } from '../runtime/runtime.ts'
import { kvWidth, queryWidth, type CacheForm } from './decoder-graph.ts'

export type CacheLayer = {
  readonly key: Tensor
  readonly value: Tensor
  /** Of an int8 cache: those of `CacheScales`, key and value float32[slots,1,K·H], query and output [slots,1,N·H]. */
  readonly scales: LayerScales | null
}

export type LayerScales = {
  readonly key: Tensor
  readonly value: Tensor
  readonly query: Tensor
  readonly output: Tensor
}

export type CacheKind = 'key' | 'value'
/** Of each layer, numbers of its channels, [K·H]. */
export type ChannelSizes = readonly Readonly<Record<CacheKind, Float32Array>>[]
/** Of each layer, what a slot's `LayerScales` are: key and value [K·H], query and output [N·H]. */
export type SlotScales = readonly Readonly<Record<keyof LayerScales, Float32Array>>[]
export const CACHE_KINDS = ['key', 'value'] as const
const SCALE_NAMES = ['key', 'value', 'query', 'output'] as const

/** The clock is looked at after so many bytes: much less than a turn, also where the target was never touched. */
const LOOK_BYTES = 1 << 20
/** How long copying goes on before other callbacks may run, who then take a millisecond at least. */
const TURN_MS = 8

export class KvCache {
  readonly form: CacheForm
  readonly slots: number
  readonly capacity: number
  /** K and H of the buffers. */
  readonly heads: number
  readonly width: number
  readonly layers: readonly CacheLayer[]
  readonly #config: DecoderConfig
  /** The furthest that each slot was filled. */
  readonly #touched: number[]
  /** Of an int8 cache. */
  readonly #scales: SlotScales | null
  /** Slots whose scales are wider than the model's. */
  readonly #widened = new Set<number>()

  /** `scales`: the model's, of an int8 cache; 0 without. Throws CapacityError if the system has no memory for it. */
  constructor(
    runtime: Runtime,
    config: DecoderConfig,
    size: {
      readonly slots: number
      readonly capacity: number
      readonly form: CacheForm
      readonly scales?: SlotScales | null
    },
  ) {
    this.form = size.form
    this.slots = size.slots
    this.capacity = size.capacity
    this.heads = config.attention.numKvHeads
    this.width = cacheHeadDim(config.attention.headDim)
    this.#config = config
    this.#touched = Array.from({ length: size.slots }, () => 0)
    this.layers = allocated(size, config, () => {
      const shape = [size.slots, this.heads, size.capacity, this.width]
      const dtype = size.form === 'int8' ? 'int8' : 'float32'
      const memory = equalParts(dtype, {
        elements: elementCount(shape),
        parts: 2 * config.numLayers,
      })
      return Array.from({ length: config.numLayers }, () => ({
        key: runtime.tensor(dtype, shape, memory()),
        value: runtime.tensor(dtype, shape, memory()),
        scales: size.form === 'int8' ? emptyScales(runtime, config, size.slots) : null,
      }))
    })
    this.#scales = size.scales ?? null
    for (let slot = 0; slot < size.slots; slot++) this.#setModelScales(slot)
  }

  /** Bytes of memory that hold something. */
  get bytes(): number {
    return this.#touched.reduce((sum, length) => sum + this.bytesOf(length), 0)
  }

  /** Bytes that `length` positions of a slot take. */
  bytesOf(length: number): number {
    return sequenceBytes(this.#config, this.form, length)
  }

  /** The furthest that a slot was filled. */
  touched(slot: number): number {
    return this.#touched[slot] ?? 0
  }

  /** Says that positions [0, length) of a slot are filled. */
  touch(slot: number, length: number): void {
    this.#touched[slot] = Math.max(this.touched(slot), length)
  }

  /** Whether what a slot holds was rounded with other scales than the model's. */
  isWidened(slot: number): boolean {
    return this.#widened.has(slot)
  }

  /** Gives a slot, whose rows are of no use any more, the model's scales. */
  resetScales(slot: number): void {
    if (this.#widened.delete(slot)) this.#setModelScales(slot)
  }

  #setModelScales(slot: number): void {
    this.#scales?.forEach((ofLayer, layer) => {
      const scales = this.layers[layer]?.scales
      for (const name of SCALE_NAMES) if (scales) slotRow(scales[name], slot).set(ofLayer[name])
    })
  }

  /** Sets a wider s of one channel of K·H, and what queries or results are multiplied by because of it. */
  widenScale(
    { layer, kind, slot }: { readonly layer: number; readonly kind: CacheKind; slot: number },
    { channel, scale }: { readonly channel: number; readonly scale: number },
  ): void {
    const scales = this.layers[layer]?.scales
    if (!scales) throw new Error('internal: scales of a float32 cache')
    this.#widened.add(slot)
    slotRow(scales[kind], slot)[channel] = scale
    const ofQueries = slotRow(kind === 'key' ? scales.query : scales.output, slot)
    const group = ofQueries.length / (this.heads * this.width)
    const first = Math.floor(channel / this.width) * group * this.width + (channel % this.width)
    for (let i = 0; i < group; i++) ofQueries[first + i * this.width] = scale
  }

  /** The caches of slots [first, first + count), sharing this one's memory. Whoever asks disposes. */
  view(first: number, count: number): CacheLayer[] {
    const slotsOf = (tensor: Tensor) => {
      const inner = tensor.shape.slice(1)
      const size = inner.reduce((a, b) => a * b, 1)
      return tensor.view([count, ...inner], first * size)
    }
    return this.layers.map(({ key, value, scales }) => ({
      key: slotsOf(key),
      value: slotsOf(value),
      scales: scales && {
        key: slotsOf(scales.key),
        value: slotsOf(scales.value),
        query: slotsOf(scales.query),
        output: slotsOf(scales.output),
      },
    }))
  }

  /** Where positions of one head of a slot begin in a layer's buffers. */
  offset(slot: number, head: number): number {
    return (slot * this.heads + head) * this.capacity * this.width
  }

  /**
   * Copies positions [start, length) of a sequence, and its scales, from one slot to another, of this cache or a
   * different one of the same form.
   */
  async copySlot(
    from: number,
    {
      cache,
      slot,
      length,
      start = 0,
    }: {
      readonly cache: KvCache
      readonly slot: number
      readonly length: number
      readonly start?: number
    },
  ): Promise<void> {
    const breath = new Breath()
    for (const [i, layer] of this.layers.entries()) {
      const target = cache.layers[i] as CacheLayer
      for (const kind of CACHE_KINDS) {
        for (let head = 0; head < this.heads; head++) {
          const [first, end] = [start, length].map(
            (position) => this.offset(from, head) + position * this.width,
          )
          const rows = layer[kind].data.subarray(first, end)
          target[kind].data.set(rows as never, cache.offset(slot, head) + start * this.width)
          await breath.after(rows.byteLength)
        }
      }
      for (const name of SCALE_NAMES) {
        const [scales, place] = [layer.scales?.[name], target.scales?.[name]]
        if (scales && place) slotRow(place, slot).set(slotRow(scales, from))
      }
    }
    if (this.isWidened(from)) cache.#widened.add(slot)
    else cache.#widened.delete(slot)
    cache.touch(slot, length)
  }

  /** Whether the rows of two slots mean the same; always where there are no scales. */
  hasEqualScales(slot: number, other: number): boolean {
    return this.layers.every(({ scales }) =>
      CACHE_KINDS.every((kind) => {
        if (!scales) return true
        const theirs = slotRow(scales[kind], other)
        return slotRow(scales[kind], slot).every((scale, i) => scale === theirs[i])
      }),
    )
  }

  dispose(): void {
    disposeLayers(this.layers)
  }
}

/** What slots have whose keys and values have these scales: each query head reads those of its key head. */
export function slotScales({ attention }: DecoderConfig, sizes: ChannelSizes): SlotScales {
  const width = cacheHeadDim(attention.headDim)
  const group = attention.numHeads / attention.numKvHeads
  const spread = (scales: Float32Array) => {
    const wide = new Float32Array(attention.numHeads * width)
    for (let head = 0; head < attention.numHeads; head++) {
      const first = Math.floor(head / group) * width
      wide.set(scales.subarray(first, first + width), head * width)
    }
    return wide
  }
  return sizes.map(({ key, value }) => ({ key, value, query: spread(key), output: spread(value) }))
}

/** Bytes that `length` positions of one sequence take. */
export function sequenceBytes(config: DecoderConfig, form: CacheForm, length: number): number {
  const elements = 2 * config.numLayers * kvWidth(config) * length
  if (form === 'f32') return 4 * elements
  return elements + 4 * config.numLayers * 2 * (kvWidth(config) + queryWidth(config))
}

export function disposeLayers(layers: readonly CacheLayer[]): void {
  for (const { key, value, scales } of layers) {
    for (const tensor of [key, value, ...Object.values(scales ?? {})]) tensor.dispose()
  }
}

/** Lets other callbacks run now and then while bytes are moved or rows are worked on. */
export class Breath {
  #bytes = 0
  #began = performance.now()

  async after(bytes: number): Promise<void> {
    this.#bytes += bytes
    if (this.#bytes < LOOK_BYTES) return
    this.#bytes = 0
    await this.take()
  }

  /** After a piece of work that is long enough to look at the clock. */
  async take(): Promise<void> {
    if (performance.now() - this.#began < TURN_MS) return
    await nextTurn()
    this.#began = performance.now()
  }
}

/** The scales of one slot. */
export function slotRow(scales: Tensor, slot: number): Float32Array {
  const width = scales.shape[2] as number
  return (scales.data as Float32Array).subarray(slot * width, (slot + 1) * width)
}

function emptyScales(runtime: Runtime, config: DecoderConfig, slots: number): LayerScales {
  const scale = (width: number) => runtime.tensor('float32', [slots, 1, width])
  return {
    key: scale(kvWidth(config)),
    value: scale(kvWidth(config)),
    query: scale(queryWidth(config)),
    output: scale(queryWidth(config)),
  }
}

/** Bytes that are asked of the system at once, where several parts fit in. */
const PIECE_BYTES = 2 ** 30

/**
 * Zeroed memory for parts of one size that live and die together. Small pieces would be cleared by the allocator, page by
 * page and at once; large ones the system clears when they are touched.
 */
function equalParts(
  dtype: 'int8' | 'float32',
  { elements, parts }: { readonly elements: number; readonly parts: number },
): () => TypedArray {
  const fitting = Math.floor(PIECE_BYTES / bytesPerElement(dtype) / elements)
  const perPiece = Math.min(parts, Math.max(1, fitting))
  let piece = allocate(dtype, 0)
  let at = 0
  return () => {
    if (at + elements > piece.length) {
      piece = allocate(dtype, perPiece * elements)
      at = 0
    }
    at += elements
    return piece.subarray(at - elements, at)
  }
}

function allocated<T>(
  { slots, capacity, form }: { slots: number; capacity: number; form: CacheForm },
  config: DecoderConfig,
  allocate: () => T,
): T {
  try {
    return allocate()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    const bytes = slots * sequenceBytes(config, form, capacity)
    throw new CapacityError(
      'CAPACITY_MEMORY',
      `kvCache: ${slots} sequences of ${capacity} positions need ${formatGiB(bytes)}, more than can be allocated; ask for fewer tokens or answers at once.`,
      { cause: error },
    )
  }
}

function formatGiB(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`
}

/** For sequences that do not fit into the memory that is free. */
export function memoryError(what: {
  readonly rows: number
  readonly positions: number
  readonly bytes: number
  readonly freeBytes: number
  readonly form: CacheForm
}): CapacityError {
  const { rows, positions, form } = what
  const [needed, free] = [what.bytes, what.freeBytes].map(formatGiB)
  const smaller = form === 'f32' ? ", or load the model with kvCache 'int8'" : ''
  return new CapacityError(
    'CAPACITY_MEMORY',
    `kvCache: ${rows} × ${positions} positions need ${needed}, ${free} are free; send a shorter prompt or fewer at once${smaller}.`,
  )
}
