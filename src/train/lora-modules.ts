/** Which linear layers get an adapter, under which names, and what the two matrices start as. */
import { ConfigError, CheckpointError } from '../core/errors.ts'
import type { Rng } from '../core/rng.ts'
import { formatType, sameShape } from '../core/shape.ts'
import { toFloat32 } from '../core/tensor.ts'
import type { ParameterMap } from '../families/parameter-map.ts'
import { parameterPath, type NameRule } from '../families/parameter-names.ts'
import type { Value } from '../graph/graph.ts'
import { assertFinite, openLoraAdapter, type LoraAdapter } from '../weights/index.ts'
import { adapterFaults } from '../weights/lora.ts'
import { adapterPaths } from './lora-graph.ts'
import type { TrainerSettings } from './options.ts'

type LoraSettings = NonNullable<TrainerSettings['lora']>

export type LoraModule = {
  /** Path of its weight. */
  readonly weight: string
  /** The module's name in the model in memory, as PEFT knows it. */
  readonly name: string
  readonly rows: number
  readonly columns: number
}

/** The decoder's linear layers that the pattern names. Throws ConfigError where there is none. */
export function loraModules(
  parameters: ParameterMap,
  weights: readonly Value[],
  { targets }: LoraSettings,
): readonly LoraModule[] {
  const modules = weights.flatMap(({ name: weight, shape }) => {
    if (!/^decoder\.layers\.\d+\..*\.weight$/.test(weight) || shape.length !== 2) return []
    const file = parameters.stored(weight).name.replace(/\.weight$/, '')
    const [rows, columns] = shape as readonly [number, number]
    return isTarget(file, targets) ? [{ weight, name: nameInMemory(file), rows, columns }] : []
  })
  if (modules.length > 0) return modules
  throw noTargets(targets, parameters.stored('decoder.layers.0.attention.q.weight').name)
}

export function noTargets(targets: RegExp, example: string): ConfigError {
  return new ConfigError(
    'CONFIG_LORA_TARGETS',
    `createTrainer: lora.targets ${String(targets)} should match linear layers of the decoder, it matches none; names are like ${example}.`,
  )
}

/** Whether a linear layer is adapted, by its name in the checkpoint's files. */
export function isTarget(file: string, targets: RegExp): boolean {
  const name = nameInMemory(file)
  return [file, name, `${file}.weight`, `${name}.weight`].some((text) => isMatch(targets, text))
}

/** transformers 5 moved the language model of llava-hf files under `model`. */
function nameInMemory(file: string): string {
  return file.replace(/^language_model\.model\./, 'model.language_model.')
}

function isMatch(pattern: RegExp, text: string): boolean {
  pattern.lastIndex = 0
  return pattern.test(text)
}

/** The name of one of the two matrices in a file that PEFT saved. */
export function peftName({ name }: LoraModule, side: 'a' | 'b'): string {
  return `base_model.model.${name}.lora_${side.toUpperCase()}.weight`
}

/** PEFT's start: A uniform in ±1/√K, B zero, so that the model is the base at first. */
export function initialMatrices(
  { columns, rows }: LoraModule,
  { rank }: LoraSettings,
  rng: Rng,
): { readonly a: Float32Array; readonly b: Float32Array } {
  const bound = 1 / Math.sqrt(columns)
  const a = Float32Array.from({ length: rank * columns }, () => (2 * rng.uniform() - 1) * bound)
  return { a, b: new Float32Array(rows * rank) }
}

type Base = { readonly rules: readonly NameRule[]; readonly parameters: ParameterMap }

export type AdapterWanted = Base & {
  readonly modules: readonly LoraModule[]
  readonly settings: LoraSettings
}

/**
 * Tensors of a saved adapter by our paths: the matrices, and what was trained in full beside them.
 *
 * Throws CheckpointError unless it fits modules, rank and alpha, what is in full fits the model, and all numbers are finite.
 */
export function readAdapter(
  folder: string,
  { modules, settings, ...base }: AdapterWanted,
): Map<string, Float32Array> {
  const adapter = openLoraAdapter(folder)
  try {
    const tensors = new Map<string, Float32Array>()
    const read = (path: string, name: string) => {
      const tensor = adapter.source.read(name)
      assertFinite(tensor, path, `${name} in ${folder}`)
      tensors.set(path, toFloat32(tensor).slice())
    }
    for (const [path, stored] of replacementsByPath(adapter, base)) read(path, stored)
    const byPath = new Map(
      [...adapter.modules].map(([name, module]) => [
        parameterPath(base.rules, `${name}.weight`),
        module,
      ]),
    )
    for (const { weight, rows, columns } of modules) {
      const module = byPath.get(weight)
      const { rank, alpha } = settings
      const fits =
        module?.rank === rank &&
        Math.abs(module.scale - alpha / rank) <= 1e-9 * module.scale &&
        module.rows === rows &&
        module.columns === columns
      if (!module || !fits) throw misfit(folder, weight, { rows, columns, rank, alpha }, module)
      const paths = adapterPaths(weight)
      read(paths.a, module.a)
      read(paths.b, module.b)
      byPath.delete(weight)
    }
    if (byPath.size > 0) throw surplus(folder, [...byPath.keys()])
    return tensors
  } finally {
    adapter.source.close()
  }
}

/** Names in the adapter's file by our paths, without those of which nothing is read. Throws one CheckpointError for all misfits. */
function replacementsByPath(
  { replacements, source }: LoraAdapter,
  { rules, parameters }: Base,
): Map<string, string> {
  const names = new Map<string, string>()
  const faults: string[] = []
  for (const [trained, stored] of replacements) {
    const path = parameterPath(rules, trained)
    if (path === null) continue
    if (path === undefined || !parameters.has(path)) {
      faults.push(`${stored} belongs to ${trained}, which the base does not have`)
      continue
    }
    names.set(path, stored)
    const { dtype = 'float32', shape = [] } = source.tensors.get(stored) ?? {}
    const base = parameters.stored(path)
    if (sameShape(shape, base.shape)) continue
    const wanted = formatType(base.dtype ?? 'float32', base.shape)
    faults.push(
      `${stored} is ${formatType(dtype, shape)} but ${base.name} of the base is ${wanted}`,
    )
  }
  if (faults.length > 0) throw adapterFaults(faults)
  return names
}

function misfit(
  folder: string,
  weight: string,
  wanted: { rows: number; columns: number; rank: number; alpha: number },
  came: { rank: number; scale: number; rows: number; columns: number } | undefined,
): CheckpointError {
  const shape = (rows: number, columns: number) => formatType('float32', [rows, columns])
  const found = came
    ? `has rank ${came.rank} and alpha ${came.scale * came.rank} for ${shape(came.rows, came.columns)}`
    : 'has nothing'
  return new CheckpointError(
    'CHECKPOINT_ADAPTER',
    `lora.init: ${weight} should be adapted with rank ${wanted.rank} and alpha ${wanted.alpha} for ${shape(wanted.rows, wanted.columns)}, ${folder} ${found}; give the rank, alpha and targets that it was made with.`,
  )
}

function surplus(folder: string, paths: readonly (string | null | undefined)[]): CheckpointError {
  const others = paths.filter((path) => !path?.startsWith('decoder.layers.'))
  return new CheckpointError(
    'CHECKPOINT_ADAPTER',
    others.length > 0
      ? `lora.init: ${folder} should adapt layers of the decoder alone, it adapts others (${listed(others)}); name it in adapters, which merges it first, and leave out lora.init.`
      : `lora.init: ${folder} adapts modules that lora.targets leaves out (${listed(paths)}); give the targets that it was made with.`,
  )
}

/** The first, and how many more. */
export function listed([first, ...more]: readonly (string | null | undefined)[]): string {
  return `${first ?? 'unknown'}${more.length > 0 ? ` and ${more.length} more` : ''}`
}
