/** Checkpoints of a few thousand random weights in the families' real layouts, the same in every run. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { float32ToBfloat16, float32ToFloat16, type DType } from '../../src/core/dtype.ts'
import { Rng } from '../../src/core/rng.ts'
import { elementCount } from '../../src/core/shape.ts'
import { hostTensor, toFloat32, type HostTensor } from '../../src/core/tensor.ts'
import { EMBEDDING } from '../../src/decoder/decoder.ts'
import { familyOf } from '../../src/families/index.ts'
import type { ModelConfig } from '../../src/families/family.ts'
import { liveParameters } from '../../src/graph/index.ts'
import { decoderGraph } from '../../src/serve/decoder-graph.ts'
import { visionGraph } from '../../src/serve/vision-runner.ts'
import { writeSafetensors } from '../../src/weights/index.ts'
import { tensorName, type NameSet } from './tensor-names.ts'
import { tinyTokenizer } from './tokenizer.ts'

export type TinyCheckpoint = {
  readonly name: string
  readonly config: Readonly<Record<string, unknown>>
  /** Further files by name; a string is written as it is, anything else as JSON. */
  readonly files: Readonly<Record<string, unknown>>
  readonly names: NameSet
  readonly dtype?: 'float32' | 'float16' | 'bfloat16'
  readonly addBos?: boolean
}

/** A checkpoint's weights by our paths, exactly as its file holds them. */
export type TinyWeights = ReadonlyMap<string, HostTensor>

export type WrittenCheckpoint = {
  readonly folder: string
  readonly config: ModelConfig
  readonly weights: TinyWeights
}

/** Writes the checkpoint into `folder`, which is made. */
export async function writeTinyCheckpoint(
  folder: string,
  checkpoint: TinyCheckpoint,
  change: (weights: Map<string, HostTensor>) => void = () => {},
): Promise<WrittenCheckpoint> {
  mkdirSync(folder, { recursive: true })
  const files = documentsOf(checkpoint)
  for (const [name, content] of Object.entries(files)) {
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    writeFileSync(join(folder, name), text)
  }
  const config = tinyConfig(checkpoint)
  const weights = tinyWeights(config, checkpoint.dtype ?? 'float32')
  change(weights)
  await writeTinyWeights(join(folder, 'model.safetensors'), weights, (path) =>
    tensorName(checkpoint.names, path, config.vision?.kind ?? 'clip'),
  )
  return { folder, config, weights }
}

export function writeTinyWeights(
  file: string,
  weights: TinyWeights,
  nameOf: (path: string) => string,
): Promise<void> {
  const tensors = new Map([...weights].map(([path, tensor]) => [nameOf(path), tensor]))
  const plans = [...tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape }))
  return writeSafetensors(file, plans, ({ name }) => tensors.get(name)!.data)
}

/** The parsed config of a checkpoint that is not written. */
export function tinyConfig(checkpoint: TinyCheckpoint): ModelConfig {
  const documents = {
    name: checkpoint.name,
    files: new Map(Object.entries(documentsOf(checkpoint))),
  }
  return familyOf(documents).parseConfig(documents, {})
}

function documentsOf(checkpoint: TinyCheckpoint): Record<string, unknown> {
  return {
    'config.json': checkpoint.config,
    ...tinyTokenizer({ addBos: checkpoint.addBos ?? false }),
    ...checkpoint.files,
  }
}

/** Every parameter that a model of `config` reads, drawn so that each of them matters. */
export function tinyWeights(
  config: ModelConfig,
  dtype: 'float32' | 'float16' | 'bfloat16' = 'float32',
): Map<string, HostTensor> {
  const { vision, projector, decoder, image } = config
  const graphs = [
    ...(vision && projector ? [visionGraph(vision, projector)] : []),
    decoderGraph(decoder),
  ]
  const shapes = new Map<string, readonly number[]>()
  for (const { name, shape } of graphs.flatMap(liveParameters)) {
    shapes.set(name, shape as readonly number[])
  }
  shapes.set(EMBEDDING, [decoder.vocabSize, decoder.hiddenSize])
  if (image?.hasNewline) shapes.set('imageNewline', [decoder.hiddenSize])
  const rng = new Rng(1706)
  return new Map([...shapes].map(([name, shape]) => [name, draw(name, shape, { rng, dtype })]))
}

function draw(
  name: string,
  shape: readonly number[],
  { rng, dtype }: { readonly rng: Rng; readonly dtype: DType },
): HostTensor {
  const [mean, deviation] = spread(name, shape)
  const data = Float32Array.from(
    { length: elementCount(shape) },
    () => mean + deviation * rng.normal(),
  )
  return narrowed(data, shape, dtype)
}

function narrowed(data: Float32Array, shape: readonly number[], dtype: DType): HostTensor {
  if (dtype === 'float16') return hostTensor(dtype, shape, float32ToFloat16(data))
  if (dtype === 'bfloat16') return hostTensor(dtype, shape, float32ToBfloat16(data))
  return hostTensor('float32', shape, data)
}

/** Mean and standard deviation of a parameter's elements. */
function spread(name: string, shape: readonly number[]): [number, number] {
  if (/[nN]orm\.weight$/.test(name)) return [1, 0.2]
  if (name.endsWith('bias')) return [0, 0.2]
  if (/[eE]mbed|imageNewline/.test(name) && !name.includes('patchEmbedding')) return [0, 1]
  return [0, 1.5 / Math.sqrt(shape[1] ?? 1)]
}

export function floatsOf(weights: TinyWeights, path: string): Float32Array {
  return toFloat32(weights.get(path)!)
}
