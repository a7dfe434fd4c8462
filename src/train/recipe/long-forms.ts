/** Values of a recipe that may be written shortly, and the mappings that they stand for. */

/** A folder or hub id alone is a model. */
export function longModel(value: unknown): unknown {
  return typeof value === 'string' ? { from: value } : value
}

/** A path or a list of sources alone are records. */
export function longData(value: unknown): unknown {
  if (typeof value === 'string') return { path: value }
  return Array.isArray(value) ? { datasets: value } : value
}

const LONG_FORMS: ReadonlyMap<string, (value: unknown) => unknown> = new Map([
  ['model', longModel],
  ['data', longData],
  ['evaluation.data', longData],
])

/** The value at a dotted path of a recipe as a mapping, where it is written shortly; else as it is. */
export function longForm(path: string, value: unknown): unknown {
  return LONG_FORMS.get(path)?.(value) ?? value
}
