/** The tensors of a new model: its language model's as they are stored, its tower's, and a projector that knows nothing. */
import type { Rng } from './core/rng.ts'
import { toFloat32, type HostTensor } from './core/tensor.ts'
import { visionTensors } from './families/convert/plan-tensors.ts'
import { StoredTensors } from './families/convert/stored-tensors.ts'
import { llavaHfName } from './families/convert/target-names.ts'
import { ggufStored } from './families/gguf.ts'
import {
  DECODER_NAMES,
  parameterPath,
  TOWER_EXTRAS,
  VISION_NAMES,
} from './families/parameter-names.ts'
import { featureWidth, type VisionConfig } from './vision/vision-transformer.ts'
import {
  encodeBlocks,
  storedPlan,
  type BlockType,
  type GgufSource,
  type TensorPlan,
  type WeightSource,
} from './weights/index.ts'

/** The embeddings' name in GGUF files. */
const EMBEDDINGS = 'token_embd.weight'

export type NewTensor = TensorPlan & { read(): HostTensor }

/** Everything of a GGUF file byte for byte, but for embeddings that another type is asked for. */
export function decoderTensors(source: GgufSource, embeddings: BlockType | undefined): NewTensor[] {
  return [...ggufStored(source)].flatMap(([theirs, read]) => {
    const path = parameterPath(DECODER_NAMES, theirs)
    if (path === undefined || path === null) return []
    const name = llavaHfName(path, 'vit')
    const { type, tensor } = read()
    if (path === 'decoder.embedTokens.weight' && embeddings !== undefined) {
      return [inBlocks(name, source, embeddings)]
    }
    const { dtype, shape } = tensor
    const stored = dtype === 'uint8' ? `${name}.${type}` : name
    return [{ name: stored, dtype, shape, read: () => read().tensor }]
  })
}

function inBlocks(name: string, source: GgufSource, type: BlockType): NewTensor {
  const plan = storedPlan(name, source.tensors.get(EMBEDDINGS)?.shape ?? [], type)
  const read = () => {
    // The tied head multiplies what the last norm gives, whose channels are as large as its weights.
    const importance = toFloat32(source.read('output_norm.weight')).map((weight) => weight ** 2)
    const data = encodeBlocks(type, toFloat32(source.read(EMBEDDINGS)), importance)
    return { dtype: 'uint8' as const, shape: plan.shape, data }
  }
  return { ...plan, read }
}

/** All blocks of the tower that its files hold, in the names that transformers gives them. */
export function towerTensors(config: VisionConfig, source: WeightSource): NewTensor[] {
  const stored = new StoredTensors([{ source, rules: [...VISION_NAMES, ...TOWER_EXTRAS] }])
  const name = (path: string) => llavaHfName(path, config.kind)
  return visionTensors(config, config.numLayers, { stored, dtype: 'stored', name })
}

/** Root mean square of gelu(x) for a standard normal x. */
const GELU_SIZE = 0.652

/**
 * Two linear layers drawn so that standardised features come out as large as the words' embeddings: the decoder then
 * meets rows of a size that it knows from the first step on.
 */
export function newProjector(
  vision: VisionConfig,
  { hiddenSize, embeddingSize }: { readonly hiddenSize: number; readonly embeddingSize: number },
  rng: Rng,
): NewTensor[] {
  const inputs = featureWidth(vision)
  const normal = (name: string, shape: readonly [number, number], deviation: number): NewTensor => {
    const data = Float32Array.from({ length: shape[0] * shape[1] }, () => deviation * rng.normal())
    return { name, dtype: 'float32', shape, read: () => ({ dtype: 'float32', shape, data }) }
  }
  const zero = (name: string): NewTensor => {
    const shape = [hiddenSize]
    const data = new Float32Array(hiddenSize)
    return { name, dtype: 'float32', shape, read: () => ({ dtype: 'float32', shape, data }) }
  }
  const out = embeddingSize / (GELU_SIZE * Math.sqrt(hiddenSize))
  return [
    normal('multi_modal_projector.linear_1.weight', [hiddenSize, inputs], 1 / Math.sqrt(inputs)),
    zero('multi_modal_projector.linear_1.bias'),
    normal('multi_modal_projector.linear_2.weight', [hiddenSize, hiddenSize], out),
    zero('multi_modal_projector.linear_2.bias'),
  ]
}

/** Root mean square of all embeddings. */
export function embeddingSize(source: GgufSource): number {
  const values = toFloat32(source.read(EMBEDDINGS))
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += (values[i] as number) ** 2
  return Math.sqrt(sum / values.length)
}
