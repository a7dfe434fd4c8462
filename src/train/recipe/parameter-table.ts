/** A model's parameters in groups: by part, by what they are, and by whether and how fast they are trained. */
import { elementCount } from '../../core/shape.ts'
import { EMBEDDING } from '../../decoder/decoder.ts'
import { llavaHfName, originalMemoryName } from '../../families/convert/target-names.ts'
import type { ModelConfig } from '../../families/family.ts'
import type { Value } from '../../graph/graph.ts'
import { isTarget } from '../lora-modules.ts'
import { modelParameters } from '../model-parameters.ts'
import type { TrainerSettings } from '../options.ts'
import { partOf, ratesOf, type ModelPart } from '../parameter-groups.ts'

export type ParameterGroup = {
  readonly part: ModelPart
  /** `lora`: adapters beside frozen layers. */
  readonly kind: 'embedding' | 'layer' | 'head' | 'lora'
  readonly parameters: number
  readonly isTrained: boolean
  /** null: frozen. */
  readonly learningRate: number | null
  readonly weightDecay: number | null
}

/** Parts in the order of the forward pass; blocks of the tower that nothing reads are not counted. */
export function parameterTable(config: ModelConfig, settings: TrainerSettings): ParameterGroup[] {
  const groups = new Map<string, ParameterGroup>()
  const add = (group: ParameterGroup) => {
    const { parameters, ...rest } = group
    const key = JSON.stringify(rest)
    groups.set(key, { ...group, parameters: parameters + (groups.get(key)?.parameters ?? 0) })
  }
  for (const value of modelParameters(config)) {
    const part = partOf(value.name)
    if (part === null) continue
    const parameters = elementCount(value.shape as readonly number[])
    const isTrained = settings.trainable.includes(part)
    const trained = { isTrained: true, ...ratesOf(value.name, settings) }
    const frozen = { isTrained: false, learningRate: null, weightDecay: null }
    add({ part, kind: kindOf(value), parameters, ...(isTrained ? trained : frozen) })
    const adapters = adapterSize(value, config, settings)
    if (adapters > 0) add({ part, kind: 'lora', parameters: adapters, ...trained })
  }
  return [...groups.values()]
}

function kindOf({ name }: Value): ParameterGroup['kind'] {
  if (name === EMBEDDING) return 'embedding'
  return name === 'decoder.head.weight' ? 'head' : 'layer'
}

/** Of the two matrices beside a linear layer of the decoder that the pattern names; 0: it has none. */
function adapterSize(
  { name, shape }: Value,
  config: ModelConfig,
  { lora }: TrainerSettings,
): number {
  if (!lora || !/^decoder\.layers\.\d+\..*\.weight$/.test(name) || shape.length !== 2) return 0
  const [rows, columns] = shape as readonly [number, number]
  const file = layerName(name, config).replace(/\.weight$/, '')
  return isTarget(file, lora.targets) ? lora.rank * (rows + columns) : 0
}

/** The name of a weight in files of the checkpoint's layout, which the original code has with the tower's in memory. */
export function layerName(path: string, { layout, vision, projector }: ModelConfig): string {
  const kind = vision?.kind ?? 'clip'
  const projectorDepth = projector?.depth ?? 0
  return layout === 'original'
    ? originalMemoryName(path, { kind, projectorDepth })
    : llavaHfName(path, kind)
}
