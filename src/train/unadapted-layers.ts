/** Layers that `lora.targets` names and that get no adapter, since only those of the decoder's blocks do. */
import { memoryName } from '../families/convert/target-names.ts'
import type { ModelConfig } from '../families/family.ts'
import { isTarget, listed } from './lora-modules.ts'
import { modelParameters } from './model-parameters.ts'
import { TRAINER_DEFAULTS, type TrainerSettings } from './options.ts'
import { layerName } from './recipe/parameter-table.ts'

/** Weights of what PEFT adapts too, linear layers and the embedding, room by room. */
const OUTSIDE = [
  /^projector\.layers\.\d+\.weight$/,
  /^decoder\.(?:embedTokens|head)\.weight$/,
  /^vision\.layers\.\d+\.(?:attention|mlp)\.\w+\.weight$/,
]

/** A sentence, or none. The default means the decoder's layers, however those of towers are called. */
export function unadaptedNotices(
  { lora }: Pick<TrainerSettings, 'lora'>,
  config: ModelConfig,
): readonly string[] {
  if (!lora || lora.targets === TRAINER_DEFAULTS.lora.targets) return []
  const paths = modelParameters(config).map(({ name }) => name)
  const named = OUTSIDE.map((room) =>
    paths
      .filter((path) => room.test(path) && isNamed(path, lora.targets, config))
      .map((path) => layerOf(layerName(path, config))),
  ).filter((layers) => layers.length > 0)
  if (named.length === 0) return []
  return [
    `lora.targets ${String(lora.targets)} names ${named.map(listed).join(', ')} too, which get no adapter: only linear layers of the decoder's blocks do. Leave them out of it; projector and tower are trained in full where trainable names them.`,
  ]
}

/** By a layer's name in the checkpoint's files or in the model in memory, as for the decoder's. */
function isNamed(path: string, targets: RegExp, config: ModelConfig): boolean {
  const inMemory = config.layout === 'hf' ? [memoryName(path, config.vision?.kind ?? 'clip')] : []
  return [layerName(path, config), ...inMemory].some((name) => isTarget(layerOf(name), targets))
}

function layerOf(weight: string): string {
  return weight.replace(/\.weight$/, '')
}
