/** `projector: new`: an untrained projector as a file, so that stage 1 begins where the original does. */
import { ConfigError } from '../core/errors.ts'
import { Rng } from '../core/rng.ts'
import { elementCount } from '../core/shape.ts'
import type { ModelConfig } from '../families/family.ts'
import type { Value } from '../graph/graph.ts'
import { writeSafetensors } from '../weights/index.ts'
import { modelParameters } from './model-parameters.ts'

/**
 * Writes it, named as original checkpoints name theirs: weights and biases uniform in ±1/√inputs, as `torch.nn.Linear`
 * begins. The same seed gives the same file.
 *
 * Throws ConfigError for a model without one, CheckpointError where the disk refuses.
 */
export async function writeNewProjector(
  path: string,
  config: ModelConfig,
  seed: number,
): Promise<void> {
  const values = modelParameters(config).filter(({ name }) => name.startsWith('projector.'))
  if (values.length === 0) {
    throw new ConfigError(
      'CONFIG_RECIPE',
      'recipe: model.projector is new, and the model has no projector; leave it out.',
    )
  }
  const isOneLayer = values.every(({ name }) => name.startsWith('projector.layers.0.'))
  const plans = values.map(({ name, shape }) => ({
    name: fileName(name, isOneLayer),
    dtype: 'float32' as const,
    shape: shape as readonly number[],
  }))
  const rng = new Rng(seed)
  const bounds = new Map(values.map(({ name }, i) => [plans[i]?.name, boundOf(name, values)]))
  await writeSafetensors(path, plans, ({ name, shape }) => {
    const bound = bounds.get(name) ?? 0
    return Float32Array.from({ length: elementCount(shape) }, () => (2 * rng.uniform() - 1) * bound)
  })
}

/** Layers of a Sequential are counted with the activations between them: 0, 2, 4, … */
function fileName(path: string, isOneLayer: boolean): string {
  const [, layer, kind] = /^projector\.layers\.(\d+)\.(\w+)$/.exec(path) ?? []
  return `mm_projector.${isOneLayer ? '' : `${2 * Number(layer)}.`}${kind}`
}

/** 1/√inputs of the layer that a parameter belongs to. */
function boundOf(path: string, values: readonly Value[]): number {
  const weight = values.find(({ name }) => name === path.replace(/bias$/, 'weight'))
  return 1 / Math.sqrt(weight?.shape[1] as number)
}
