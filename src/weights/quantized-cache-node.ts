/**
 * Opens the quantised forms of a checkpoint: from their cache file if there is a good one, else they are made.
 *
 * A cache is written through a temporary file that is flushed and renamed, so it is whole or absent; two processes that
 * make the same one both succeed and the later replaces the earlier, whose mapping stays valid.
 */
import { existsSync } from 'node:fs'
import { readdir, rm, stat, statfs } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { basename, dirname, join } from 'node:path'

import { bytesPerElement, type TypedArray } from '../core/dtype.ts'
import { CheckpointError } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder-node.ts'
import { elementCount } from '../core/shape.ts'
import { nextTurn } from '../core/steps.ts'
import { openFileBytes } from './node.ts'
import { workerQuantizer } from './quantize-node.ts'
import {
  cacheFileName,
  cacheMetadata,
  cacheTensors,
  checkPlan,
  countWeights,
  memoryWeights,
  quantizePlan,
  staleReason,
  type CacheTensor,
  type QuantizedItem,
  type QuantizedPlan,
} from './quantized-cache.ts'
import { inlineQuantizer, type Quantizer } from './quantizer.ts'
import { readSafetensors } from './safetensors.ts'
import { writeSafetensors, type TensorPlan } from './safetensors-writer.ts'
import type { WeightSource } from './source.ts'

export type QuantizeEvent =
  /** A cache was there and could not be used; it is replaced. */
  | { readonly type: 'stale'; readonly file: string; readonly reason: string }
  /** `done` of `total` weights are quantised, `name` was the last. */
  | {
      readonly type: 'quantize'
      readonly name: string
      readonly done: number
      readonly total: number
    }
  /** No cache could be written in `folder`. */
  | { readonly type: 'unwritable'; readonly folder: string; readonly reason: string }
  /** The weights are ready, mapped from `file` (or in memory without it). */
  | { readonly type: 'ready'; readonly file: string | undefined; readonly isNew: boolean }

export type OpenQuantizedOptions = {
  readonly plan: QuantizedPlan
  /** What the weights' values depend on: see hashFiles. */
  readonly key: string
  /** What tells these weights from others in the same folder, whatever their values: a cache replaces that of its own origin only. */
  readonly origin?: string
  /** Where a cache may lie. All are searched in order; a new one goes into the first that can be written. */
  readonly folders: readonly string[]
  /** 'file' throws when no folder can be written, 'memory' writes none, 'file-or-memory' does without one if it must. */
  readonly keep?: 'file' | 'memory' | 'file-or-memory'
  /** Worker threads; as many as there are cores if left out, none if 0. */
  readonly workers?: number
  readonly onProgress?: (event: QuantizeEvent) => void
  readonly signal?: AbortSignal
}

/**
 * The tensors `NAME.int8`, `NAME.scale` … of the plan. Throws CheckpointError for weights that are not finite and when a
 * cache must but cannot be written (CHECKPOINT_DISK_FULL, CHECKPOINT_UNWRITABLE); the signal's reason when aborted.
 */
export async function openQuantized(options: OpenQuantizedOptions): Promise<WeightSource> {
  checkPlan(options.plan)
  options.signal?.throwIfAborted()
  const name = cacheFileName(options.plan, options.origin)
  const files = options.folders.map((folder) => join(folder, name))
  for (const file of files) {
    // Its header names thousands of tensors, and each is held against the plan.
    await nextTurn()
    const source = openCache(file, options)
    await nextTurn()
    if (!source) continue
    await removeAbandoned(file)
    return ready(source, file, false, options)
  }
  if (options.keep !== 'memory') {
    const made = await makeInFirstFolder(files, options)
    if (made) return made
  }
  const items: QuantizedItem[] = []
  await withQuantized(options, async (quantized) => {
    for await (const item of quantized) items.push(item)
  })
  return ready(memoryWeights(items), undefined, true, options)
}

function ready(
  source: WeightSource,
  file: string | undefined,
  isNew: boolean,
  options: OpenQuantizedOptions,
): WeightSource {
  options.onProgress?.({ type: 'ready', file, isNew })
  return source
}

/** The cache in `file`; undefined if there is none, or (said aloud) none that can be used. */
function openCache(file: string, options: OpenQuantizedOptions): WeightSource | undefined {
  if (!existsSync(file)) return undefined
  const stale = (reason: string) => {
    options.onProgress?.({ type: 'stale', file, reason })
    return undefined
  }
  let source
  try {
    source = readSafetensors(openFileBytes(file))
  } catch (error) {
    if (error instanceof CheckpointError) return stale(error.message)
    throw error
  }
  const reason = staleReason(source, options.plan, options.key)
  if (reason === undefined) return source
  source.close()
  return stale(reason)
}

/** Makes the cache in the first folder that takes it; undefined if none does and memory will do. */
async function makeInFirstFolder(
  files: readonly string[],
  options: OpenQuantizedOptions,
): Promise<WeightSource | undefined> {
  const refusals: CheckpointError[] = []
  for (const file of files) {
    const refusal = await tryToMakeCache(file, options)
    if (refusal) {
      refusals.push(refusal)
      options.onProgress?.({ type: 'unwritable', folder: dirname(file), reason: refusal.message })
    }
    // Also after a refusal: Windows does not let a file be replaced that another process has just made and mapped.
    const source = openCache(file, options)
    if (source) return ready(source, file, refusal === undefined, options)
  }
  if (options.keep === 'file-or-memory') return undefined
  throw refusals[0] ?? noFolder(files)
}

const WRITE_ERRORS = ['CHECKPOINT_DISK_FULL', 'CHECKPOINT_UNWRITABLE']

function noFolder(files: readonly string[]): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_UNWRITABLE',
    `weights: expected a folder for the quantised cache, ${files.length === 0 ? 'none was given' : 'what was written there was replaced at once'}; ` +
      'give a folder of its own or keep the weights in memory.',
  )
}

/** Undefined when it was made; the error when the disk or the folder did not take it. Other errors are thrown. */
async function tryToMakeCache(
  file: string,
  options: OpenQuantizedOptions,
): Promise<CheckpointError | undefined> {
  try {
    await makeCache(file, options)
    return undefined
  } catch (error) {
    if (error instanceof CheckpointError && WRITE_ERRORS.includes(error.code)) return error
    throw error
  }
}

async function makeCache(file: string, options: OpenQuantizedOptions): Promise<void> {
  await prepareFolder(file, options.plan)
  const tensors = cacheTensors(options.plan)
  const tensorOf = new Map(tensors.map((tensor) => [tensor.name, tensor]))
  await withQuantized(options, async (quantized, quantizer) => {
    let current: QuantizedItem | undefined
    const produce = async ({ name }: TensorPlan) => {
      const { item, part } = tensorOf.get(name) as CacheTensor
      if (current?.item !== item) {
        // All parts of the one before are written.
        if (current) quantizer.reuse(current.item, current.arrays)
        current = (await quantized.next()).value as QuantizedItem
      }
      return current.arrays[part] as TypedArray
    }
    const metadata = cacheMetadata(options.plan, options.key)
    await writeSafetensors(file, tensors, produce, { metadata })
  })
}

/** Makes the folder, takes away what a killed process left of this cache, and refuses a disk that is too full beforehand. */
async function prepareFolder(file: string, plan: QuantizedPlan): Promise<void> {
  const folder = dirname(file)
  await makeFolder(folder).catch((cause: unknown) => {
    throw new CheckpointError(
      'CHECKPOINT_UNWRITABLE',
      `weights: expected to make ${folder} for the quantised cache, it cannot be made (${String(cause)}); give a folder that can be written.`,
      { cause },
    )
  })
  await removeAbandoned(file)
  const needed = cacheTensors(plan).reduce(
    (sum, { dtype, shape }) => sum + elementCount(shape) * bytesPerElement(dtype),
    0,
  )
  const { bavail, bsize } = await statfs(folder)
  if (bavail * bsize >= needed) return
  throw new CheckpointError(
    'CHECKPOINT_DISK_FULL',
    `weights: the quantised cache needs ${needed} bytes in ${folder}, ${bavail * bsize} are free; ` +
      'free some space, give another folder or keep the weights in memory.',
  )
}

// A process that is writing touches its file far more often.
const ABANDONED_MS = 6 * 3600 * 1000

/** What killed processes left of this cache; where the folder may only be read, it stays. */
async function removeAbandoned(file: string): Promise<void> {
  const folder = dirname(file)
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(`${basename(file)}.`) || !name.endsWith('.tmp')) continue
    const path = join(folder, name)
    const found = await stat(path).catch(() => undefined)
    if (found && Date.now() - found.mtimeMs > ABANDONED_MS) await rm(path).catch(() => {})
  }
}

/** Runs `use` on the plan's weights as they are quantised, then stops the workers. */
async function withQuantized(
  options: OpenQuantizedOptions,
  use: (quantized: AsyncGenerator<QuantizedItem>, quantizer: Quantizer) => Promise<void>,
): Promise<void> {
  const total = options.plan.reduce((sum, item) => sum + countWeights(item), 0)
  const workers = options.workers ?? (total < FEW_WEIGHTS ? 0 : availableParallelism())
  const quantizer = workers > 0 ? workerQuantizer(workers) : inlineQuantizer()
  const quantized = withProgress(
    quantizePlan(options.plan, quantizer, options.signal),
    total,
    options,
  )
  try {
    await use(quantized, quantizer)
  } finally {
    await quantized.return(undefined)
    await quantizer.close()
  }
}

// Fewer are done before a worker has started.
const FEW_WEIGHTS = 2_000_000

async function* withProgress(
  quantized: AsyncGenerator<QuantizedItem>,
  total: number,
  options: OpenQuantizedOptions,
): AsyncGenerator<QuantizedItem> {
  let done = 0
  for await (const made of quantized) {
    done += countWeights(made.item)
    options.onProgress?.({ type: 'quantize', name: made.item.name, done, total })
    yield made
  }
}
