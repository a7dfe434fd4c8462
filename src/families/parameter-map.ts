/** Where each of our parameters lies in the files at hand, checked against what the model needs. */
import type { DType } from '../core/dtype.ts'
import { elementCount, sameShape } from '../core/shape.ts'
import type { Value } from '../graph/graph.ts'
import type { WeightSource } from '../weights/source.ts'
import { atOnce, type Steps } from '../core/steps.ts'
import { toFloat32, type HostTensor } from '../core/tensor.ts'
import { isViewed, rowsInto, tensorRows } from '../weights/tensor-rows.ts'
import { mismatch, type ParameterFault } from './parameter-faults.ts'
import { parameterPath, type NameRule } from './parameter-names.ts'

/** One file or adapter of a checkpoint, and how its names are read. */
export type WeightPart = { readonly source: WeightSource; readonly rules: readonly NameRule[] }

export type StoredPlace = { readonly source: WeightSource; readonly name: string }

export type ParameterMap = {
  has(path: string): boolean
  /** Name, dtype and shape in its file, and whether reading it only looks at the file's memory. */
  stored(path: string): {
    readonly name: string
    /** The name and the file, for messages. */
    readonly place: string
    readonly dtype: DType | undefined
    readonly shape: readonly number[]
    readonly isView: boolean
  }
  /** The shape the model wants. */
  shape(path: string): readonly number[]
  /** Files and their names of tensors that nothing reads, as long as they are known. */
  readonly unread: readonly StoredPlace[]
  /** The tensor at our path, in the shape the model wants. */
  read(path: string): HostTensor
  /** Rows [from, to) of a matrix, in float32. */
  readRows(path: string, from: number, to: number): Float32Array
  /** As many rows from `from` on as `target` takes, in float32 and in place. */
  readInto(path: string, from: number, target: Float32Array): void
  release(path: string): void
}

/**
 * Places every wanted parameter. Parts later in the list win: a projector file over the base it belongs to.
 *
 * Throws one CheckpointError with every missing, misshapen and unknown tensor, and every one of whole numbers.
 */
export function mapParameters(
  parts: readonly WeightPart[],
  wanted: readonly Value[],
  options: MapOptions,
): ParameterMap {
  return atOnce(parameterSteps(parts, wanted, options))
}

/** `unused`: paths that are known though nothing wants them. */
export type MapOptions = { readonly unused: RegExp }

/** Names between two pauses. */
const NAMES = 64

/** The same with pauses: every name of a checkpoint is held against dozens of patterns. */
export function* parameterSteps(
  parts: readonly WeightPart[],
  wanted: readonly Value[],
  { unused }: MapOptions,
): Steps<ParameterMap> {
  const places = new Map<string, StoredPlace>()
  const unread: StoredPlace[] = []
  const faults: ParameterFault[] = []
  let names = 0
  for (const { source, rules } of parts) {
    for (const [name, info] of source.tensors) {
      if (++names % NAMES === 0) yield
      const path = parameterPath(rules, name)
      const known = path ? places.get(path) : undefined
      if (path === undefined) faults.push({ kind: 'extra', name, info })
      else if (path === null) unread.push({ source, name })
      else if (known?.source === source) faults.push({ kind: 'twice', names: [known.name, name] })
      else places.set(path, { source, name })
    }
  }
  const shapes = new Map(wanted.map((value) => [value.name, value.shape as readonly number[]]))
  for (const [path, shape] of shapes) faults.push(...faultsOf(path, shape, places))
  for (const [path, { source, name }] of places) {
    if (shapes.has(path)) continue
    if (unused.test(path)) {
      unread.push({ source, name })
      continue
    }
    const info = source.tensors.get(name)
    if (info) faults.push({ kind: 'extra', name, info })
  }
  yield
  if (faults.length > 0) {
    throw mismatch(faults, new Map([...places].map(([path, { name }]) => [path, name])))
  }
  const place = (path: string): StoredPlace => {
    const found = places.get(path)
    if (!found) throw new Error(`internal: parameter ${path} has no place in the checkpoint`)
    return found
  }
  return {
    has: (path) => places.has(path),
    stored(path) {
      const { source, name } = place(path)
      const isView = isViewed(source, name)
      const { dtype, shape = [], file = 'the checkpoint' } = source.tensors.get(name) ?? {}
      return { name, place: `${name} in ${file}`, dtype, shape, isView }
    },
    shape: (path) =>
      shapes.get(path) ?? place(path).source.tensors.get(place(path).name)?.shape ?? [],
    unread,
    read(path) {
      const { source, name } = place(path)
      const tensor = source.read(name)
      return { ...tensor, shape: shapes.get(path) ?? tensor.shape }
    },
    readRows(path, from, to) {
      const { source, name } = place(path)
      return toFloat32(tensorRows(source, name, from, to))
    },
    readInto(path, from, target) {
      const { source, name } = place(path)
      rowsInto(source, name, from, target)
    },
    release: (path) => place(path).source.release?.(place(path).name),
  }
}

/**
 * A tensor may be written with axes of length 1 that ours has not (a class token of [1,1,D]), and a convolution without
 * overlap [D,C,h,w] is the matrix [D,C·h·w].
 */
function fits(stored: readonly number[], wanted: readonly number[]): boolean {
  const core = (shape: readonly number[]) => shape.filter((dim) => dim !== 1)
  if (sameShape(core(stored), core(wanted))) return true
  const isKernel = stored.length === 4 && wanted.length === 2 && stored[0] === wanted[0]
  return isKernel && elementCount(stored) === elementCount(wanted)
}

/** Whole numbers are weights of some quantised form that nobody said how to read. */
const FLOATS = /^b?float/

function faultsOf(
  path: string,
  shape: readonly number[],
  places: ReadonlyMap<string, StoredPlace>,
): ParameterFault[] {
  const place = places.get(path)
  if (!place) return [{ kind: 'missing', path, shape }]
  const { name } = place
  const info = place.source.tensors.get(name)
  if (!info || (FLOATS.test(info.dtype) && fits(info.shape, shape))) return []
  return [{ kind: 'misfit', path, shape, name, info }]
}
