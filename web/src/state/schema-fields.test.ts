import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { jsonFault, schemaFaults } from './schema-faults.ts'
import {
  FIELD_KINDS,
  fieldFault,
  fieldsOfSchema,
  namesPutFirst,
  schemaOfFields,
  type FieldKind,
  type SchemaField,
} from './schema-fields.ts'
import { FIRST_SCHEMA } from './settings.ts'
import { newId } from './turns.ts'

const word = fc.string({ minLength: 1 }).map((text) => text.replaceAll(',', ' ').trim())
const field = fc
  .record({
    name: fc.string({ minLength: 1 }),
    kind: fc.constantFrom(...(Object.keys(FIELD_KINDS) as FieldKind[])),
    choices: fc.uniqueArray(
      word.filter((text) => text !== ''),
      { minLength: 1 },
    ),
  })
  .map((one) => ({
    ...one,
    id: newId(),
    choices: one.kind === 'choice' ? one.choices.join(', ') : '',
  }))
const fields = fc.uniqueArray(field, { selector: ({ name }) => name })

/** What is left of fields when they are read again. */
function content(some: readonly SchemaField[] | null): unknown {
  return some?.map(({ name, kind, choices }) => ({ name, kind, choices }))
}

test('fields become a valid schema, and the same fields come back from it', () => {
  fc.assert(
    fc.property(fields, (some) => {
      const schema = schemaOfFields(some)
      assert.deepEqual(schemaFaults(schema), [])
      const first = namesPutFirst(schema)
      const moved = first.map((name) => some.find((one) => one.name === name))
      const others = some.filter(({ name }) => !first.includes(name))
      const sorted = [...moved.filter((one) => one !== undefined), ...others]
      assert.deepEqual(content(fieldsOfSchema(schema)), content(sorted))
    }),
  )
})

test('names that are whole numbers are told, at any depth, for JSON puts them first', () => {
  const inner = { type: 'object', properties: { b: {}, '7': {} } }
  const properties = { a: inner, '01': {}, '-1': {}, '2024': {}, '4294967295': {} }
  assert.deepEqual(namesPutFirst(JSON.stringify({ properties })), ['7', '2024'])
  assert.deepEqual(namesPutFirst('{"enum":[{"0":1}],"items":[1,2]}'), [])
})

test('fields without a name, of one name or with nothing to choose from are told apart', () => {
  const one = (name: string, kind: FieldKind = 'text', choices = '') => {
    return { id: newId(), name, kind, choices }
  }
  const some = [one('a'), one('a'), one(''), one('b', 'choice', ' , '), one('c', 'choice', 'x')]
  const faults = some.map((field) => fieldFault(field, some))
  assert.match(faults[0] ?? '', /Another field is called a/)
  assert.match(faults[1] ?? '', /Another field is called a/)
  assert.match(faults[2] ?? '', /needs a name/)
  assert.match(faults[3] ?? '', /nothing to choose from/)
  assert.equal(faults[4], null)
})

test('what the text of a field cannot say again is left to be edited as text', () => {
  const schemaOf = (name: string, property: object) =>
    JSON.stringify({ type: 'object', properties: { [name]: property }, required: [name] })
  assert.equal(fieldsOfSchema(schemaOf('', { type: 'string' })), null)
  for (const choices of [['red, dark', 'blue'], [' a'], ['a', 'a'], [''], []]) {
    assert.equal(fieldsOfSchema(schemaOf('a', { enum: choices })), null)
  }
})

test('a schema that says more than fields can is left to be edited as text', () => {
  assert.notEqual(fieldsOfSchema(FIRST_SCHEMA), null)
  for (const schema of [
    { type: 'object', properties: { a: { type: 'string', maxLength: 3 } }, required: ['a'] },
    { type: 'object', properties: { a: { type: 'string' } } },
    { type: 'object', properties: {}, required: [], additionalProperties: true },
    { type: 'string' },
    { anyOf: [] },
    true,
  ]) {
    assert.equal(fieldsOfSchema(JSON.stringify(schema)), null)
  }
})

test('what is wrong with a schema is told with its place', () => {
  const places = (schema: unknown) => schemaFaults(JSON.stringify(schema)).map(({ place }) => place)
  assert.deepEqual(places({ type: 'strin' }), ['type'])
  assert.deepEqual(places({ type: 'object', required: ['a'] }), ['required'])
  assert.deepEqual(places({ properties: { a: { items: { enum: [] } } } }), [
    'properties.a.items.enum',
  ])
  assert.deepEqual(places({ properties: [] }), ['properties'])
  assert.deepEqual(places([]), ['schema'])
  assert.deepEqual(schemaFaults('{'), [{ place: 'line 1, column 2', message: 'this is no JSON' }])
})

test('the place of a fault in a text is a line and a column, however the browser tells it', () => {
  const place = (message: string) => jsonFault('{\n  "a" 1}', message).place
  assert.equal(place("Expected ':' in JSON at position 8"), 'line 2, column 7')
  assert.equal(
    place('JSON.parse: expected at line 2 column 7 of the JSON data'),
    'line 2, column 7',
  )
  assert.equal(place('JSON Parse error: Unexpected'), 'text')
})

test('a schema that is no object is none that the server takes', () => {
  for (const text of ['true', 'false', 'null', '[]', '3']) {
    assert.deepEqual(schemaFaults(text), [{ place: 'schema', message: 'should be an object' }])
  }
  assert.deepEqual(schemaFaults('{"type":"array","items":true}'), [])
})
