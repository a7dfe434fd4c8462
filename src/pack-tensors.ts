/** What a packed model holds: the base's own bytes, and what was trained in blocks of few bits. */
import { float32ToFloat16 } from './core/dtype.ts'
import { elementCount } from './core/shape.ts'
import { toFloat32, type HostTensor } from './core/tensor.ts'
import { llavaHfName } from './families/convert/target-names.ts'
import type { StoredPlace } from './families/parameter-map.ts'
import { parameterPath, type NameRule } from './families/parameter-names.ts'
import { joinedPair, type Numbers, type StackedWeight } from './stack-adapters.ts'
import {
  encodeBlocks,
  fitsBlocks,
  ownName,
  storedPlan,
  withoutBlocks,
  type BlockType,
  type TensorPlan,
  type WeightSource,
} from './weights/index.ts'
import type { VisionConfig } from './vision/vision-transformer.ts'

export type PackedTensor = TensorPlan & { read(): HostTensor }

/** What adapters change, by our paths. */
export type Trained = ReadonlyMap<string, StackedWeight>

/** Tower and projector: parts that may have been trained in full. */
const SEEING = /^(?:vision|projector)\./

/**
 * The first block compares patches of plain colour, where all that is left to see is small: rounding its attention to 8 bits
 * costs more of the features (cosine 0.9987 to 0.9993 on drawn pictures) than rounding all other layers does.
 */
const FINE = /^vision\.layers\.0\.attention\./

/** Everything but tower and projector, as it lies in the base's files. */
export function baseTensors(stored: WeightSource, rules: readonly NameRule[]): PackedTensor[] {
  return [...stored.tensors].flatMap(([name, info]) => {
    const path = parameterPath(rules, ownName(name, info))
    if (path === undefined || path === null || SEEING.test(path)) return []
    const { dtype, shape } = info
    return [{ name, dtype, shape, read: () => stored.read(name) }]
  })
}

/** Tower and projector as they were trained in full, else as the base has them. */
export function seeingTensors(
  stored: WeightSource,
  trained: Trained,
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
  const base = withoutBlocks(stored)
  const places = new Map<string, StoredPlace>()
  for (const name of base.tensors.keys()) {
    const path = parameterPath(rules, name)
    if (path && SEEING.test(path) && isRead(path, vision)) places.set(path, { source: base, name })
  }
  for (const [path, { full }] of trained) if (full && SEEING.test(path)) places.set(path, full)
  return [...places].map(([path, place]) =>
    packed(llavaHfName(path, vision.kind), numbersAt(place), FINE.test(path) ? null : blocks),
  )
}

/** Whether a weight is in a packed model: blocks of the tower behind the last feature are never read. */
export function isRead(path: string, vision: VisionConfig | null): boolean {
  const block = /^vision\.layers\.(\d+)\./.exec(path)?.[1]
  return block === undefined || vision === null || Number(block) < Math.max(...vision.featureLayers)
}

/**
 * By its name for the adapter that holds it: what was trained in full and is no tower's or projector's; also what has no
 * place in a model, which is refused where the packed one is opened.
 */
export function heldInFull(trained: Trained): ReadonlyMap<string, StoredPlace> {
  return new Map(
    [...trained].flatMap(([path, { full }]) =>
      full && !SEEING.test(path) ? [[full.trained, full] as const] : [],
    ),
  )
}

/** The pairs of matrices and what was trained in full beside them, under the names of the adapters' files. */
export function adapterTensors(trained: Trained, blocks: BlockType): PackedTensor[] {
  const pairs = [...trained.values()].flatMap(({ products }) => joinedPair(products))
  const full = [...heldInFull(trained).values()].map(
    (place) => [place.name, numbersAt(place)] as const,
  )
  return [...pairs, ...full].map(([name, numbers]) => packed(name, numbers, blocks))
}

/** Below this many elements a tensor stays in float32: norms and biases are a thousandth of a model. */
const SMALL = 4096

/** `type` null: in float16. */
function packed(name: string, { shape, values }: Numbers, type: BlockType | null): PackedTensor {
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

function numbersAt({ source, name }: StoredPlace): Numbers {
  const { shape } = source.tensors.get(name) as { readonly shape: readonly number[] }
  return { shape, values: () => toFloat32(source.read(name)) }
}

function widened(shape: readonly number[]) {
  return { dtype: 'float32', shape } as const
}
