/** Log-probabilities of answers under a frozen model, computed once for each answer. */
import type { ModelConfig } from '../families/family.ts'
import type { RunOptions } from '../runtime/runtime.ts'
import { buildBatch } from './batch.ts'
import type { Network } from './network.ts'
import type { Sample } from './sample.ts'

export class Reference {
  readonly #network: Network
  readonly #config: ModelConfig
  readonly #known = new Map<string, number>()

  constructor(network: Network) {
    this.#network = network
    this.#config = network.config
  }

  /** Sums over the learnt tokens of each sample. */
  async logProbs(samples: readonly Sample[], options: RunOptions): Promise<readonly number[]> {
    const keys = await Promise.all(samples.map(keyOf))
    const isNew = (key: string, i: number) => !this.#known.has(key) && keys.indexOf(key) === i
    const missing = keys.flatMap((key, i) => (isNew(key, i) ? [{ key, sample: samples[i] }] : []))
    if (missing.length > 0) {
      const sums = await this.#compute(
        missing.map(({ sample }) => sample as Sample),
        options,
      )
      missing.forEach(({ key }, i) => this.#known.set(key, sums[i] as number))
    }
    return keys.map((key) => this.#known.get(key) as number)
  }

  async #compute(samples: readonly Sample[], options: RunOptions): Promise<readonly number[]> {
    const batch = buildBatch(samples, this.#config)
    const state = await this.#network.forward(batch, 'evaluate', options)
    const logProbs = await this.#network.logProbs(state, options)
    const sums = Array.from({ length: samples.length }, () => 0)
    batch.targets.samples.forEach((sample, i) => {
      sums[sample] = (sums[sample] as number) + (logProbs[i] as number)
    })
    return sums
  }
}

/** SHA-256 of everything that the log-probability depends on. */
async function keyOf(sample: Sample): Promise<string> {
  const { inputIds, labels, pixelValues, imageSizes, videos = [], segments } = sample
  const numbers = [inputIds, labels, segments ?? []].flatMap((list) => [
    list.length,
    ...Array.from(list),
  ])
  const pixels = [...(pixelValues ? [pixelValues] : []), ...videos]
  const shapes = JSON.stringify([imageSizes ?? null, pixels.map(({ shape }) => shape)])
  const parts = [
    Int32Array.from(numbers),
    new TextEncoder().encode(shapes),
    ...pixels.map(({ data }) => data),
  ]
  const digests = await Promise.all(
    parts.map((part) => crypto.subtle.digest('SHA-256', part as Uint8Array<ArrayBuffer>)),
  )
  return digests.map((digest) => Array.from(new Uint8Array(digest), hex).join('')).join()
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}
