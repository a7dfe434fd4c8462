/** Parameters of a checkpoint under those that an adapter brings for them and that stay as they are. */
import type { ParameterMap } from '../families/parameter-map.ts'

/** By our paths, in the shapes of the model. Names and shapes in files stay the checkpoint's. */
export function withHeld(
  parameters: ParameterMap,
  held: ReadonlyMap<string, Float32Array>,
): ParameterMap {
  if (held.size === 0) return parameters
  const rows = (path: string, data: Float32Array, from: number, count: number) => {
    const width = data.length / (parameters.shape(path)[0] ?? 1)
    return data.subarray(from * width, (from + count) * width)
  }
  return {
    ...parameters,
    stored(path) {
      const stored = parameters.stored(path)
      return held.has(path) ? { ...stored, dtype: 'float32', isView: true } : stored
    },
    read(path) {
      const data = held.get(path)
      if (!data) return parameters.read(path)
      return { dtype: 'float32', shape: parameters.shape(path), data }
    },
    readRows(path, from, to) {
      const data = held.get(path)
      return data ? rows(path, data, from, to - from) : parameters.readRows(path, from, to)
    },
    readInto(path, from, target) {
      const data = held.get(path)
      if (!data) return parameters.readInto(path, from, target)
      const width = data.length / (parameters.shape(path)[0] ?? 1)
      target.set(rows(path, data, from, target.length / width))
    },
    release(path) {
      if (!held.has(path)) parameters.release(path)
    },
  }
}
