/** `--set a.b=c`: one value of a recipe replaced before it is checked. */
import { parse } from 'yaml'
import { InputError } from '../../core/errors.ts'
import { isRecipeObject, type RecipeObject } from './recipe-reader.ts'

/**
 * The recipe with the value at a dotted path replaced; numbers are places in lists. The value is read as YAML, so
 * `steps=100` sets a number and `data=[a.json, b.json]` a list.
 *
 * Throws InputError for anything that is not PATH=VALUE.
 */
export function setValue(recipe: unknown, assignment: string): RecipeObject {
  const [, path = '', text = ''] = /^([^=]+)=(.*)$/s.exec(assignment) ?? []
  const keys = path.split('.')
  if (keys.some((key) => key === '')) {
    throw new InputError(
      'INPUT_OPTION',
      `--set: expected PATH=VALUE such as schedule.warmupRatio=0.03, ${assignment} came.`,
    )
  }
  return replaced(recipe, keys, parse(text)) as RecipeObject
}

function replaced(target: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value
  if (Array.isArray(target) && /^\d+$/.test(key)) {
    return target.map((one, i) => (i === Number(key) ? replaced(one, rest, value) : one))
  }
  const object = isRecipeObject(target) ? target : {}
  return { ...object, [key]: replaced(object[key], rest, value) }
}
