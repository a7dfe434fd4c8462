/** A weight in float32, read and checked a piece at a time: others get their turn in between. */
import { toFloat32, type HostTensor } from './core/tensor.ts'
import { elementCount } from './core/shape.ts'
import { nextTurn } from './core/steps.ts'
import type { ParameterMap } from './families/parameter-map.ts'
import { assertFinite, isFiniteTensor, sliceRows } from './weights/index.ts'
import { discardMemory } from './weights/node.ts'

/** Elements that are read before it is asked whether it is time for others: a few milliseconds of a merged adapter. */
const PIECE = 1 << 19

/**
 * The parameter at `path`: the file's own memory where it holds float32, else a widened copy.
 *
 * Throws CheckpointError if it holds NaN or an infinity.
 */
export async function readFloatWeight(
  path: string,
  {
    parameters,
    known,
    allocate,
    takeTurns,
  }: {
    readonly parameters: ParameterMap
    /** The tensor, where it has been read already. */
    readonly known?: HostTensor | undefined
    /** Memory for so many elements, should it have to be widened. */
    readonly allocate: (elements: number) => Float32Array
    readonly takeTurns: TakeTurns
  },
): Promise<HostTensor> {
  const { shape, isView, place } = parameters.stored(path)
  const [rows = 1, ...inner] = shape
  const width = elementCount(inner)
  const step = Math.max(1, Math.floor(PIECE / Math.max(1, width)))
  const whole = known ?? (isView ? parameters.read(path) : null)
  const widened = whole?.dtype === 'float32' ? null : allocate(rows * width)
  for (let from = 0; from < rows; from += step) {
    const to = Math.min(rows, from + step)
    const target = widened?.subarray(from * width, to * width)
    if (!whole && target) parameters.readInto(path, from, target)
    const piece = whole
      ? sliceRows({ ...whole, shape: [rows, width] }, from, to)
      : floats(target as Float32Array)
    if (!isFiniteTensor(piece)) assertFinite(parameters.read(path), path, place)
    if (whole) target?.set(toFloat32(piece))
    await takeTurns()
  }
  const data = widened ?? (whole as HostTensor).data
  return { dtype: 'float32', shape: parameters.shape(path), data }
}

/** Throws as `assertFinite` does, a piece of the tensor [rows, …] at a time. */
export async function assertFiniteInTurns(
  tensor: HostTensor,
  { path, place }: { readonly path: string; readonly place: string },
  takeTurns: TakeTurns,
): Promise<void> {
  const [rows = 1, ...inner] = tensor.shape
  const step = Math.max(1, Math.floor(PIECE / Math.max(1, elementCount(inner))))
  for (let from = 0; from < rows; from += step) {
    const piece = sliceRows(tensor, from, Math.min(rows, from + step))
    if (!isFiniteTensor(piece)) assertFinite(tensor, path, place)
    await takeTurns()
  }
}

/** Whether the parameter is handed over as its file's own memory. */
export function isFileMemory(path: string, parameters: ParameterMap): boolean {
  const { isView, dtype } = parameters.stored(path)
  return isView && dtype === 'float32'
}

/** Elements of one piece of an arena: 1 GiB. */
const ARENA_PIECE = 1 << 28

/**
 * Memory for weights of `total` elements that live and die together, in few pieces: the collector looks at the whole heap
 * whenever some tens of megabytes were taken outside of it, which for weights taken one by one costs as much as reading them.
 */
export class FloatArena {
  readonly #pieces: Float32Array[] = []
  #left: number
  #used = 0

  constructor(total: number) {
    this.#left = total
  }

  take(elements: number): Float32Array {
    let piece = this.#pieces.at(-1)
    if (!piece || this.#used + elements > piece.length) {
      piece = new Float32Array(Math.max(elements, Math.min(this.#left, ARENA_PIECE)))
      this.#pieces.push(piece)
      this.#used = 0
    }
    this.#left -= elements
    this.#used += elements
    return piece.subarray(this.#used - elements, this.#used)
  }

  /** Gives the memory back: nothing reads any of it from now on. */
  async discard(takeTurns: TakeTurns): Promise<void> {
    for (const piece of this.#pieces.splice(0)) {
      for (let at = 0; at < piece.length; at += DISCARDED) {
        discardMemory(piece.subarray(at, at + DISCARDED))
        await takeTurns()
      }
    }
  }
}

/** Elements that are given back at once: some milliseconds' worth. */
const DISCARDED = 1 << 24

function floats(data: Float32Array): HostTensor {
  return { dtype: 'float32', shape: [data.length], data }
}

/** Called after each piece; waits when it is time to. */
export type TakeTurns = () => Promise<void>

/** Milliseconds between two turns: a timer waits a whole one, which after every piece of a fast source would add up. */
const TURN_MS = 15

export function turnTaker(signal?: AbortSignal): TakeTurns {
  let last = performance.now()
  return async () => {
    if (performance.now() - last < TURN_MS) return
    await nextTurn()
    last = performance.now()
    signal?.throwIfAborted()
  }
}
