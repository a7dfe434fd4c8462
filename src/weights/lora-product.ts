/**
 * target += scale · b a, the product of an adapter, in WebAssembly SIMD: four to eight times as fast as loops in JavaScript,
 * which loading a small model would otherwise spend most of its time in.
 *
 * Sixteen columns of two rows at a time: their part of `a` stays in the first cache while all rows pass over it, and their
 * sums stay in eight registers. Everything is float32, as torch adds a merged product.
 */
import {
  f32,
  f32x4,
  giveBack,
  i32,
  moduleOf,
  repeatWhile,
  v128,
  type Code,
  type Local,
} from './quantize-wasm.ts'

export type LowRank = { readonly rank: number; readonly scale: number; readonly columns: number }

/** Columns of a strip. */
const STRIP = 16
const PAGE_BYTES = 1 << 16

/** target [n, columns] += scale · b a, with b [n, rank] and a [rank, columns]. */
export function addLowRank(
  target: Float32Array,
  b: Float32Array,
  a: Float32Array,
  { rank, scale, columns }: LowRank,
): void {
  const rows = target.length / columns
  const strips = Math.ceil(columns / STRIP)
  const padded = strips * STRIP
  // Rows go in pairs; the partner of an odd last one is computed and left.
  const pairs = Math.ceil(rows / 2)
  const { memory, run } = openKernel(4 * (rank * padded + 2 * pairs * (rank + padded)))
  const strip = new Float32Array(memory.buffer, 0, rank * padded)
  arrangeStrips(a, strip, { rank, columns })
  const place = { b: strip.byteLength, target: strip.byteLength + 8 * pairs * rank }
  new Float32Array(memory.buffer, place.b, rows * rank).set(b.subarray(0, rows * rank))
  const sums = new Float32Array(memory.buffer, place.target, rows * padded)
  if (padded === columns) sums.set(target)
  else copyRows(target, columns, sums, padded)
  run(place.target, place.b, 0, pairs, rank, strips, scale)
  if (padded === columns) target.set(sums)
  else copyRows(sums, padded, target, columns)
}

/** `a` strip by strip, [strips, rank, 16]; zeros behind the last column. */
function arrangeStrips(
  a: Float32Array,
  strips: Float32Array,
  { rank, columns }: Pick<LowRank, 'rank' | 'columns'>,
): void {
  for (let to = 0, first = 0; to < strips.length; first += STRIP) {
    for (let from = first, r = 0; r < rank; r++, from += columns) {
      for (let i = 0; i < STRIP; i++) {
        strips[to++] = first + i < columns ? (a[from + i] as number) : 0
      }
    }
  }
}

function copyRows(from: Float32Array, fromWidth: number, to: Float32Array, toWidth: number): void {
  const width = Math.min(fromWidth, toWidth)
  for (let row = 0; row < from.length / fromWidth; row++) {
    to.set(from.subarray(row * fromWidth, row * fromWidth + width), row * toWidth)
  }
}

type Kernel = {
  /** `rowPairs`, `rank` and `strips` are at least one. */
  run(
    target: number,
    b: number,
    a: number,
    rowPairs: number,
    rank: number,
    strips: number,
    scale: number,
  ): number
  readonly memory: WebAssembly.Memory
}

let kernel: Kernel | undefined

/** The kernel of this thread with room for so many bytes. */
function openKernel(bytes: number): Kernel {
  if (!kernel) {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(productModule()))
    kernel = exports as unknown as Kernel
  }
  const missing = bytes - kernel.memory.buffer.byteLength
  if (missing > 0) kernel.memory.grow(Math.ceil(missing / PAGE_BYTES))
  return kernel
}

const LANES = [0, 1, 2, 3]

/** One row of a pair: its place, its part of `b`, and its four sums. */
type Row = {
  readonly atB: Local
  readonly target: Local
  readonly weight: Local
  readonly sums: readonly Local[]
}

function productModule(): Uint8Array<ArrayBuffer> {
  return moduleOf((body) => {
    const address = () => body.param('i32')
    const [target, b, a] = [address(), address(), address()]
    const [rowPairs, rank, strips] = [address(), address(), address()]
    const scale = body.param('f32')
    const local = () => body.local('i32')
    const [strip, pair, left, atA, stride, bytesOfB] = [
      local(),
      local(),
      local(),
      local(),
      local(),
      local(),
    ]
    const four = body.local('v128')
    const rows: readonly Row[] = [0, 1].map(() => ({
      atB: local(),
      target: local(),
      weight: body.local('v128'),
      sums: LANES.map(() => body.local('v128')),
    }))
    const [first, second] = rows as readonly [Row, Row]
    const countDown = (place: Local) => place.set(i32.sub(place.get, i32.const(1)))
    // What a row and the next of its pair do with the same four columns.
    const product = repeatWhile(
      [
        ...rows.map(({ weight, atB }) => weight.set(f32x4.splat(f32.load(atB.get)))),
        ...LANES.flatMap((lane) => [
          four.set(v128.load(offset(atA.get, 16 * lane))),
          ...rows.map(({ weight, sums }) => {
            const sum = sums[lane] as Local
            return sum.set(f32x4.add(sum.get, f32x4.mul(weight.get, four.get)))
          }),
        ]),
        advance(atA, i32.const(4 * STRIP)),
        ...rows.map(({ atB }) => advance(atB, i32.const(4))),
        countDown(left),
      ],
      left.get,
    )
    const everyPair = repeatWhile(
      [
        ...rows.flatMap(({ sums }) => sums.map((sum) => sum.set(f32x4.splat(f32.const(0))))),
        atA.set(a.get),
        left.set(rank.get),
        product,
        ...rows.flatMap((row) => LANES.map((lane) => addSum(row, lane, scale))),
        // The first has come to where the second began, and the second to where the next pair begins.
        first.atB.set(second.atB.get),
        second.atB.set(i32.add(first.atB.get, bytesOfB.get)),
        ...rows.map((row) => advance(row.target, i32.shiftLeft(stride.get, i32.const(1)))),
        countDown(pair),
      ],
      pair.get,
    )
    const everyStrip = repeatWhile(
      [
        first.atB.set(b.get),
        second.atB.set(i32.add(b.get, bytesOfB.get)),
        first.target.set(target.get),
        second.target.set(i32.add(target.get, stride.get)),
        pair.set(rowPairs.get),
        everyPair,
        advance(target, i32.const(4 * STRIP)),
        a.set(atA.get),
        countDown(strip),
      ],
      strip.get,
    )
    return [
      ...stride.set(i32.shiftLeft(strips.get, i32.const(6))),
      ...bytesOfB.set(i32.shiftLeft(rank.get, i32.const(2))),
      ...strip.set(strips.get),
      ...everyStrip,
      ...giveBack(i32.const(0)),
    ]
  })
}

function addSum({ target, sums }: Row, lane: number, scale: Local): Code {
  const place = offset(target.get, 16 * lane)
  const added = f32x4.mul((sums[lane] as Local).get, f32x4.splat(scale.get))
  return v128.store(place, f32x4.add(v128.load(place), added))
}

function advance(place: Local, by: Code): Code {
  return place.set(i32.add(place.get, by))
}

function offset(address: Code, bytes: number): Code {
  return i32.add(address, i32.const(bytes))
}
