/** Every tensor of a trained model under the name that it is written with, trained ones from the store. */
import type { DType, TypedArray } from '../core/dtype.ts'
import { llavaHfName } from '../families/convert/target-names.ts'
import type { ModelConfig } from '../families/family.ts'
import type { WeightPart } from '../families/parameter-map.ts'
import { IMAGE_NEWLINE, parameterPath, type NameRule } from '../families/parameter-names.ts'
import type { WeightSource } from '../weights/index.ts'
import type { ParameterStore } from './parameter-store.ts'

export type SavedTensor = {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  read(): TypedArray
  release(): void
}

export type SavedSources = {
  readonly config: ModelConfig
  readonly parts: readonly WeightPart[]
  /** Of the checkpoint itself: parts with other rules lay elsewhere, under names of their own. */
  readonly rules: readonly NameRule[]
  readonly store: ParameterStore
}

/** Tensors that nothing reads are written as well: transformers expects them. */
export function savedTensors({ config, parts, rules, store }: SavedSources): SavedTensor[] {
  const tensors = new Map<string, SavedTensor>()
  for (const { source, rules: own } of parts) {
    for (const [name] of source.tensors) {
      const path = parameterPath(own, name)
      // A head that is tied to the embeddings would be an old copy of them.
      if (path === 'decoder.head.weight' && config.decoder.tieEmbeddings) continue
      const written = own === rules ? name : path && writtenName(path, config)
      if (!written) continue
      const key = path ?? written
      const known = tensors.get(key)?.name ?? written
      tensors.set(key, { ...stored(source, name), name: known })
    }
  }
  for (const path of store.paths) {
    const tensor = tensors.get(path)
    if (!tensor) throw new Error(`internal: ${path} is trained and in no file`)
    const data = store.weight(path).data
    tensors.set(path, { ...tensor, dtype: 'float32', read: () => data, release: () => {} })
  }
  return [...tensors.values()]
}

function stored(source: WeightSource, name: string): Omit<SavedTensor, 'name'> {
  const { dtype, shape } = source.tensors.get(name) as { dtype: DType; shape: readonly number[] }
  const read = () => source.read(name).data
  return { dtype, shape, read, release: () => source.release?.(name) }
}

function writtenName(path: string, { vision }: ModelConfig): string {
  return path === IMAGE_NEWLINE ? 'image_newline' : llavaHfName(path, vision?.kind ?? 'clip')
}
