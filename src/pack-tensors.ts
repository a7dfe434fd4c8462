/** What a packed model holds: the base's own bytes, and what was trained in blocks of few bits. */
import { float32ToFloat16 } from './core/dtype.ts'
import { elementCount } from './core/shape.ts'
import { toFloat32, type HostTensor } from './core/tensor.ts'
import { llavaHfName } from './families/convert/target-names.ts'
import { parameterPath, type NameRule } from './families/parameter-names.ts'
import {
  encodeBlocks,
  fitsBlocks,
  ownName,
  storedPlan,
  withoutBlocks,
  type BlockType,
  type LoraAdapter,
  type TensorPlan,
  type WeightSource,
} from './weights/index.ts'
import type { VisionConfig } from './vision/vision-transformer.ts'

export type PackedTensor = TensorPlan & { read(): HostTensor }

export type PackSources = {
  /** The base with its tensors as they lie in its files. */
  readonly stored: WeightSource
  readonly adapter: LoraAdapter
}

type Place = { readonly source: WeightSource; readonly name: string }

/** Tower and projector: parts that may have been trained in full. */
const SEEING = /^(?:vision|projector)\./

/**
 * The first block compares patches of plain colour, where all that is left to see is small: rounding its attention to 8 bits
 * costs more of the features (cosine 0.9987 to 0.9993 on drawn pictures) than rounding all other layers does.
 */
const FINE = /^vision\.layers\.0\.attention\./

/** Everything but tower and projector, as it lies in the base's files. */
export function baseTensors({ stored }: PackSources, rules: readonly NameRule[]): PackedTensor[] {
  return [...stored.tensors].flatMap(([name, info]) => {
    const path = parameterPath(rules, ownName(name, info))
    if (path === undefined || path === null || SEEING.test(path)) return []
    const { dtype, shape } = info
    return [{ name, dtype, shape, read: () => stored.read(name) }]
  })
}

/** Tower and projector as they were trained, else as the base has them; blocks behind the last feature are never read. */
export function seeingTensors(
  { stored, adapter }: PackSources,
  {
    rules,
    vision,
    blocks,
  }: {
    readonly rules: readonly NameRule[]
    readonly vision: VisionConfig
    readonly blocks: BlockType
  },
): PackedTensor[] {
  const numBlocks = Math.max(...vision.featureLayers)
  const base = withoutBlocks(stored)
  const places = new Map<string, Place>()
  const add = (trained: string, source: WeightSource, name: string) => {
    const path = parameterPath(rules, trained)
    const block = Number(/^vision\.layers\.(\d+)\./.exec(path ?? '')?.[1] ?? 0)
    if (path && SEEING.test(path) && block < numBlocks) places.set(path, { source, name })
  }
  for (const name of base.tensors.keys()) add(name, base, name)
  for (const [trained, name] of adapter.replacements) add(trained, adapter.source, name)
  return [...places].map(([path, { source, name }]) =>
    packed(llavaHfName(path, vision.kind), { source, name }, FINE.test(path) ? null : blocks),
  )
}

/**
 * What of an adapter was trained in full and is no tower's or projector's, by the names in the model that was trained; also
 * what has no place in a model, which is refused where the packed one is opened.
 */
export function heldInFull(
  { replacements }: LoraAdapter,
  rules: readonly NameRule[],
): LoraAdapter['replacements'] {
  const isHeld = (trained: string) => {
    const path = parameterPath(rules, trained)
    return path === undefined || (path !== null && !SEEING.test(path))
  }
  return new Map([...replacements].filter(([trained]) => isHeld(trained)))
}

/** The pairs of matrices of an adapter and what it holds beside them, under the names of its file. */
export function adapterTensors(
  { modules, source }: LoraAdapter,
  { held, blocks }: { readonly held: LoraAdapter['replacements']; readonly blocks: BlockType },
): PackedTensor[] {
  const names = [...[...modules.values()].flatMap(({ a, b }) => [a, b]), ...held.values()]
  return names.map((name) => packed(name, { source, name }, blocks))
}

/** Below this many elements a tensor stays in float32: norms and biases are a thousandth of a model. */
const SMALL = 4096

/** `type` null: in float16. */
function packed(name: string, place: Place, type: BlockType | null): PackedTensor {
  const { source } = place
  const { shape } = source.tensors.get(place.name) as { readonly shape: readonly number[] }
  const values = () => toFloat32(source.read(place.name))
  if (elementCount(shape) < SMALL) {
    return { name, ...widened(shape), read: () => ({ ...widened(shape), data: values() }) }
  }
  if (type === null || !fitsBlocks(shape)) {
    const plan = { dtype: 'float16', shape } as const
    return { name, ...plan, read: () => ({ ...plan, data: float32ToFloat16(values()) }) }
  }
  const plan = storedPlan(name, shape, type)
  return { ...plan, read: () => ({ ...plan, data: encodeBlocks(type, values()) }) }
}

function widened(shape: readonly number[]) {
  return { dtype: 'float32', shape } as const
}
