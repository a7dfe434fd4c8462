/** Every tensor of a checkpoint by our path, those included that running the model does not need. */
import { CheckpointError } from '../../core/errors.ts'
import type { HostTensor } from '../../core/tensor.ts'
import { nearestName } from '../../weights/nearest-name.ts'
import type { TensorInfo, WeightSource } from '../../weights/index.ts'
import type { WeightPart } from '../parameter-map.ts'
import { parameterPath, type NameRule } from '../parameter-names.ts'

const TOWER = String.raw`^(?:(?:model\.)?vision_tower\.)?(?:vision_tower\.)?(?:vision_model\.)?`

/** Behind the last block: unread by us, expected by transformers. */
const FINAL_NORM: readonly NameRule[] = [
  {
    pattern: new RegExp(`${TOWER}(?:post_layernorm|layernorm)\\.(weight|bias)$`),
    path: 'vision.finalNorm.$1',
  },
]

type Place = { readonly source: WeightSource; readonly name: string; readonly info: TensorInfo }

export class StoredTensors {
  readonly #places = new Map<string, Place>()

  /** Parts later in the list win. Throws CheckpointError for a name that no rule knows. */
  constructor(parts: readonly WeightPart[]) {
    const unknown: string[] = []
    for (const { source, rules } of parts) {
      for (const [name, info] of source.tensors) {
        const path = parameterPath([...FINAL_NORM, ...rules], name)
        if (path === undefined) unknown.push(`${name} in ${info.file}`)
        else if (path !== null) this.#places.set(path, { source, name, info })
      }
    }
    if (unknown.length === 0) return
    throw new CheckpointError(
      'CHECKPOINT_MISMATCH',
      `convert: ${unknown.length} ${unknown.length === 1 ? 'tensor is' : 'tensors are'} not part of this family: ${unknown.slice(0, 10).join(', ')}; nothing was written.`,
    )
  }

  has(path: string): boolean {
    return this.#places.has(path)
  }

  /** Throws CheckpointError for a tensor that is not there. */
  info(path: string): TensorInfo {
    return this.#place(path).info
  }

  read(path: string): HostTensor {
    const { source, name } = this.#place(path)
    return source.read(name)
  }

  release(path: string): void {
    const { source, name } = this.#place(path)
    source.release?.(name)
  }

  #place(path: string): Place {
    const place = this.#places.get(path)
    if (place) return place
    const near = nearestName(path, this.#places.keys())
    throw new CheckpointError(
      'CHECKPOINT_MISMATCH',
      `convert: the checkpoint has no ${path}${near === undefined ? '' : ` (the nearest name is ${near})`}; nothing was written.`,
    )
  }
}
