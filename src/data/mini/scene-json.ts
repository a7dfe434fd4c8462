/** Questions about a drawn scene that are to be answered in JSON. */
import type { Scene } from './scene.ts'
import type { Wishes } from './scene-questions.ts'
import { SHAPE_KINDS } from './shapes.ts'
import type { Turn } from './turn.ts'

/** One shape as an object, several as a list from left to right, or how many there are of each. */
export function json({ shapes }: Scene, { lots }: Wishes): Turn {
  const fromLeft = shapes.toSorted((a, b) => a.x - b.x)
  const isClear = fromLeft.every((one, i) => i === 0 || one.x - (fromLeft[i - 1]?.x ?? 0) > 12)
  const objects = fromLeft.map(({ kind, color }) => ({ shape: kind, color }))
  if (objects.length === 1) {
    const question = lots.pick([
      'Describe the shape in JSON with the keys "shape" and "color".',
      'Give a JSON object with the shape and the color.',
    ])
    return jsonTurn(question, objects[0])
  }
  if (objects.length <= 3 && isClear) {
    return jsonTurn('List the shapes from left to right in JSON with "shape" and "color".', objects)
  }
  const counts = SHAPE_KINDS.map(
    (kind) => [kind, shapes.filter((one) => one.kind === kind).length] as const,
  )
  const present = counts.filter(([, number]) => number > 0).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return jsonTurn('Count the shapes by kind, as a JSON object.', Object.fromEntries(present))
}

/** Python's spacing, which most JSON that a language model has read is in. */
export function jsonTurn(question: string, value: unknown): Turn {
  return { task: 'json', question, form: 'own', answer: spaced(value) }
}

function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).map(
    ([key, item]) => `${JSON.stringify(key)}: ${spaced(item)}`,
  )
  return `{${entries.join(', ')}}`
}
