/**
 * The search of quantize-q4.ts over the blocks of one row, four values at a time in WebAssembly.
 *
 * For each block: its range; for each width of RANGES, rounded once, three zero points side by side; the scale that fits
 * best; the packed result. The same search in scalar JavaScript takes several times as long.
 */
import {
  f32,
  f32x4,
  giveBack,
  i32,
  i32x4,
  i8x16,
  moduleOf,
  repeatWhile,
  v128,
  when,
  type Code,
  type FunctionBody,
  type Local,
} from './quantize-wasm.ts'
import { SMALLEST_NORMAL } from './quantize-rows.ts'

/** Widths of the range that the 16 steps span, as a share of the block's own. */
const RANGES = [1.12, 1.04, 0.96, 0.88, 0.8, 0.72, 0.64]
const ZERO_POINT_SHIFTS = [-1, 0, 1]

export type Q4Kernel = {
  /**
   * Quantises `count` blocks. values and importance are float32[count · block] at 16-byte addresses; written are packed
   * data, scale and a byte of zero point for each block. Returns the first block whose values are not all finite, or `count`.
   */
  run(
    values: number,
    importance: number,
    count: number,
    blockBytes: number,
    data: number,
    scale: number,
    zeroPoint: number,
  ): number
  readonly memory: WebAssembly.Memory
}

let kernel: Q4Kernel | undefined

/** The kernel of this thread, made on first use. */
export function q4Kernel(): Q4Kernel {
  const make = () => new WebAssembly.Instance(new WebAssembly.Module(moduleOf(quantizeBlocks)))
  return (kernel ??= make().exports as Q4Kernel)
}

function quantizeBlocks(body: FunctionBody): Code {
  const param = () => body.param('i32')
  const [values, importance, count] = [param(), param(), param()]
  const blockBytes = param()
  const [data, scale, zeroPoint] = [param(), param(), param()]
  const index = body.local('i32')
  const block = new Block(body, values, importance, blockBytes)
  return [
    ...repeatWhile(
      [
        block.findRange(),
        when(f32.isUnequal(block.check.get, f32.const(0)), [giveBack(index.get)]),
        block.best.scale.set(f32.const(0)),
        block.best.inverse.set(f32.const(0)),
        block.best.zeroPoint.set(f32.const(8)),
        block.best.score.set(f32.const(0)),
        when(
          f32.isGreater(block.step.get, f32.const(SMALLEST_NORMAL)),
          RANGES.map((share) => block.tryRange(share)),
        ),
        f32.store(scale.get, block.best.scale.get),
        i32.store8(zeroPoint.get, i32.fromF32(block.best.zeroPoint.get)),
        block.pack(data),
        advance(values, blockBytes.get),
        advance(importance, blockBytes.get),
        advance(scale, i32.const(4)),
        advance(zeroPoint, i32.const(1)),
        advance(index, i32.const(1)),
      ],
      i32.isLess(index.get, count.get),
    ),
    ...index.get,
  ]
}

function advance(local: Local, by: Code): Code {
  return local.set(i32.add(local.get, by))
}

/** The sums of one zero point: Σ v x p and Σ v p², with p = q − zeroPoint kept within [low, high]. */
type Candidate = {
  readonly low: Local
  readonly high: Local
  readonly vxp: Local
  readonly vpp: Local
  readonly zeroPoint: Local
}

/** Code for one block of values x with importance v. */
class Block {
  readonly check: Local
  readonly step: Local
  readonly best: {
    readonly score: Local
    readonly scale: Local
    readonly inverse: Local
    readonly zeroPoint: Local
  }
  readonly #low: Local
  readonly #high: Local
  readonly #inverse: Local
  readonly #center: Local
  readonly #numerator: Local
  readonly #denominator: Local
  readonly #at: Local
  readonly #weightAt: Local
  readonly #end: Local
  readonly #lowest: Local
  readonly #highest: Local
  readonly #inverses: Local
  readonly #x: Local
  readonly #v: Local
  readonly #rounded: Local
  readonly #p: Local
  readonly #vp: Local
  readonly #candidates: readonly Candidate[]
  readonly #values: Local
  readonly #importance: Local
  readonly #blockBytes: Local

  constructor(body: FunctionBody, values: Local, importance: Local, blockBytes: Local) {
    const int = () => body.local('i32')
    const float = () => body.local('f32')
    const vector = () => body.local('v128')
    ;[this.#values, this.#importance, this.#blockBytes] = [values, importance, blockBytes]
    ;[this.#at, this.#weightAt, this.#end] = [int(), int(), int()]
    ;[this.check, this.step, this.#low, this.#high] = [float(), float(), float(), float()]
    ;[this.#inverse, this.#center, this.#numerator, this.#denominator] = [
      float(),
      float(),
      float(),
      float(),
    ]
    this.best = { score: float(), scale: float(), inverse: float(), zeroPoint: float() }
    ;[this.#lowest, this.#highest, this.#inverses] = [vector(), vector(), vector()]
    ;[this.#x, this.#v, this.#rounded, this.#p, this.#vp] = [
      vector(),
      vector(),
      vector(),
      vector(),
      vector(),
    ]
    this.#candidates = ZERO_POINT_SHIFTS.map(() => ({
      low: vector(),
      high: vector(),
      vxp: vector(),
      vpp: vector(),
      zeroPoint: float(),
    }))
  }

  /** Sets step = (highest − lowest) / 15 with zero in the range, and check, which is 0 if every value is finite. */
  findRange(): Code {
    const zero = f32x4.splat(f32.const(0))
    return [
      ...[this.#lowest, this.#highest, this.#p].flatMap((local) => local.set(zero)),
      ...this.#eachFour([
        this.#x.set(v128.load(this.#at.get)),
        this.#lowest.set(f32x4.lesser(this.#lowest.get, this.#x.get)),
        this.#highest.set(f32x4.greater(this.#highest.get, this.#x.get)),
        // x − x is 0, or NaN for what is not finite.
        this.#p.set(f32x4.add(this.#p.get, f32x4.sub(this.#x.get, this.#x.get))),
      ]),
      ...this.#low.set(acrossLanes(this.#lowest.get, f32.min)),
      ...this.#high.set(acrossLanes(this.#highest.get, f32.max)),
      ...this.check.set(acrossLanes(this.#p.get, f32.add)),
      ...this.step.set(f32.div(f32.sub(this.#high.get, this.#low.get), f32.const(15))),
    ]
  }

  /** Rounds by a step of `share` times the block's own, for three zero points, and keeps the best fit so far. */
  tryRange(share: number): Code {
    const middle = f32.mul(f32.add(this.#high.get, this.#low.get), f32.const(0.5))
    return [
      ...this.#inverse.set(f32.div(f32.const(1 / share), this.step.get)),
      ...this.#center.set(f32.nearest(f32.sub(f32.const(7.5), f32.mul(middle, this.#inverse.get)))),
      ...this.#inverses.set(f32x4.splat(this.#inverse.get)),
      ...this.#candidates.flatMap((candidate, i) =>
        this.#startCandidate(candidate, ZERO_POINT_SHIFTS[i] as number),
      ),
      ...this.#eachFour([
        this.#x.set(v128.load(this.#at.get)),
        this.#v.set(v128.load(this.#weightAt.get)),
        this.#rounded.set(f32x4.nearest(f32x4.mul(this.#x.get, this.#inverses.get))),
        ...this.#candidates.map((candidate) => this.#addFour(candidate)),
      ]),
      ...this.#candidates.flatMap((candidate) => this.#keepIfBetter(candidate)),
    ]
  }

  #startCandidate({ low, high, vxp, vpp, zeroPoint }: Candidate, shift: number): Code {
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
    return [
      ...this.#p.set(f32x4.lesser(f32x4.greater(this.#rounded.get, low.get), high.get)),
      ...this.#vp.set(f32x4.mul(this.#v.get, this.#p.get)),
      ...vxp.set(f32x4.add(vxp.get, f32x4.mul(this.#vp.get, this.#x.get))),
      ...vpp.set(f32x4.add(vpp.get, f32x4.mul(this.#vp.get, this.#p.get))),
    ]
  }

  /** With the best scale Σvxp / Σvpp the error is Σvx² − (Σvxp)² / Σvpp: the last term is the score. */
  #keepIfBetter({ vxp, vpp, zeroPoint }: Candidate): Code {
    const fitted = f32.div(this.#numerator.get, this.#denominator.get)
    const score = f32.mul(this.#numerator.get, fitted)
    return [
      ...this.#numerator.set(acrossLanes(vxp.get, f32.add)),
      ...this.#denominator.set(acrossLanes(vpp.get, f32.add)),
      ...when(f32.isGreater(score, this.best.score.get), [
        this.best.score.set(score),
        this.best.scale.set(fitted),
        this.best.inverse.set(this.#inverse.get),
        this.best.zeroPoint.set(zeroPoint.get),
      ]),
    ]
  }

  /** Writes the block as the best fit rounds it, 32 values to 16 bytes, and moves `data` on. */
  pack(data: Local): Code {
    const zeroPoints = f32x4.splat(this.best.zeroPoint.get)
    const fours = Array.from({ length: 8 }, (_, i) => {
      const x = v128.load(i32.add(this.#at.get, i32.const(i * 16)))
      const q = f32x4.add(f32x4.nearest(f32x4.mul(x, this.#inverses.get)), this.#x.get)
      return i32x4.fromF32x4(
        f32x4.lesser(f32x4.greater(q, f32x4.splat(f32.const(0))), f32x4.splat(f32.const(15))),
      )
    }) as [Code, Code, Code, Code, Code, Code, Code, Code]
    const sixteen = ([a, b, c, d]: readonly Code[]) =>
      i8x16.narrowI16x8(
        i8x16.narrowI32x4(a as Code, b as Code),
        i8x16.narrowI32x4(c as Code, d as Code),
      )
    const even = Array.from({ length: 16 }, (_, i) => 2 * i)
    const odd = even.map((lane) => lane + 1)
    const low = i8x16.shuffle(this.#rounded.get, this.#p.get, even)
    const high = i8x16.shiftLeft(i8x16.shuffle(this.#rounded.get, this.#p.get, odd), i32.const(4))
    return [
      ...this.#inverses.set(f32x4.splat(this.best.inverse.get)),
      ...this.#x.set(zeroPoints),
      ...this.#rewind(),
      ...repeatWhile(
        [
          this.#rounded.set(sixteen(fours.slice(0, 4))),
          this.#p.set(sixteen(fours.slice(4))),
          v128.store(data.get, v128.or(low, high)),
          advance(data, i32.const(16)),
          advance(this.#at, i32.const(128)),
        ],
        i32.isLess(this.#at.get, this.#end.get),
      ),
    ]
  }

  #eachFour(body: readonly Code[]): Code {
    const step = [advance(this.#at, i32.const(16)), advance(this.#weightAt, i32.const(16))]
    return [
      ...this.#rewind(),
      ...repeatWhile([...body, ...step], i32.isLess(this.#at.get, this.#end.get)),
    ]
  }

  #rewind(): Code {
    return [
      ...this.#at.set(this.#values.get),
      ...this.#weightAt.set(this.#importance.get),
      ...this.#end.set(i32.add(this.#values.get, this.#blockBytes.get)),
    ]
  }
}

function acrossLanes(value: Code, join: (a: Code, b: Code) => Code): Code {
  const [a, b, c, d] = [0, 1, 2, 3].map((lane) => f32x4.lane(value, lane)) as [
    Code,
    Code,
    Code,
    Code,
  ]
  return join(join(a, b), join(c, d))
}
