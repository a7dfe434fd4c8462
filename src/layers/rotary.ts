/** The table of rotation angles that both the cached and the plain decoder read. */
import { atOnce, type Steps } from '../core/steps.ts'

export type RopeConfig = {
  readonly theta: number
  /** Linear scaling: position p turns by the angle of p / factor. 1 is no scaling. Source: arXiv:2306.15595. */
  readonly factor: number
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
export function* rotarySteps({ theta, factor }: RopeConfig, size: RotarySize): Steps<RotaryTables> {
  const { positions, headDim, width } = size
  const cos = new Float32Array(positions * width).fill(1)
  const sin = new Float32Array(positions * width)
  for (let i = 0; i < headDim / 2; i++) {
    yield
    const exponent = Math.fround((2 * i) / headDim)
    const frequency = Math.fround(Math.fround(1 / Math.fround(theta ** exponent)) / factor)
    for (let p = 0; p < positions; p++) {
      const angle = Math.fround(p * frequency)
      cos[p * width + i] = Math.cos(angle)
      sin[p * width + i] = Math.sin(angle)
    }
  }
  return { cos, sin }
}
