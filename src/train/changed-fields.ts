/** Where two JSON objects differ, field by field: what a run was begun with, and what it would go on with. */
import { isRecipeObject } from './recipe/recipe-reader.ts'

export type ChangedField = {
  /** Dotted. */
  readonly path: string
  readonly text: string
}

export function* changedFields(before: unknown, now: unknown, path = ''): Generator<ChangedField> {
  if (isRecipeObject(before) && isRecipeObject(now)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(now)])) {
      yield* changedFields(before[key], now[key], path === '' ? key : `${path}.${key}`)
    }
    return
  }
  const [old, own] = [shown(before), shown(now)]
  if (old !== own) yield { path, text: `${path} was ${old} and is ${own}` }
}

function shown(value: unknown): string {
  return JSON.stringify(value ?? null)
}
