/**
 * target += scale · b a, the product of an adapter, in WebAssembly SIMD: four to eight times as fast as loops in JavaScript,
 * which loading a small model would otherwise spend most of its time in.
 *
 * Sixteen columns at a time: their part of `a` stays in the first cache while all rows pass over it, and their sums stay in
 * four registers. Everything is float32, as torch adds a merged product.
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
  const { memory, run } = openKernel(4 * (rank * padded + rows * rank + rows * padded))
  // a lies strip by strip, [strips, rank, 16].
  const strip = new Float32Array(memory.buffer, 0, rank * padded).fill(0)
  for (let s = 0; s < strips; s++) {
    for (let r = 0; r < rank; r++) {
      const from = r * columns + s * STRIP
      const part = a.subarray(from, Math.min(from + STRIP, (r + 1) * columns))
      strip.set(part, (s * rank + r) * STRIP)
    }
  }
  const place = { a: 0, b: strip.byteLength, target: strip.byteLength + 4 * rows * rank }
  new Float32Array(memory.buffer, place.b, rows * rank).set(b.subarray(0, rows * rank))
  const sums = new Float32Array(memory.buffer, place.target, rows * padded)
  if (padded === columns) sums.set(target)
  else copyRows(target, columns, sums, padded)
  run(place.target, place.b, place.a, rows, rank, strips, scale)
  if (padded === columns) target.set(sums)
  else copyRows(sums, padded, target, columns)
}

function copyRows(from: Float32Array, fromWidth: number, to: Float32Array, toWidth: number): void {
  const width = Math.min(fromWidth, toWidth)
  for (let row = 0; row < from.length / fromWidth; row++) {
    to.set(from.subarray(row * fromWidth, row * fromWidth + width), row * toWidth)
  }
}

type Kernel = {
  run(
    target: number,
    b: number,
    a: number,
    rows: number,
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

function productModule(): Uint8Array<ArrayBuffer> {
  return moduleOf((body) => {
    const address = () => body.param('i32')
    const [target, b, a, rows, rank, strips] = [
      address(),
      address(),
      address(),
      address(),
      address(),
      address(),
    ]
    const scale = body.param('f32')
    const local = () => body.local('i32')
    const [strip, row, left, atA, atB, atTarget] = [
      local(),
      local(),
      local(),
      local(),
      local(),
      local(),
    ]
    const stride = local()
    const sums = [0, 1, 2, 3].map(() => body.local('v128'))
    const weight = body.local('v128')
    const advance = (place: typeof strip, by: Code) => place.set(i32.add(place.get, by))
    const four = (at: Code, lane: number): Code => i32.add(at, i32.const(16 * lane))
    const product = repeatWhile(
      [
        weight.set(f32x4.splat(f32.load(atB.get))),
        ...sums.map((sum, lane) =>
          sum.set(f32x4.add(sum.get, f32x4.mul(weight.get, v128.load(four(atA.get, lane))))),
        ),
        advance(atA, i32.const(4 * STRIP)),
        advance(atB, i32.const(4)),
        left.set(i32.sub(left.get, i32.const(1))),
      ],
      left.get,
    )
    const everyRow = repeatWhile(
      [
        ...sums.map((sum) => sum.set(f32x4.splat(f32.const(0)))),
        atA.set(a.get),
        left.set(rank.get),
        product,
        ...sums.map((sum, lane) => {
          const place = four(atTarget.get, lane)
          const added = f32x4.mul(sum.get, f32x4.splat(scale.get))
          return v128.store(place, f32x4.add(v128.load(place), added))
        }),
        advance(atTarget, stride.get),
        row.set(i32.sub(row.get, i32.const(1))),
      ],
      row.get,
    )
    const everyStrip = repeatWhile(
      [
        atB.set(b.get),
        atTarget.set(target.get),
        row.set(rows.get),
        everyRow,
        advance(target, i32.const(4 * STRIP)),
        a.set(atA.get),
        strip.set(i32.sub(strip.get, i32.const(1))),
      ],
      strip.get,
    )
    return [
      ...stride.set(i32.shiftLeft(strips.get, i32.const(6))),
      ...strip.set(strips.get),
      ...everyStrip,
      ...giveBack(i32.const(0)),
    ]
  })
}
