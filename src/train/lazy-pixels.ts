/**
 * Pixels that are decoded when the turn of their micro-batch comes, and let go after it: a step of a hundred cut pictures
 * or clips would hold gigabytes.
 */
import type { Batch } from './batch.ts'
import type { PixelTensor } from './sample.ts'

export class LazyPixels implements PixelTensor {
  readonly shape: readonly number[]
  readonly #decode: () => Promise<PixelTensor>
  #loading: Promise<Float32Array> | null = null
  #data: Float32Array | null = null
  #explain: (error: unknown) => unknown = (error) => error

  /** `decode` gives what `shape` says. */
  constructor(shape: readonly number[], decode: () => Promise<PixelTensor>) {
    this.shape = shape
    this.#decode = decode
  }

  /** `explain` makes of what decoding throws what `load` throws. */
  explainedBy(explain: (error: unknown) => unknown): void {
    this.#explain = explain
  }

  get data(): Float32Array {
    if (!this.#data) throw new Error('internal: pixels are read before they were loaded')
    return this.#data
  }

  async load(): Promise<void> {
    this.#loading ??= this.#decoded()
    const loading = this.#loading
    const data = await loading
    if (this.#loading === loading) this.#data = data
  }

  release(): void {
    this.#loading = null
    this.#data = null
  }

  async #decoded(): Promise<Float32Array> {
    const { data, shape } = await this.#decode().catch(async (error: unknown) => {
      throw await this.#explain(error)
    })
    if (shape.join() === this.shape.join()) return data
    throw new Error(`internal: pixels of [${this.shape}] were decoded to [${shape}]`)
  }
}

/** Begins to load what a batch will need; whoever needs it hears of failures. */
export function beginPixels(batch: Batch | undefined): void {
  if (batch) loadPixels(batch).catch(() => {})
}

export async function loadPixels({ images }: Batch): Promise<void> {
  await Promise.all(images?.lazy.map((pixels) => pixels.load()) ?? [])
}

export function releasePixels({ images }: Batch): void {
  for (const pixels of images?.lazy ?? []) pixels.release()
}
