/** Which tensors a converted checkpoint has, by the config alone, so that a missing one is noticed before writing. */
import type { DType } from '../../core/dtype.ts'
import { toFloat32, type HostTensor } from '../../core/tensor.ts'
import { EMBEDDING, type DecoderConfig } from '../../decoder/decoder.ts'
import type { VisionConfig } from '../../vision/vision-transformer.ts'
import { fromFloat32, outputDType, type OutputDType, type OutputTensor } from './output-tensor.ts'
import type { StoredTensors } from './stored-tensors.ts'

export type PlanParts = {
  readonly stored: StoredTensors
  readonly dtype: OutputDType
  /** From our path to the name in the target. */
  readonly name: (path: string) => string
}

/** The tensor at `path` as it is. */
export function copied(path: string, { stored, dtype, name }: PlanParts): OutputTensor {
  const info = stored.info(path)
  return {
    name: name(path),
    dtype: outputDType(info.dtype, dtype),
    shape: info.shape,
    read: () => stored.read(path),
    release: () => stored.release(path),
  }
}

/** A tensor that the source does not have, in the dtype of one that it has. */
export function made(
  path: string,
  {
    shape,
    like,
    fill,
  }: { shape: readonly number[]; like: string; fill: (values: Float32Array) => void },
  { stored, dtype, name }: PlanParts,
): OutputTensor {
  return {
    name: name(path),
    dtype: outputDType(stored.info(like).dtype, dtype),
    shape,
    read: () => {
      const values = new Float32Array(shape.reduce((a, b) => a * b, 1))
      fill(values)
      return fromFloat32(shape, values)
    },
    release: () => {},
  }
}

/** Embedding, blocks, norm and, unless tied, the head; with `rows` rows for the vocabulary. */
export function decoderTensors(
  config: DecoderConfig,
  rows: number,
  parts: PlanParts,
): OutputTensor[] {
  const withRows = (path: string) => resized(path, rows, parts)
  const copy = (path: string) => copied(path, parts)
  return [
    withRows(EMBEDDING),
    ...range(config.numLayers).flatMap((i) => layerPaths(config, i).map(copy)),
    copy('decoder.norm.weight'),
    ...(config.tieEmbeddings ? [] : [withRows('decoder.head.weight')]),
  ]
}

function layerPaths({ attention, mlpBias }: DecoderConfig, index: number): string[] {
  const layer = `decoder.layers.${index}`
  const biases = [
    ...(attention.bias ? ['q', 'k', 'v'].map((part) => `attention.${part}.bias`) : []),
    ...(attention.outputBias ? ['attention.o.bias'] : []),
    ...(mlpBias ? ['gate', 'up', 'down'].map((part) => `mlp.${part}.bias`) : []),
  ]
  return [
    'attentionNorm.weight',
    ...['q', 'k', 'v', 'o'].map((part) => `attention.${part}.weight`),
    ...biases,
    'mlpNorm.weight',
    ...['gate', 'up', 'down'].map((part) => `mlp.${part}.weight`),
  ].map((leaf) => `${layer}.${leaf}`)
}

/** The tower's tensors with `numLayers` blocks; block i is read from block `from(i)` of the source. */
export function visionTensors(
  config: VisionConfig,
  numLayers: number,
  parts: PlanParts,
  from: (layer: number) => number = (layer) => layer,
): OutputTensor[] {
  const { stored, name } = parts
  const pair = (leaf: string) => [`vision.${leaf}.weight`, `vision.${leaf}.bias`]
  const front = [
    ...(config.hasClassToken ? ['vision.classEmbedding'] : []),
    'vision.patchEmbedding.weight',
    ...(config.hasPatchBias ? ['vision.patchEmbedding.bias'] : []),
    'vision.positionEmbedding.weight',
    ...(config.hasPreNorm ? pair('preNorm') : []),
  ]
  const back = pair('finalNorm').filter((path) => stored.has(path))
  const blocks = range(numLayers).flatMap((i) =>
    blockPaths(config).map((path) => ({
      ...copied(path.replace('*', String(from(i))), parts),
      name: name(path.replace('*', String(i))),
    })),
  )
  const copy = (path: string) => copied(path, parts)
  return [...front.map(copy), ...blocks, ...back.map(copy)]
}

const BLOCK = [
  'attentionNorm',
  ...['q', 'k', 'v', 'o'].map((part) => `attention.${part}`),
  'mlpNorm',
  'mlp.up',
  'mlp.down',
]

/** Weight and bias of each part of a block, its number left open as `*`. */
function blockPaths({ hasAttentionBias }: VisionConfig): string[] {
  return BLOCK.flatMap((part) =>
    hasAttentionBias || !/^attention\.[qkv]$/.test(part)
      ? [`${part}.weight`, `${part}.bias`]
      : [`${part}.weight`],
  ).map((leaf) => `vision.layers.*.${leaf}`)
}

/** Blocks that the files hold, counted from the first. */
export function storedLayers(stored: StoredTensors): number {
  let count = 0
  while (stored.has(`vision.layers.${count}.attentionNorm.weight`)) count++
  return count
}

/**
 * A matrix [V, D] with `rows` rows: the first of them, or all and the mean of all in each new one, as the embedding of
 * a token that means nothing yet.
 */
function resized(path: string, rows: number, parts: PlanParts): OutputTensor {
  const tensor = copied(path, parts)
  const [stored = 0, width = 0] = tensor.shape
  if (rows === stored) return tensor
  return { ...tensor, shape: [rows, width], read: () => withRows(tensor.read(), rows) }
}

function withRows(tensor: HostTensor, rows: number): HostTensor {
  const [stored = 0, width = 0] = tensor.shape
  const source = toFloat32(tensor)
  const values = new Float32Array(rows * width)
  values.set(source.subarray(0, Math.min(stored, rows) * width))
  if (rows > stored) {
    const mean = meanRow(source, width)
    for (let row = stored; row < rows; row++) values.set(mean, row * width)
  }
  return fromFloat32([rows, width], values)
}

function meanRow(source: Float32Array, width: number): Float32Array {
  const sums = new Float64Array(width)
  for (let i = 0; i < source.length; i++) {
    sums[i % width] = (sums[i % width] as number) + (source[i] as number)
  }
  return Float32Array.from(sums, (sum) => (sum * width) / source.length)
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

/** The dtype that most of what is written has: `torch_dtype` of the config. */
export function usualDType(tensors: readonly Pick<OutputTensor, 'dtype' | 'shape'>[]): DType {
  const elements = new Map<DType, number>()
  for (const { dtype, shape } of tensors) {
    const count = shape.reduce((a, b) => a * b, 1)
    elements.set(dtype, (elements.get(dtype) ?? 0) + count)
  }
  const [most] = [...elements].sort((a, b) => b[1] - a[1])
  return most?.[0] ?? 'float32'
}
