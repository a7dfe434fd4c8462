/** How each weight is stored and multiplied, by what the trainer was told. */
import type { ParameterMap } from '../families/parameter-map.ts'
import type { Value } from '../graph/graph.ts'
import type { LoweringOptions, PrecisionPolicy } from '../graph/lower.ts'
import { openQuantized, type WeightSource } from '../weights/index.ts'
import type { TrainerSettings } from './options.ts'

export type Storage = LoweringOptions & {
  readonly policy: PrecisionPolicy
}

/** The largest 8-bit weight; smaller where a CPU adds products in 16 bits. */
export type Int8Range = { readonly kind: 'int8' | 'int7'; readonly largest: number }

export const INT8_RANGES = {
  exact: { kind: 'int8', largest: 127 },
  saturating: { kind: 'int7', largest: 63 },
} as const satisfies Record<string, Int8Range>

/** The linear layers between embedding and head. */
const LAYER_LINEAR = /^decoder\.layers\.\d+\.(?:attention|mlp)\.\w+\.weight$/

export function storageOf(
  { storage, compute }: TrainerSettings,
  isTrained: (path: string) => boolean,
): Storage {
  const isSmall = (path: string) =>
    LAYER_LINEAR.test(path) && (compute === 'int8' || (storage !== 'f32' && !isTrained(path)))
  const precision = compute === 'int8' ? 'int8' : storage
  return {
    policy: (path) => (isSmall(path) ? precision : 'f32'),
    // In float32 what is stored is multiplied as it is; the fast mode quantises activations too.
    widen: compute === 'f32',
  }
}

/** Frozen weights in the bits that the policy names, in memory; null where all are float32. */
export async function quantizeFrozen(
  values: readonly Value[],
  {
    parameters,
    policy,
    isTrained,
    range,
    signal,
  }: {
    readonly parameters: ParameterMap
    readonly policy: PrecisionPolicy
    readonly isTrained: (path: string) => boolean
    readonly range: Int8Range
    readonly signal: AbortSignal | undefined
  },
): Promise<WeightSource | null> {
  const plan = values.flatMap(({ name, shape }) => {
    const precision = policy(name)
    if (isTrained(name) || (precision !== 'int8' && precision !== 'q4')) return []
    return [
      {
        name,
        kind: precision === 'int8' ? range.kind : precision,
        shape: shape as readonly [number, number],
        read: (from: number, to: number) => parameters.readRows(name, from, to),
        release: () => parameters.release(name),
      },
    ]
  })
  if (plan.length === 0) return null
  return openQuantized({ plan, key: '', folders: [], keep: 'memory', ...(signal && { signal }) })
}
