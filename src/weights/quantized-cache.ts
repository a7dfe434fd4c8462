/**
 * The quantised cache: one safetensors file that holds the quantised forms of a checkpoint's linear weights.
 *
 * It says in its metadata what it was made from and how; a file that says anything else, or is damaged, is not used.
 * What happens on the platform (files, threads) is in quantized-cache-node.ts.
 */
import { CheckpointError } from '../core/errors.ts'
import { sameShape } from '../core/shape.ts'
import type { HostTensor } from '../core/tensor.ts'
import { quantizedParts, type PartName, type QuantizedArrays } from './quantize.ts'
import { itemWeight, type QuantizeItem, type Quantizer } from './quantizer.ts'
import type { SafetensorsSource } from './safetensors.ts'
import type { TensorPlan } from './safetensors-writer.ts'
import type { WeightSource } from './source.ts'
import { unknownTensor } from './unknown-tensor.ts'

/** Counts changes of layouts and of rounding: a cache of another version is made again. */
export const QUANTIZED_VERSION = 4

/** The weights to quantise, each form of each one once: two forms of one weight go into two caches. */
export type QuantizedPlan = readonly QuantizeItem[]

/** A tensor of the cache and where it comes from. */
export type CacheTensor = TensorPlan & { readonly item: QuantizeItem; readonly part: PartName }

export function cacheTensors(plan: QuantizedPlan): CacheTensor[] {
  return plan.flatMap((item) =>
    quantizedParts(item.kind, itemWeight(item)).map(({ part, dtype, shape }) => ({
      name: `${item.name}.${part}`,
      dtype,
      shape,
      item,
      part,
    })),
  )
}

/** The `__metadata__` of a cache of `plan`. `key` stands for the values of the weights: the hash of the files they come from. */
export function cacheMetadata(plan: QuantizedPlan, key: string): Record<string, string> {
  return {
    format: 'llava-ts quantized',
    version: String(QUANTIZED_VERSION),
    source: key,
    kinds: describePlan(plan),
  }
}

/**
 * A name that differs for different plans and origins, so that caches of several precisions, and of one base with several
 * adapters, lie side by side: `int8-3fa94c11.safetensors`.
 */
export function cacheFileName(plan: QuantizedPlan, origin = ''): string {
  const kinds = [...new Set(plan.map(({ kind }) => kind))].sort().join('+')
  return `${kinds}-${fnv1a(describePlan(plan) + origin)}.safetensors`
}

function describePlan(plan: QuantizedPlan): string {
  return JSON.stringify(plan.map(({ name, kind, shape }) => [name, kind, ...shape]))
}

/** FNV-1a, 32 bits. Source: draft-eastlake-fnv. Tells caches apart in a name; `cacheMetadata` is what is believed. */
function fnv1a(text: string): string {
  let hash = 0x811c9dc5
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, '0')
}

/** Why `source` is not the cache of `plan` made from `key`, or undefined if it is. */
export function staleReason(
  source: SafetensorsSource,
  plan: QuantizedPlan,
  key: string,
): string | undefined {
  const expected = cacheMetadata(plan, key)
  const found = (name: string) => source.metadata.get(name) === expected[name]
  if (!found('format')) return 'it is not a quantised cache'
  if (!found('version'))
    return `it is of version ${source.metadata.get('version')}, not ${expected.version}`
  if (!found('source')) return 'the checkpoint has changed since it was made'
  if (!found('kinds')) return 'it was made for other precisions'
  const tensors = cacheTensors(plan)
  const fits = ({ name, dtype, shape }: CacheTensor) => {
    const info = source.tensors.get(name)
    return info?.dtype === dtype && sameShape(info.shape, shape)
  }
  return tensors.length === source.tensors.size && tensors.every(fits)
    ? undefined
    : 'its tensors are not those it should have'
}

export type QuantizedItem = { readonly item: QuantizeItem; readonly arrays: QuantizedArrays }

/** Quantises the plan in order; small weights some at a time, so that every worker has something to do. */
export async function* quantizePlan(
  plan: QuantizedPlan,
  quantizer: Quantizer,
  signal?: AbortSignal,
): AsyncGenerator<QuantizedItem> {
  const running: { item: QuantizeItem; arrays: Promise<QuantizedArrays> }[] = []
  let weights = 0
  let next = 0
  try {
    while (next < plan.length || running.length > 0) {
      for (let item = plan[next]; item !== undefined; item = plan[next]) {
        if (running.length > 0 && weights + countWeights(item) > MAX_RUNNING_WEIGHTS) break
        const arrays = quantizer.quantize(item, signal)
        arrays.catch(() => {})
        running.push({ item, arrays })
        weights += countWeights(item)
        next++
      }
      const first = running.shift()
      if (first === undefined) return
      const arrays = await first.arrays
      first.item.release?.()
      yield { item: first.item, arrays }
      weights -= countWeights(first.item)
    }
  } finally {
    await Promise.allSettled(running.map(({ arrays }) => arrays))
  }
}

const MAX_RUNNING_WEIGHTS = 1 << 23

export function countWeights({ shape: [rows, columns] }: QuantizeItem): number {
  return rows * columns
}

/** Throws unless every item has a name of its own and a shape: what is wrong with a plan is our own mistake. */
export function checkPlan(plan: QuantizedPlan): void {
  const names = new Set<string>()
  for (const item of plan) {
    const isShape =
      item.shape.length === 2 && item.shape.every((dim) => Number.isSafeInteger(dim) && dim > 0)
    if (!isShape)
      throw new Error(`internal: ${item.name} is planned with shape [${item.shape.join(',')}].`)
    if (names.has(item.name))
      throw new Error(`internal: ${item.name} is planned twice; use one cache for each form.`)
    names.add(item.name)
  }
}

/** Quantised weights that live in memory only. */
export function memoryWeights(items: readonly QuantizedItem[]): WeightSource {
  const tensors = new Map<string, HostTensor & { file: string }>()
  for (const { item, arrays } of items) {
    for (const { name, dtype, shape, part } of cacheTensors([item])) {
      const data = arrays[part]
      if (data === undefined) throw new Error(`internal: ${name} was not made.`)
      tensors.set(name, { dtype, shape, data, file: 'memory' })
    }
  }
  let isOpen = true
  return {
    tensors,
    read(name) {
      if (!isOpen)
        throw new CheckpointError(
          'CHECKPOINT_CLOSED',
          `weights: ${name} was read after its source was closed; read it before.`,
        )
      return tensors.get(name) ?? unknownTensor(name, tensors, 'memory')
    },
    close() {
      isOpen = false
      tensors.clear()
    },
  }
}
