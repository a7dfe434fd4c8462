/**
 * Llama 3.1's scaling of positions as GGUF files have it: `rope_freqs.weight`, float32[H/2], what each frequency is divided by.
 *
 * Source: llama.cpp `convert_hf_to_gguf.py`, `LlamaModel.generate_extra_tensors`; ggml `rope` (`freq_factors`).
 */
import { ConfigError } from '../core/errors.ts'
import { rotaryFrequencies, type RopeBands } from '../layers/rotary.ts'
import { ropeScaling } from './convert/config-fields.ts'

/** What Meta's checkpoints of 3.1 to 3.3 say; the factor is 8 or 32, and the file tells it. */
const PUBLISHED = { low: 1, high: 4, context: 8192 } as const

/** Of float32 numbers that were computed in another order. */
const TOLERANCE = 1e-4

/** The `rope_scaling` that the divisors were made from; null where they change nothing. */
export function llama3Scaling(divisors: ArrayLike<number>, theta: number): object | null {
  const given = Array.from(divisors)
  if (given.every((divisor) => divisor === 1)) return null
  const bands = { ...PUBLISHED, factor: given.reduce((a, b) => Math.max(a, b), 1) }
  const made = divisorsOf(bands, { theta, count: given.length })
  const isSame = made.every((wanted, i) => Math.abs(wanted / (given[i] as number) - 1) <= TOLERANCE)
  if (isSame) return ropeScaling({ theta, factor: 1, bands })
  throw new ConfigError(
    'CONFIG_UNSUPPORTED',
    'rope_freqs.weight: positions are scaled otherwise than Llama 3.1 does (bands of 1 and 4, a context of 8192), which is not supported; take the checkpoint that the file was made from.',
  )
}

function divisorsOf(
  bands: RopeBands,
  { theta, count }: { readonly theta: number; readonly count: number },
): number[] {
  const [plain, scaled] = [{}, { bands }].map((more) =>
    rotaryFrequencies({ theta, factor: 1, ...more }, 2 * count),
  ) as [number[], number[]]
  return plain.map((frequency, i) => frequency / (scaled[i] as number))
}
