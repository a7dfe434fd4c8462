/**
 * Attributes of a node against the kinds that its operator names. TypeScript checks those of `Graph.op`; computed ones, and
 * JavaScript's, come past it, and ONNX Runtime would take them in silence or fail far away.
 */
import { describeValue } from '../../core/describe-value.ts'
import { isDType } from '../../core/dtype.ts'
import { ShapeError } from '../../core/errors.ts'
import { OBJECT, type OptionKind } from '../../core/option-kinds.ts'
import type { AttributeKind, OpDefinition } from './definition.ts'

const KINDS: { readonly [K in AttributeKind]: OptionKind } = {
  int: { expected: 'a whole number', is: Number.isSafeInteger },
  float: { expected: 'a number', is: (value) => typeof value === 'number' },
  ints: { expected: 'a list of whole numbers', is: listOf(Number.isSafeInteger) },
  string: { expected: 'a text', is: (value) => typeof value === 'string' },
  dtype: { expected: 'a dtype', is: isDType },
  dims: { expected: 'a list of whole numbers and symbols', is: listOf(isDim) },
}

/** Throws ShapeError naming all that are missing, unknown or of another kind. */
export function checkAttributes(
  { required, optional }: Pick<OpDefinition, 'required' | 'optional'>,
  attributes: Readonly<Record<string, unknown>>,
): void {
  if (!OBJECT.is(attributes)) {
    throw new ShapeError(
      'SHAPE_ATTRIBUTE',
      `attributes should be an object, ${describeValue(attributes)} came.`,
    )
  }
  const faults: string[] = []
  for (const [name, kind] of Object.entries(required)) {
    if (attributes[name] !== undefined) continue
    faults.push(`${name} should be ${KINDS[kind].expected}, nothing came`)
  }
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined) continue
    const kind = own(required, name) ?? own(optional, name)
    if (kind === undefined) {
      const known = Object.keys({ ...required, ...optional }).join(', ') || 'none'
      faults.push(`${name} is no attribute; known are ${known}`)
    } else if (!KINDS[kind].is(value)) {
      faults.push(`${name} should be ${KINDS[kind].expected}, ${describeValue(value)} came`)
    }
  }
  if (faults.length > 0) throw new ShapeError('SHAPE_ATTRIBUTE', `${faults.join('; ')}.`)
}

function own(
  kinds: Readonly<Record<string, AttributeKind>>,
  name: string,
): AttributeKind | undefined {
  return Object.hasOwn(kinds, name) ? kinds[name] : undefined
}

/** A size may be a sum with negative numbers in an attribute: where a slice begins, how much is padded. */
function isDim(value: unknown): boolean {
  return Number.isSafeInteger(value) || (typeof value === 'string' && value !== '')
}

function listOf(is: (value: unknown) => boolean): (value: unknown) => boolean {
  return (value) => Array.isArray(value) && value.every(is)
}
