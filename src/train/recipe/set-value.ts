/** `--set a.b=c`: one value of a recipe replaced before it is checked. */
import { parse } from 'yaml'
import { InputError } from '../../core/errors.ts'
import { longForm } from './long-forms.ts'
import { isRecipeObject, type RecipeObject } from './recipe-reader.ts'

/**
 * The recipe with the value at a dotted path replaced; numbers are places in lists. What is written shortly, such as
 * `model: FOLDER`, is kept in the mapping that it stands for. The value is read as YAML, so `steps=100` sets a number and
 * `data=[a.json, b.json]` a list.
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
  return replaced(recipe, '', {
    keys,
    value: valueOf(text, assignment),
    assignment,
  }) as RecipeObject
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

type Replacement = {
  /** Below the target. */
  readonly keys: readonly string[]
  readonly value: unknown
  readonly assignment: string
}

/** `path`: where the target stands. */
function replaced(target: unknown, path: string, { keys, ...set }: Replacement): unknown {
  const [key, ...rest] = keys
  if (key === undefined) return set.value
  const inner = (one: unknown) =>
    replaced(one, path === '' ? key : `${path}.${key}`, { ...set, keys: rest })
  const isPlace = Array.isArray(target) && /^\d+$/.test(key)
  const whole = isPlace ? target : longForm(path, target)
  if (Array.isArray(whole)) {
    const place = isPlace ? Number(key) : -1
    if (place < 0 || place >= whole.length) throw noPlace(set.assignment, key, whole.length)
    return whole.map((one, i) => (i === place ? inner(one) : one))
  }
  const object = isRecipeObject(whole) ? whole : {}
  return { ...object, [key]: inner(object[key]) }
}

function noPlace(assignment: string, key: string, length: number): InputError {
  return new InputError(
    'INPUT_OPTION',
    `--set: expected the number of one of ${length} entries, from 0, in place of ${key}, ${assignment} came.`,
  )
}
