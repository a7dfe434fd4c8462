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
  return replaced(recipe, keys, valueOf(text, assignment), assignment) as RecipeObject
}

function valueOf(text: string, assignment: string): unknown {
  try {
    return parse(text)
  } catch (cause) {
    const [reason] = (cause as Error).message.split('\n')
    throw new InputError(
      'INPUT_OPTION',
      `--set: expected a value in YAML, ${assignment} came (${reason}); put quotes around a text with such characters.`,
      { cause },
    )
  }
}

function replaced(
  target: unknown,
  [key, ...rest]: readonly string[],
  value: unknown,
  assignment: string,
): unknown {
  if (key === undefined) return value
  if (Array.isArray(target)) {
    const place = /^\d+$/.test(key) ? Number(key) : -1
    if (place < 0 || place >= target.length) throw noPlace(assignment, key, target.length)
    return target.map((one, i) => (i === place ? replaced(one, rest, value, assignment) : one))
  }
  const object = isRecipeObject(target) ? target : {}
  return { ...object, [key]: replaced(object[key], rest, value, assignment) }
}

function noPlace(assignment: string, key: string, length: number): InputError {
  return new InputError(
    'INPUT_OPTION',
    `--set: expected the number of one of ${length} entries, from 0, in place of ${key}, ${assignment} came.`,
  )
}
