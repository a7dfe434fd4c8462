/** What a trainer trains, from its settings: parameters of the model's parts, or adapters beside frozen ones. */
import { ConfigError } from '../core/errors.ts'
import type { Rng } from '../core/rng.ts'
import type { Steps } from '../core/steps.ts'
import { toFloat32 } from '../core/tensor.ts'
import type { ParameterMap } from '../families/parameter-map.ts'
import type { NameRule } from '../families/parameter-names.ts'
import type { Value } from '../graph/graph.ts'
import { adapterPaths } from './lora-graph.ts'
import {
  initialMatrices,
  loraModules,
  peftName,
  readAdapter,
  type LoraModule,
} from './lora-modules.ts'
import type { TrainerSettings } from './options.ts'
import { partOf, ratesOf } from './parameter-groups.ts'
import type { TrainableParameter } from './parameter-store.ts'

export type StoredName = { readonly name: string; readonly shape: readonly number[] }

export type Trained = {
  readonly parameters: readonly TrainableParameter[]
  readonly modules: readonly LoraModule[]
  /** What the adapter that training goes on from brings for frozen parameters, and the saved one keeps. */
  readonly held: ReadonlyMap<string, Float32Array>
  /** Name and shape in files: the checkpoint's, or those that PEFT gives an adapter. */
  readonly stored: (path: string) => StoredName
  /** What a parameter starts as. */
  readonly start: (path: string) => Float32Array
  /** The same written into memory that is there, with pauses. */
  readonly startSteps: (path: string, target: Float32Array) => Steps<void>
}

export type TrainedSources = {
  readonly values: readonly Value[]
  readonly parameters: ParameterMap
  readonly rules: readonly NameRule[]
  readonly settings: TrainerSettings
  readonly rng: Rng
}

/** Throws ConfigError for parts that the model has not, CheckpointError for an adapter that does not fit. */
export function* trainedSteps(sources: TrainedSources): Steps<Trained> {
  const { values, parameters, settings } = sources
  checkParts(values, settings)
  const inFull = values.filter(({ name }) => {
    const part = partOf(name)
    return part !== null && settings.trainable.includes(part)
  })
  const lora = settings.lora ? yield* loraParameters(sources) : null
  const specs = [
    ...inFull.map(({ name, shape }) => ({ path: name, shape: shape as readonly number[] })),
    ...(lora?.parameters ?? []),
  ]
  const trainedPaths = new Set(specs.map(({ path }) => path))
  const isRead = new Set(values.map(({ name }) => name))
  const starts = [...(lora?.starts ?? [])]
  return {
    held: new Map(starts.filter(([path]) => isRead.has(path) && !trainedPaths.has(path))),
    parameters: specs.map((spec) => ({ ...spec, rates: ratesOf(spec.path, settings) })),
    modules: lora?.modules ?? [],
    stored: (path) => lora?.stored.get(path) ?? parameters.stored(path),
    start: (path) => lora?.starts.get(path) ?? toFloat32(parameters.read(path)),
    *startSteps(path, target) {
      const given = lora?.starts.get(path)
      if (given) return target.set(given)
      const { shape } = parameters.stored(path)
      const width = target.length / (shape[0] ?? 1)
      const rows = Math.ceil(PIECE / width) * width
      for (let at = 0; at < target.length; at += rows) {
        parameters.readInto(path, at / width, target.subarray(at, at + rows))
        yield
      }
    },
  }
}

/** Numbers that are read between two pauses. */
const PIECE = 1 << 19

/** The newline row goes with other parts in recipes, whether or not a model has one. */
export function checkParts(values: readonly Value[], { trainable }: TrainerSettings): void {
  const without = trainable.filter((part) => !values.some(({ name }) => partOf(name) === part))
  const isAlone = without.length === trainable.length
  const missing = without.filter((part) => isAlone || part !== 'imageNewline')
  if (missing.length === 0) return
  throw new ConfigError(
    'CONFIG_TRAINER',
    `createTrainer: trainable names ${missing.join(', ')}, of which this model has nothing; leave it out.`,
  )
}

function* loraParameters({ values, parameters, rules, settings, rng }: TrainedSources) {
  const lora = settings.lora as NonNullable<TrainerSettings['lora']>
  const modules = loraModules(parameters, values, lora)
  const starts = new Map<string, Float32Array>()
  const stored = new Map<string, StoredName>()
  const specs: { readonly path: string; readonly shape: readonly number[] }[] = []
  for (const module of modules) {
    yield
    const { a, b } = adapterPaths(module.weight)
    const matrices = initialMatrices(module, lora, rng)
    const [shapeA, shapeB] = [
      [lora.rank, module.columns],
      [module.rows, lora.rank],
    ] as const
    starts.set(a, matrices.a).set(b, matrices.b)
    stored.set(a, { name: peftName(module, 'a'), shape: shapeA })
    stored.set(b, { name: peftName(module, 'b'), shape: shapeB })
    specs.push({ path: a, shape: shapeA }, { path: b, shape: shapeB })
  }
  if (lora.init !== null) {
    const saved = readAdapter(lora.init, { modules, settings: lora, rules, parameters })
    for (const [path, data] of saved) starts.set(path, data)
  }
  return { modules, starts, stored, parameters: specs }
}
