/**
 * Runs tower and projector over tiles and remembers what each picture gave, by the hash of its pixels: the same
 * picture is never encoded twice while the cache has room.
 */
import type { ProjectorConfig } from '../projector/projector.ts'
import { projector } from '../projector/projector.ts'
import { Graph } from '../graph/graph.ts'
import type { RunOptions, Runtime, Session } from '../runtime/runtime.ts'
import { featureRows, visionTower, type VisionConfig } from '../vision/vision-transformer.ts'

/** pixelValues float32[I,3,h,w] to features float32[I,P,D]. */
export function visionGraph(vision: VisionConfig, projection: ProjectorConfig): Graph {
  const g = new Graph('vision')
  const side = vision.imageSize
  const pixelValues = g.input('pixelValues', 'float32', ['I', 3, side, side])
  g.output('features', projector(g, projection, visionTower(g, vision, pixelValues)))
  return g
}

export class VisionRunner {
  readonly #runtime: Runtime
  readonly #session: Session
  readonly #vision: VisionConfig
  readonly #width: number
  readonly #cacheBytes: number
  readonly #cache = new Map<string, Float32Array>()
  #usedBytes = 0

  constructor(parts: {
    runtime: Runtime
    session: Session
    vision: VisionConfig
    projector: ProjectorConfig
    cacheBytes: number
  }) {
    this.#runtime = parts.runtime
    this.#session = parts.session
    this.#vision = parts.vision
    this.#width =
      parts.projector.depth === 0 ? parts.projector.inputSize : parts.projector.hiddenSize
    this.#cacheBytes = parts.cacheBytes
  }

  /**
   * Rows for the decoder of one picture's (or clip's) tiles, [I·P, D]. `hash` names the pixels; tiles go through the
   * tower one by one, since several at once gain nothing on a CPU and a run stops only between nodes.
   */
  async encode(
    picture: { readonly hash: string; readonly pixelValues: Float32Array },
    options: RunOptions,
  ): Promise<Float32Array> {
    const known = this.#cache.get(picture.hash)
    if (known) {
      this.#cache.delete(picture.hash)
      this.#cache.set(picture.hash, known)
      return known
    }
    const rows = await this.#run(picture.pixelValues, options)
    this.#remember(picture.hash, rows)
    return rows
  }

  has(hash: string): boolean {
    return this.#cache.has(hash)
  }

  dispose(): void {
    this.#cache.clear()
    this.#session.dispose()
  }

  async #run(pixelValues: Float32Array, options: RunOptions): Promise<Float32Array> {
    const side = this.#vision.imageSize
    const tileSize = 3 * side * side
    const tiles = pixelValues.length / tileSize
    const perTile = featureRows(this.#vision)
    const rows = new Float32Array(tiles * perTile * this.#width)
    for (let i = 0; i < tiles; i++) {
      const data = pixelValues.subarray(i * tileSize, (i + 1) * tileSize)
      const target = rows.subarray(i * perTile * this.#width, (i + 1) * perTile * this.#width)
      const input = this.#runtime.tensor('float32', [1, 3, side, side], data)
      const output = this.#runtime.tensor('float32', [1, perTile, this.#width], target)
      try {
        await this.#session.run({ pixelValues: input }, { features: output }, options)
      } finally {
        input.dispose()
        output.dispose()
      }
    }
    return rows
  }

  #remember(hash: string, rows: Float32Array): void {
    if (rows.byteLength > this.#cacheBytes) return
    this.#cache.set(hash, rows)
    this.#usedBytes += rows.byteLength
    for (const [oldest, data] of this.#cache) {
      if (this.#usedBytes <= this.#cacheBytes) break
      this.#cache.delete(oldest)
      this.#usedBytes -= data.byteLength
    }
  }
}
