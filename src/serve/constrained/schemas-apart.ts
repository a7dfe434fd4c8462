/** Whether schemas have no value in common, as far as that can be told from their words. */
import { isRecord } from '../faults.ts'

/** Whether no value can be of two of the schemas: their types differ, or a property that all require has other values. */
export function areApart(schemas: readonly unknown[]): boolean {
  const records = schemas.filter(isRecord)
  if (records.length !== schemas.length) return false
  const types = records.map(({ type }) => type)
  if (types.every((type) => typeof type === 'string' && type !== 'number') && isDistinct(types))
    return true
  const [first] = records
  const names = isRecord(first?.['properties']) ? Object.keys(first['properties']) : []
  return names.some((name) => {
    const values = records.map((record) => fixedValues(record, name))
    return values.every((one) => one !== null) && isDistinct(values.flat())
  })
}

function fixedValues(
  { properties, required }: Record<string, unknown>,
  name: string,
): unknown[] | null {
  const property = isRecord(properties) ? properties[name] : undefined
  if (!isRecord(property) || !Array.isArray(required) || !required.includes(name)) return null
  if (property['const'] !== undefined) return [property['const']]
  return Array.isArray(property['enum']) ? property['enum'] : null
}

function isDistinct(values: readonly unknown[]): boolean {
  return new Set(values.map((one) => JSON.stringify(one))).size === values.length
}

/** Whether no key can match two of the patterns: they begin with texts that differ. */
export function arePatternsApart(patterns: readonly string[]): boolean {
  const beginnings = patterns.map(beginningOf).sort()
  // Sorted, a text stands right before those that begin with it.
  return beginnings.every((one, i) => i === 0 || !one.startsWith(beginnings[i - 1] as string))
}

/** The text that whatever matches begins with. A pattern that is anchored has no alternatives outside of groups here. */
function beginningOf(pattern: string): string {
  const [, text = ''] = /^\^([\w @#-]*)/.exec(pattern) ?? []
  return /[*+?{]/.test(pattern[text.length + 1] ?? '') ? text.slice(0, -1) : text
}
