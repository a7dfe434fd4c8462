/** Where the quantised copies of a checkpoint lie, and the progress of making them. */
import type { Checkpoint } from './load-checkpoint.ts'
import type { LoadOptions } from './load-model.ts'
import type { QuantizedPlanner } from './load-weights.ts'
import type { WeightSource } from './weights/index.ts'
import { hashesFile, joinPath, pathInside, userCacheFolder } from './weights/node.ts'
import { hashFiles } from './weights/quantized-cache-key-node.ts'
import {
  openQuantized,
  type OpenQuantizedOptions,
  type QuantizeEvent,
} from './weights/quantized-cache-node.ts'

/** The folder beside a checkpoint's files that is ours. */
const CACHE_FOLDER = '.llava-ts'

type PlannerOptions = Pick<OpenQuantizedOptions, 'keep'> & {
  readonly onReady?: (event: Extract<QuantizeEvent, { type: 'ready' }>) => void
}

/**
 * A planner that keeps its files beside the checkpoint, in `cacheDir`, or in the user's cache folder: the first that can
 * be written. `opened` collects what must be closed with the model.
 */
export function quantizedPlanner(
  checkpoint: Checkpoint,
  options: LoadOptions,
  opened: WeightSource[],
  { keep = 'file-or-memory', onReady = () => {} }: PlannerOptions = {},
): QuantizedPlanner {
  let key: Promise<{ key: string; folders: string[] }> | null = null
  return async (plan) => {
    key ??= cacheKey(checkpoint, options)
    const { key: hash, folders } = await key
    const source = await openQuantized({
      plan,
      key: hash,
      origin: originOf(checkpoint),
      folders,
      keep,
      onProgress: (event) => (event.type === 'ready' ? onReady(event) : report(event, options)),
      ...(options.signal && { signal: options.signal }),
    })
    opened.push(source)
    return source
  }
}

/** The paths of the files, so that a checkpoint may be moved with its cache, and each adapter over it has one of its own. */
function originOf({ files, folder }: Checkpoint): string {
  return JSON.stringify(files.map((file) => pathInside(folder, file)))
}

async function cacheKey(
  { files, folder }: Checkpoint,
  { cacheDir, onProgress, signal }: LoadOptions,
): Promise<{ key: string; folders: string[] }> {
  const user = cacheDir ?? userCacheFolder()
  const key = await hashFiles(files, {
    memoFile: hashesFile(user),
    onProgress: ({ file, done, total }) => onProgress?.({ stage: 'hash', item: file, done, total }),
    ...(signal && { signal }),
  })
  const beside = joinPath(folder, CACHE_FOLDER)
  const own = joinPath(user, key.slice(0, 16))
  return { key, folders: cacheDir === undefined ? [beside, own] : [own] }
}

function report(event: QuantizeEvent, { onProgress }: LoadOptions): void {
  if (event.type === 'quantize') {
    onProgress?.({ stage: 'quantize', item: event.name, done: event.done, total: event.total })
  } else if (event.type === 'stale' || event.type === 'unwritable') {
    onProgress?.({ stage: 'notice', item: event.reason, done: 0, total: 0 })
  }
}
