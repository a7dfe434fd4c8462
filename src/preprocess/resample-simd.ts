/** The resampling passes of RGB pictures in WebAssembly SIMD, several times as fast as loops in JavaScript. */
import type { Passes, PassPlan } from './resample.ts'
import { type Kernel } from './resample-kernel.ts'
import { BAND_BYTES } from './resample-scalar.ts'
import { LOW_BITS, resampleModule } from './resample-wasm.ts'

/** Memory of a module never shrinks; a larger one than this is given back after use. */
const KEEP_BYTES = 1 << 26
const MAX_BYTES = 2 ** 31
const PAGE_BYTES = 1 << 16

/** Undefined where this form cannot run: another number of channels, no SIMD, or not enough memory. */
export function openSimdPasses(plan: PassPlan): Passes | undefined {
  if (plan.channels !== 3) return undefined
  const layout = layOut(plan)
  const kernels = layout.bytes <= MAX_BYTES ? takeModule(layout.bytes) : undefined
  if (kernels === undefined) return undefined
  const { memory, horizontal, vertical } = kernels
  const { rowBytes, columns, bias, rows } = plan
  const { stride, bandRows } = layout
  const view = (from: number, bytes: number): Uint8Array =>
    new Uint8Array(memory.buffer, from, bytes)
  new Int32Array(memory.buffer, layout.columns).set(packKernel(columns, 3, 4, 0, bias))
  new Int32Array(memory.buffer, layout.rows).set(packKernel(rows, stride, 2, rows.first))
  return {
    band: view(layout.band, bandRows * rowBytes),
    bandRows,
    between: view(layout.between, (rows.last - rows.first) * stride),
    stride,
    horizontal(count, to) {
      const target = layout.between + to * stride
      horizontal(layout.band, rowBytes, target, stride, count, layout.columns, columns.count)
    },
    vertical() {
      vertical(layout.between, stride, layout.output, stride, rows.count, layout.rows)
      const tight = columns.count * 3
      const output = new Uint8Array(rows.count * tight)
      for (let row = 0; row < rows.count; row++) {
        output.set(view(layout.output + row * stride, tight), row * tight)
      }
      if (memory.buffer.byteLength > KEEP_BYTES) kept = undefined
      return output
    },
  }
}

type Layout = {
  readonly stride: number
  readonly bandRows: number
  readonly columns: number
  readonly rows: number
  readonly band: number
  readonly between: number
  readonly output: number
  readonly bytes: number
}

/** Where everything lies in the module's memory; reads may run a little past the band and one row past `between`. */
function layOut({ rowBytes, columns, rows }: PassPlan): Layout {
  const stride = align(columns.count * 3 + 1, 8)
  const bandRows = Math.max(1, Math.floor(BAND_BYTES / rowBytes))
  const rowTable = align(tableLength(columns, 4, 4) * 4, 16)
  const band = align(rowTable + tableLength(rows, 2, 0) * 4, 16)
  const between = align(band + bandRows * rowBytes + 64, 16)
  const output = align(between + (rows.last - rows.first + 2) * stride, 16)
  const bytes = output + rows.count * stride
  return { stride, bandRows, columns: 0, rows: rowTable, band, between, output, bytes }
}

function align(value: number, to: number): number {
  return Math.ceil(value / to) * to
}

/** int32 elements of a table: per output two numbers, `extra` more, then two for each two inputs of its groups. */
function tableLength(kernel: Kernel, group: number, extra: number): number {
  let length = 0
  for (const inputs of kernel.lengths) length += 2 + extra + groupCount(inputs, group) * group
  return length
}

function groupCount(inputs: number, group: number): number {
  return Math.max(1, Math.ceil(inputs / group))
}

/** The table that `resample-wasm.ts` describes; inputs are `step` bytes apart, the first being number `first`. */
function packKernel(
  kernel: Kernel,
  step: number,
  group: number,
  first: number,
  bias?: Int32Array,
): Int32Array {
  const table = new Int32Array(tableLength(kernel, group, bias ? 4 : 0))
  let at = 0
  for (let output = 0; output < kernel.count; output++) {
    const inputs = kernel.lengths[output] as number
    const groups = groupCount(inputs, group)
    table[at++] = ((kernel.starts[output] as number) - first) * step
    table[at++] = groups
    if (bias) {
      table.set(bias.subarray(output * 3, output * 3 + 3), at)
      at += 4
    }
    for (let i = 0; i < groups * group; i += 2) {
      const w0 = i < inputs ? (kernel.weights[output * kernel.taps + i] as number) : 0
      const w1 = i + 1 < inputs ? (kernel.weights[output * kernel.taps + i + 1] as number) : 0
      table[at++] = ((w0 >> LOW_BITS) & 0xffff) | ((w1 >> LOW_BITS) << 16)
      const mask = (1 << LOW_BITS) - 1
      table[at++] = (w0 & mask) | ((w1 & mask) << 16)
    }
  }
  return table
}

type Kernels = {
  readonly memory: WebAssembly.Memory
  readonly horizontal: (...values: number[]) => void
  readonly vertical: (...values: number[]) => void
}

// A compiled module is a constant of the machine and its memory only scratch space: the one place in this room where
// something outlives a call.
let compiled: WebAssembly.Module | null | undefined
let kept: Kernels | undefined

function takeModule(bytes: number): Kernels | undefined {
  if (compiled === undefined) compiled = compile()
  if (compiled === null) return undefined
  kept ??= new WebAssembly.Instance(compiled).exports as unknown as Kernels
  const missing = bytes - kept.memory.buffer.byteLength
  if (missing <= 0) return kept
  try {
    kept.memory.grow(Math.ceil(missing / PAGE_BYTES))
    return kept
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return undefined // no room for this picture's intermediate rows in one memory: the loops need less
  }
}

function compile(): WebAssembly.Module | null {
  if (typeof WebAssembly === 'undefined') return null
  const bytes = resampleModule()
  return WebAssembly.validate(bytes) ? new WebAssembly.Module(bytes) : null
}
