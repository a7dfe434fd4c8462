/** A model's name as a path: what lies on this machine as it is, `mini` in the package, a hub id through the Hugging Face cache. */
import { CheckpointError } from './core/errors.ts'
import { listFolder, isFile, userHubSettings } from './weights/node.ts'
import { packagedModel } from './packaged-model-node.ts'
import { resolveModel } from './weights/hub-node.ts'
import { isModelId, type HubSettings } from './weights/hub.ts'
import type { LoadProgress } from './load-model.ts'

export type HubOptions = {
  /** Where the Hugging Face cache lies, which hub is asked, with which token, and whether at all; by default as `HF_HOME`, `HF_TOKEN`, `HF_HUB_OFFLINE` and the like say. */
  readonly hub?: Partial<HubSettings> | undefined
  /** Branch, tag or commit of hub ids; `main` by default. */
  readonly revision?: string | undefined
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * The folder or file that `name` stands for. Throws CheckpointError if it is neither here nor to be had, saying what was
 * looked for where.
 */
export async function locate(
  name: string,
  { hub, revision, onProgress, signal }: HubOptions,
): Promise<string> {
  if (listFolder(name) !== undefined || isFile(name)) return name
  const packaged = packagedModel(name)
  if (packaged !== null) return packaged
  if (!name.includes('/') || !isModelId(name)) {
    throw new CheckpointError(
      'CHECKPOINT_NOT_FOUND',
      `model: there is no folder or file ${name}, and it is no hub id (owner/name); check the path.`,
    )
  }
  return resolveModel(name, {
    ...userHubSettings(),
    ...hub,
    ...(revision !== undefined && { revision }),
    ...(signal && { signal }),
    onProgress: ({ file, done, total }) =>
      onProgress?.({ stage: 'download', item: file, done, total }),
  })
}
