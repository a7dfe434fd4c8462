/** The table of rotation angles that both the cached and the plain decoder read. */
import { atOnce, type Steps } from '../core/steps.ts'

export type RopeConfig = {
  readonly theta: number
  /** Linear scaling: position p turns by the angle of p / factor. 1 is no scaling. Source: arXiv:2306.15595. */
  readonly factor: number
  /** Scaling by wavelength, as Llama 3.1 has it. */
  readonly bands?: RopeBands
}

/**
 * Pairs that turn once in more than `context / low` positions turn `factor` times slower, those within `context / high` as
 * they are, and those between in between. Source: transformers `modeling_rope_utils.py`, `_compute_llama3_parameters`.
 */
export type RopeBands = {
  readonly factor: number
  readonly low: number
  readonly high: number
  readonly context: number
}

/**
 *   cos(p θ^(−2i/H) / factor), sin(…)   for p in [0, positions), i in [0, H/2)
 *
 * Two float32[positions,width]; columns [H/2, width) have the angle 0. Every step is rounded to float32, as the
 * reference computes it. Source: arXiv:2104.09864 §3.2.2; order of operations, transformers `modeling_rope_utils.py`.
 */
export function rotaryTables(rope: RopeConfig, size: RotarySize): RotaryTables {
  return atOnce(rotarySteps(rope, size))
}

type RotarySize = { readonly positions: number; readonly headDim: number; readonly width: number }
type RotaryTables = { readonly cos: Float32Array; readonly sin: Float32Array }

/** The same with pauses: of tens of thousands of positions it takes a tenth of a second. */
export function* rotarySteps(rope: RopeConfig, size: RotarySize): Steps<RotaryTables> {
  const { positions, headDim, width } = size
  const cos = new Float32Array(positions * width).fill(1)
  const sin = new Float32Array(positions * width)
  for (const [i, frequency] of rotaryFrequencies(rope, headDim).entries()) {
    yield
    for (let p = 0; p < positions; p++) {
      const angle = Math.fround(p * frequency)
      cos[p * width + i] = Math.cos(angle)
      sin[p * width + i] = Math.sin(angle)
    }
  }
  return { cos, sin }
}

/** Angles by which the H/2 pairs turn at each position. */
export function rotaryFrequencies(rope: RopeConfig, headDim: number): number[] {
  return Array.from({ length: headDim / 2 }, (_, i) =>
    frequencyOf(rope, Math.fround((2 * i) / headDim)),
  )
}

function frequencyOf({ theta, factor, bands }: RopeConfig, exponent: number): number {
  const plain = Math.fround(1 / Math.fround(theta ** exponent))
  return Math.fround((bands ? banded(plain, bands) : plain) / factor)
}

function banded(frequency: number, { factor, low, high, context }: RopeBands): number {
  const { fround } = Math
  const wavelength = fround((2 * Math.PI) / frequency)
  if (wavelength < context / high) return frequency
  if (wavelength > context / low) return fround(frequency / factor)
  const smooth = fround(fround(fround(context / wavelength) - low) / fround(high - low))
  const slow = fround(fround(fround(1 - smooth) * frequency) / factor)
  return fround(slow + fround(smooth * frequency))
}
