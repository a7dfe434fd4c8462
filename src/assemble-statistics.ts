/** How large each channel of a tower's features is, over pictures: what brings all of them to mean 0 and deviation 1. */
import type { NewTensor } from './assemble-tensors.ts'
import { mapParameters } from './families/parameter-map.ts'
import { TOWER_EXTRAS, VISION_NAMES } from './families/parameter-names.ts'
import { Graph } from './graph/graph.ts'
import { liveParameters } from './graph/onnx-writer.ts'
import { createModelSession } from './load-weights.ts'
import type { ImageProcessor } from './preprocess/image-processor.ts'
import { createPreprocessor } from './preprocess/node.ts'
import { createRuntime } from './runtime/node.ts'
import { featureRows, visionTower, type VisionConfig } from './vision/vision-transformer.ts'
import type { WeightSource } from './weights/index.ts'

type Options = {
  readonly processor: ImageProcessor
  readonly pictures: readonly string[]
  readonly onProgress?: (progress: { done: number; total: number; item: string }) => void
}

/** `vision_feature_scale`: weight 1/σ and bias −μ/σ of each channel; nothing without pictures. */
export async function towerStatistics(
  vision: VisionConfig,
  tower: WeightSource,
  { processor, pictures, onProgress = () => {} }: Options,
): Promise<NewTensor[]> {
  if (pictures.length === 0) return []
  const g = new Graph('tower')
  const side = vision.imageSize
  g.output(
    'features',
    visionTower(g, vision, g.input('pixelValues', 'float32', [1, 3, side, side])),
  )
  const rules = [...VISION_NAMES, ...TOWER_EXTRAS]
  const parameters = mapParameters([{ source: tower, rules }], liveParameters(g), {
    unused: /^vision\.layers\./,
  })
  const moments = new Moments(vision.hiddenSize)
  const runtime = await createRuntime({})
  const preprocessor = createPreprocessor({})
  try {
    const quantize = () => Promise.reject(new Error('internal: nothing is quantised here'))
    const parts = { runtime, parameters, quantize, isInt8Exact: true }
    const session = await createModelSession({ graph: g }, () => 'f32', parts)
    const rows = [1, featureRows(vision), vision.hiddenSize]
    const features = runtime.tensor('float32', rows, new Float32Array(rows.reduce((a, b) => a * b)))
    for (const [done, picture] of pictures.entries()) {
      const { pixelValues } = await preprocessor.preprocess(picture, processor)
      const pixels = runtime.tensor('float32', [1, 3, side, side], pixelValues.data)
      await session.run({ pixelValues: pixels }, { features })
      pixels.dispose()
      moments.add(features.data as Float32Array)
      onProgress({ done: done + 1, total: pictures.length, item: picture })
    }
    features.dispose()
    session.dispose()
  } finally {
    await preprocessor.dispose()
    await runtime.dispose()
  }
  return moments.scaling()
}

/** Sums of each channel and of its squares, in float64. */
class Moments {
  #rows = 0
  readonly #sums: Float64Array
  readonly #squares: Float64Array

  constructor(width: number) {
    this.#sums = new Float64Array(width)
    this.#squares = new Float64Array(width)
  }

  add(features: Float32Array): void {
    const width = this.#sums.length
    this.#rows += features.length / width
    for (let i = 0; i < features.length; i++) {
      const value = features[i] as number
      const channel = i % width
      this.#sums[channel] = (this.#sums[channel] as number) + value
      this.#squares[channel] = (this.#squares[channel] as number) + value * value
    }
  }

  scaling(): NewTensor[] {
    const shape = [this.#sums.length]
    const mean = this.#sums.map((sum) => sum / this.#rows)
    const deviation = this.#squares.map((sum, i) =>
      Math.sqrt(Math.max(sum / this.#rows - (mean[i] as number) ** 2, 1e-12)),
    )
    const weight = Float32Array.from(deviation, (value) => 1 / value)
    const bias = Float32Array.from(deviation, (value, i) => -(mean[i] as number) / value)
    const tensor = (part: string, data: Float32Array): NewTensor => ({
      name: `vision_feature_scale.${part}`,
      dtype: 'float32',
      shape,
      read: () => ({ dtype: 'float32', shape, data }),
    })
    return [tensor('weight', weight), tensor('bias', bias)]
  }
}
