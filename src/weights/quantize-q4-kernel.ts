/**
 * The search for whole zero points: for each width of the range, rounded once, three zero points side by side.
 *
 *   p = q − zeroPoint        scale = Σvxp / Σvp²        error = Σvx² − (Σvxp)² / Σvp²
 */
import {
  acrossLanes,
  buildQ4Kernel,
  keepInRange,
  localsOf,
  type Block,
  type BlockSearch,
  type Q4Kernel,
} from './quantize-q4-block.ts'
import { f32, f32x4, when, type Code, type FunctionBody, type Local } from './quantize-wasm.ts'

/** Widths of the range that the 16 steps span, as a share of the block's own. */
const RANGES = [1.12, 1.04, 0.96, 0.88, 0.8, 0.72, 0.64]
const ZERO_POINT_SHIFTS = [-1, 0, 1]

let kernel: Q4Kernel | undefined

/** The kernel of this thread, made on first use. Its origins are zero points. */
export function q4ZeroPointKernel(): Q4Kernel {
  return (kernel ??= buildQ4Kernel((body, block) => new ZeroPointSearch(body, block)))
}

/** The sums of one zero point, with p kept within [low, high]. */
type Candidate = {
  readonly low: Local
  readonly high: Local
  readonly vxp: Local
  readonly vpp: Local
  readonly zeroPoint: Local
}

class ZeroPointSearch implements BlockSearch {
  readonly scale: Local
  readonly origin: Local
  readonly #block: Block
  readonly #bestScore: Local
  readonly #bestInverse: Local
  readonly #inverse: Local
  readonly #center: Local
  readonly #numerator: Local
  readonly #fitted: Local
  readonly #rounded: Local
  readonly #p: Local
  readonly #vp: Local
  readonly #candidates: readonly Candidate[]

  constructor(body: FunctionBody, block: Block) {
    const { float, vector } = localsOf(body)
    this.#block = block
    ;[this.scale, this.origin, this.#bestScore, this.#bestInverse] = [
      float(),
      float(),
      float(),
      float(),
    ]
    ;[this.#inverse, this.#center, this.#numerator, this.#fitted] = [
      float(),
      float(),
      float(),
      float(),
    ]
    ;[this.#rounded, this.#p, this.#vp] = [vector(), vector(), vector()]
    this.#candidates = ZERO_POINT_SHIFTS.map(() => ({
      low: vector(),
      high: vector(),
      vxp: vector(),
      vpp: vector(),
      zeroPoint: float(),
    }))
  }

  start(): Code {
    const { low, high, step } = this.#block
    return [
      ...[this.scale, this.#bestScore, this.#bestInverse].flatMap((local) =>
        local.set(f32.const(0)),
      ),
      ...this.origin.set(f32.const(8)),
      // Zero is a value like any other here: zero points lie within the range.
      ...low.set(f32.min(low.get, f32.const(0))),
      ...high.set(f32.max(high.get, f32.const(0))),
      ...step.set(f32.mul(f32.sub(high.get, low.get), f32.const(1 / 15))),
    ]
  }

  search(): Code {
    return RANGES.flatMap((share) => this.#tryRange(share))
  }

  #tryRange(share: number): Code {
    const { low, high, step, x } = this.#block
    const middle = f32.mul(f32.add(high.get, low.get), f32.const(0.5))
    return [
      ...this.#inverse.set(f32.div(f32.const(1 / share), step.get)),
      ...this.#center.set(f32.nearest(f32.sub(f32.const(7.5), f32.mul(middle, this.#inverse.get)))),
      ...this.#candidates.flatMap((candidate, i) =>
        this.#start(candidate, ZERO_POINT_SHIFTS[i] as number),
      ),
      ...this.#block.eachFour([
        this.#rounded.set(f32x4.nearest(f32x4.mul(x.get, f32x4.splat(this.#inverse.get)))),
        ...this.#candidates.map((candidate) => this.#addFour(candidate)),
      ]),
      ...this.#candidates.flatMap((candidate) => this.#keepIfBetter(candidate)),
    ]
  }

  #start({ low, high, vxp, vpp, zeroPoint }: Candidate, shift: number): Code {
    const shifted = f32.add(this.#center.get, f32.const(shift))
    const zero = f32x4.splat(f32.const(0))
    return [
      ...zeroPoint.set(f32.min(f32.const(15), f32.max(f32.const(0), shifted))),
      ...low.set(f32x4.splat(f32.sub(f32.const(0), zeroPoint.get))),
      ...high.set(f32x4.splat(f32.sub(f32.const(15), zeroPoint.get))),
      ...vxp.set(zero),
      ...vpp.set(zero),
    ]
  }

  #addFour({ low, high, vxp, vpp }: Candidate): Code {
    const { x, v } = this.#block
    return [
      ...this.#p.set(f32x4.lesser(f32x4.greater(this.#rounded.get, low.get), high.get)),
      ...this.#vp.set(f32x4.mul(v.get, this.#p.get)),
      ...vxp.set(f32x4.add(vxp.get, f32x4.mul(this.#vp.get, x.get))),
      ...vpp.set(f32x4.add(vpp.get, f32x4.mul(this.#vp.get, this.#p.get))),
    ]
  }

  /** The last term of the error is the score. A candidate without any p but 0 has no scale, and no score. */
  #keepIfBetter({ vxp, vpp, zeroPoint }: Candidate): Code {
    const score = f32.mul(this.#numerator.get, this.#fitted.get)
    return [
      ...this.#numerator.set(acrossLanes(vxp.get, f32.add)),
      ...this.#fitted.set(f32.div(this.#numerator.get, acrossLanes(vpp.get, f32.add))),
      ...when(f32.isGreater(score, this.#bestScore.get), [
        this.#bestScore.set(score),
        this.scale.set(this.#fitted.get),
        this.#bestInverse.set(this.#inverse.get),
        this.origin.set(zeroPoint.get),
      ]),
    ]
  }

  quantizeFour(x: Code): Code {
    const rounded = f32x4.nearest(f32x4.mul(x, f32x4.splat(this.#bestInverse.get)))
    return keepInRange(f32x4.add(rounded, f32x4.splat(this.origin.get)))
  }
}
