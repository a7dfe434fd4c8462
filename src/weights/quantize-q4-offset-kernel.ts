/**
 * The search for a free offset: for each width of the range, the least-squares line through the q that it gives.
 *
 * With c = q − 7½ and y = x − middle of the range, and sums weighted by the importance v:
 *
 *   slope = (Σyc − Σy Σc / Σ1) / (Σc² − (Σc)² / Σ1)        error = … − slope · numerator
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

/** Widths of the range, three at a time, as a share of the block's own. 1 comes first: of equal errors it wins. */
const RANGES = [
  [1, 1.05, 0.95],
  [0.9, 0.85, 0.8],
] as const

let kernel: Q4Kernel | undefined

/** The kernel of this thread, made on first use. Its origins are the values of q = 8. */
export function q4OffsetKernel(): Q4Kernel {
  return (kernel ??= buildQ4Kernel((body, block) => new OffsetSearch(body, block)))
}

/** The sums of one width: Σ v c, Σ v c², Σ v y c. */
type Candidate = {
  readonly inverse: Local
  readonly c: Local
  readonly cc: Local
  readonly yc: Local
}

class OffsetSearch implements BlockSearch {
  readonly scale: Local
  readonly origin: Local
  readonly #block: Block
  readonly #middle: Local
  readonly #bestScore: Local
  readonly #bestInverse: Local
  readonly #weight: Local
  readonly #meanY: Local
  readonly #meanC: Local
  readonly #numerator: Local
  readonly #slope: Local
  readonly #y: Local
  readonly #p: Local
  readonly #vp: Local
  readonly #sums: readonly [Local, Local]
  readonly #candidates: readonly Candidate[]

  constructor(body: FunctionBody, block: Block) {
    const { float, vector } = localsOf(body)
    this.#block = block
    ;[this.scale, this.origin, this.#middle] = [float(), float(), float()]
    ;[this.#bestScore, this.#bestInverse, this.#weight] = [float(), float(), float()]
    ;[this.#meanY, this.#meanC, this.#numerator, this.#slope] = [float(), float(), float(), float()]
    ;[this.#y, this.#p, this.#vp] = [vector(), vector(), vector()]
    this.#sums = [vector(), vector()]
    this.#candidates = RANGES[0].map(() => ({
      inverse: float(),
      c: vector(),
      cc: vector(),
      yc: vector(),
    }))
  }

  start(): Code {
    const { low, high } = this.#block
    return [
      ...[this.scale, this.#bestInverse].flatMap((local) => local.set(f32.const(0))),
      ...this.#bestScore.set(f32.const(-1)),
      ...this.#middle.set(f32.mul(f32.add(low.get, high.get), f32.const(0.5))),
      ...this.origin.set(this.#middle.get),
    ]
  }

  search(): Code {
    const { v } = this.#block
    const [weight, sumY] = this.#sums
    const zero = f32x4.splat(f32.const(0))
    return [
      ...this.#sums.flatMap((sum) => sum.set(zero)),
      ...this.#block.eachFour([
        weight.set(f32x4.add(weight.get, v.get)),
        sumY.set(f32x4.add(sumY.get, f32x4.mul(v.get, this.#centred()))),
      ]),
      ...this.#weight.set(acrossLanes(weight.get, f32.add)),
      ...this.#meanY.set(f32.div(acrossLanes(sumY.get, f32.add), this.#weight.get)),
      ...RANGES.flatMap((shares) => this.#tryRanges(shares)),
    ]
  }

  #centred(): Code {
    return f32x4.sub(this.#block.x.get, f32x4.splat(this.#middle.get))
  }

  #tryRanges(shares: readonly number[]): Code {
    const zero = f32x4.splat(f32.const(0))
    const start = ({ inverse, c, cc, yc }: Candidate, share: number) => [
      ...inverse.set(f32.div(f32.const(1 / share), this.#block.step.get)),
      ...[c, cc, yc].flatMap((sum) => sum.set(zero)),
    ]
    return [
      ...this.#candidates.flatMap((candidate, i) => start(candidate, shares[i] as number)),
      ...this.#block.eachFour([
        this.#y.set(this.#centred()),
        ...this.#candidates.map((candidate) => this.#addFour(candidate)),
      ]),
      ...this.#candidates.flatMap((candidate) => this.#keepIfBetter(candidate)),
    ]
  }

  #addFour({ inverse, c, cc, yc }: Candidate): Code {
    const q = roundAround(this.#y.get, inverse)
    return [
      ...this.#p.set(f32x4.sub(q, f32x4.splat(f32.const(7.5)))),
      ...this.#vp.set(f32x4.mul(this.#block.v.get, this.#p.get)),
      ...c.set(f32x4.add(c.get, this.#vp.get)),
      ...cc.set(f32x4.add(cc.get, f32x4.mul(this.#vp.get, this.#p.get))),
      ...yc.set(f32x4.add(yc.get, f32x4.mul(this.#vp.get, this.#y.get))),
    ]
  }

  /** offset = the line at q = 8, half a step above c = 0. */
  #keepIfBetter({ inverse, c, cc, yc }: Candidate): Code {
    const sumC = f32.mul(this.#meanC.get, this.#weight.get)
    const spread = f32.sub(acrossLanes(cc.get, f32.add), f32.mul(sumC, this.#meanC.get))
    const score = f32.mul(this.#numerator.get, this.#slope.get)
    const atEight = f32.mul(f32.sub(f32.const(0.5), this.#meanC.get), this.#slope.get)
    return [
      ...this.#meanC.set(f32.div(acrossLanes(c.get, f32.add), this.#weight.get)),
      ...this.#numerator.set(f32.sub(acrossLanes(yc.get, f32.add), f32.mul(this.#meanY.get, sumC))),
      ...this.#slope.set(f32.div(this.#numerator.get, spread)),
      ...when(f32.isGreater(score, this.#bestScore.get), [
        this.#bestScore.set(score),
        this.#bestInverse.set(inverse.get),
        this.scale.set(this.#slope.get),
        this.origin.set(f32.add(f32.add(this.#middle.get, this.#meanY.get), atEight)),
      ]),
    ]
  }

  quantizeFour(x: Code): Code {
    return roundAround(f32x4.sub(x, f32x4.splat(this.#middle.get)), this.#bestInverse)
  }
}

/** q of values that are centred on the middle of the range, which lies between 7 and 8. */
function roundAround(y: Code, inverse: Local): Code {
  const position = f32x4.mul(y, f32x4.splat(inverse.get))
  return keepInRange(f32x4.nearest(f32x4.add(position, f32x4.splat(f32.const(7.5)))))
}
