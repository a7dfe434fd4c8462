/**
 * The vision towers: CLIP, SigLIP and ViT are one transformer whose differences are data.
 *
 * Tiles go in, the hidden states of chosen blocks come out; the blocks after the last chosen one and the final norm
 * are never built. Sources: arXiv:2010.11929 (ViT), arXiv:2103.00020 (CLIP), arXiv:2303.15343 (SigLIP).
 */
import type { Dim } from '../core/shape.ts'
import type { Graph, Value } from '../graph/graph.ts'
import { patchAttention } from '../layers/attention.ts'
import { linear } from '../layers/linear.ts'
import { mlp, type Activation } from '../layers/mlp.ts'
import { layerNorm } from '../layers/norm.ts'

export type VisionConfig = {
  readonly kind: 'clip' | 'siglip' | 'vit'
  readonly imageSize: number
  readonly patchSize: number
  readonly hiddenSize: number
  readonly intermediateSize: number
  readonly numLayers: number
  readonly numHeads: number
  readonly activation: Activation
  readonly epsilon: number
  /** A learned first row [CLS] before the patches: CLIP and ViT. */
  readonly hasClassToken: boolean
  /** A norm between embeddings and the first block: CLIP. */
  readonly hasPreNorm: boolean
  /** A bias in the patch embedding: SigLIP and ViT. */
  readonly hasPatchBias: boolean
  /** Biases of q, k and v: all but ViTs that say otherwise. */
  readonly hasAttentionBias: boolean
  /** Blocks whose outputs are the features, counted from 1 (0: the embeddings); several are concatenated. */
  readonly featureLayers: readonly number[]
  /** Whether the first row of the features is left out: the class token's, where there is one. */
  readonly dropFirstRow: boolean
  /** Whether stored numbers bring the features' channels to one size: some are hundreds of times as large as others. */
  readonly isStandardised: boolean
  /** Side of the squares of patches that become one row, their channels beside one another; 1: every patch is a row. */
  readonly patchMerge: number
}

/** Patches along one side of a tile; what is left over at the right and bottom is not seen. */
export function patchesPerSide(config: VisionConfig): number {
  return Math.floor(config.imageSize / config.patchSize)
}

/** Rows of the features beside one another, where they are a map: patches, or squares of patches. */
export function rowsPerSide(config: VisionConfig): number {
  return Math.floor(patchesPerSide(config) / config.patchMerge)
}

/** Rows that one tile gives to the projector. */
export function featureRows(config: VisionConfig): number {
  return (embeddingRows(config) - (config.dropFirstRow ? 1 : 0)) / config.patchMerge ** 2
}

/** Numbers in each of them. */
export function featureWidth({ hiddenSize, featureLayers, patchMerge }: VisionConfig): number {
  return hiddenSize * featureLayers.length * patchMerge ** 2
}

function embeddingRows(config: VisionConfig): number {
  return patchesPerSide(config) ** 2 + (config.hasClassToken ? 1 : 0)
}

/** pixelValues [I, 3, imageSize, imageSize] to features [I, P, D·featureLayers], or [I, P/m², D·featureLayers·m²] merged. */
export function visionTower(g: Graph, config: VisionConfig, pixelValues: Value): Value {
  let x = embeddings(g, config, pixelValues) // [I, 1 + P, D]
  const last = Math.max(...config.featureLayers)
  const states = [x]
  for (let i = 0; i < last; i++) {
    x = block(g, config, `vision.layers.${i}`, x)
    states.push(x)
  }
  const chosen = config.featureLayers.map((layer) => patchRows(g, config, states[layer] as Value))
  const features = chosen.length === 1 ? (chosen[0] as Value) : g.op('Concat', chosen, { axis: -1 })
  return mergePatches(g, config, standardise(g, config, features))
}

function embeddings(g: Graph, config: VisionConfig, pixelValues: Value): Value {
  const { hiddenSize } = config
  let x = linear(g, 'vision.patchEmbedding', patches(g, config, pixelValues), {
    outputs: hiddenSize,
    bias: config.hasPatchBias,
  }) // [I, P, D]
  let added = g.parameter('vision.positionEmbedding.weight', [embeddingRows(config), hiddenSize])
  if (config.hasClassToken) {
    // The class token's row is added to a row of zeros, since no operator repeats it once for every tile.
    const token = g.parameter('vision.classEmbedding', [1, hiddenSize])
    const rows = embeddingRows(config)
    x = g.op('Pad', [x], { pads: [0, 1, 0, 0, 0, 0] }) // [I, 1 + P, D]
    added = g.op('Add', [added, g.op('Pad', [token], { pads: [0, 0, rows - 1, 0] })])
  }
  x = g.op('Add', [x, added])
  return config.hasPreNorm ? layerNorm(g, 'vision.preNorm', x, config.epsilon) : x
}

/**
 * pixelValues [I, 3, h, w] as rows of patches [I, P, 3·patchSize²]: the convolution of the papers, whose kernels do not
 * overlap, is then a product. What is left over at the right and bottom is cut off.
 */
function patches(g: Graph, { patchSize, ...config }: VisionConfig, pixelValues: Value): Value {
  const tiles = pixelValues.shape[0] as Dim
  const side = patchesPerSide({ patchSize, ...config })
  const used = side * patchSize
  const whole =
    used === config.imageSize
      ? pixelValues
      : g.op('Slice', [pixelValues], { starts: [0, 0], ends: [used, used], axes: [2, 3] })
  const split = g.op('Reshape', [whole], { shape: [tiles, 3, side, patchSize, side, patchSize] })
  const grouped = g.op('Transpose', [split], { perm: [0, 2, 4, 1, 3, 5] }) // [I, y, x, C, h, w]
  return g.op('Reshape', [grouped], { shape: [tiles, side * side, 3 * patchSize * patchSize] })
}

/** x + attention(norm(x)), then + mlp(norm(·)). x [I, 1 + P, D]. */
function block(g: Graph, config: VisionConfig, path: string, x: Value): Value {
  const { numHeads, intermediateSize, epsilon } = config
  const attended = patchAttention(
    g,
    `${path}.attention`,
    layerNorm(g, `${path}.attentionNorm`, x, epsilon),
    { numHeads, bias: config.hasAttentionBias },
  )
  const middle = g.op('Add', [x, attended])
  const normed = layerNorm(g, `${path}.mlpNorm`, middle, epsilon)
  const lifted = mlp(g, `${path}.mlp`, normed, { intermediateSize, kind: config.activation })
  return g.op('Add', [middle, lifted])
}

function patchRows(g: Graph, config: VisionConfig, x: Value): Value {
  if (!config.dropFirstRow) return x
  const rows = x.shape[1] as number
  return g.op('Slice', [x], { starts: [1], ends: [rows], axes: [1] }) // [I, P, D]
}

/** weight ∘ x + bias, with numbers that belong to no layer and are never trained. x [I, P, D]. */
function standardise(g: Graph, { isStandardised }: VisionConfig, x: Value): Value {
  if (!isStandardised) return x
  const width = x.shape[2] as number
  const scaled = g.op('Mul', [x, g.parameter('standardise.weight', [width])])
  return g.op('Add', [scaled, g.parameter('standardise.bias', [width])])
}

/**
 * Squares of m × m patches as one row each: top left, top right, … bottom right, all channels of one patch before those
 * of the next. x [I, P, D] to [I, P/m², D·m²].
 *
 * Fewer, wider rows cost the decoder less and keep everything. Source: arXiv:2310.09478 §2 (MiniGPT-v2).
 */
function mergePatches(g: Graph, config: VisionConfig, x: Value): Value {
  const { patchMerge: m } = config
  if (m === 1) return x
  const [tiles, side] = [x.shape[0] as Dim, rowsPerSide(config)]
  const width = x.shape[2] as number
  const split = g.op('Reshape', [x], { shape: [tiles, side, m, side, m, width] }) // [I, Y, y, X, x, D]
  const squares = g.op('Transpose', [split], { perm: [0, 1, 3, 2, 4, 5] }) // [I, Y, X, y, x, D]
  return g.op('Reshape', [squares], { shape: [tiles, side * side, m * m * width] })
}
