/** The projector of one layout as that of the other. */
import { ConfigError } from '../../core/errors.ts'
import { toFloat32 } from '../../core/tensor.ts'
import type { ProjectorConfig } from '../../projector/projector.ts'
import { copied, made, type PlanParts } from './plan-tensors.ts'
import type { OutputTensor } from './output-tensor.ts'
import type { StoredTensors } from './stored-tensors.ts'

const WEIGHT = (layer: number) => `projector.layers.${layer}.weight`
const BIAS = (layer: number) => `projector.layers.${layer}.bias`

/**
 * Two linear layers, as `llava-hf` always has them: a missing second one is the identity, with the activation `linear`
 * between. Throws ConfigError for a projector that has no such form.
 */
export function hfProjector(config: ProjectorConfig, parts: PlanParts): OutputTensor[] {
  const { depth, hiddenSize } = config
  if (depth === 2) return layer(0, config, parts).concat(layer(1, config, parts))
  if (depth !== 1) {
    throw unsupported(`llava-hf has projectors of one or two linear layers, this one has ${depth}`)
  }
  const like = WEIGHT(0)
  const identity = (values: Float32Array) => {
    for (let i = 0; i < hiddenSize; i++) values[i * hiddenSize + i] = 1
  }
  return [
    ...layer(0, config, parts),
    made(WEIGHT(1), { shape: [hiddenSize, hiddenSize], like, fill: identity }, parts),
    ...(config.bias ? [made(BIAS(1), { shape: [hiddenSize], like, fill: () => {} }, parts)] : []),
  ]
}

/** The projector as the original repositories know them: `linear` or `mlpNx_gelu`, always with biases. */
export function originalProjectorDepth(config: ProjectorConfig, stored: StoredTensors): number {
  const { depth, activation } = config
  if (depth === 1 || (depth > 1 && activation === 'gelu')) return depth
  if (depth === 2 && activation === 'identity' && isIdentity(stored)) return 1
  throw unsupported(
    `the original repositories have linear and mlpNx_gelu projectors, this one has ${depth} layers with ${activation} between`,
  )
}

export function originalProjector(
  config: ProjectorConfig,
  depth: number,
  parts: PlanParts,
): OutputTensor[] {
  return Array.from({ length: depth }, (_, i) => layer(i, { ...config, bias: true }, parts)).flat()
}

function layer(index: number, config: ProjectorConfig, parts: PlanParts): OutputTensor[] {
  const weight = copied(WEIGHT(index), parts)
  if (!config.bias) return [weight]
  if (parts.stored.has(BIAS(index))) return [weight, copied(BIAS(index), parts)]
  const shape = [config.hiddenSize]
  return [weight, made(BIAS(index), { shape, like: WEIGHT(index), fill: () => {} }, parts)]
}

function isIdentity(stored: StoredTensors): boolean {
  const weight = stored.read(WEIGHT(1))
  const [width = 0] = weight.shape
  const isOne = toFloat32(weight).every((value, i) => value === (i % (width + 1) === 0 ? 1 : 0))
  return isOne && (!stored.has(BIAS(1)) || toFloat32(stored.read(BIAS(1))).every((v) => v === 0))
}

function unsupported(what: string): ConfigError {
  return new ConfigError('CONFIG_CONVERT', `convert: ${what}; it cannot be written in this layout.`)
}
