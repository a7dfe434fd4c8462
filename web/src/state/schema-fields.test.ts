import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { jsonFault, schemaFaults } from './schema-faults.ts'
import { FIELD_KINDS, fieldsOfSchema, schemaOfFields, type FieldKind } from './schema-fields.ts'
import { FIRST_SCHEMA } from './settings.ts'

const field = fc
  .record({
    name: fc.string({ minLength: 1 }).filter((name) => name !== '__proto__'),
    kind: fc.constantFrom(...(Object.keys(FIELD_KINDS) as FieldKind[])),
    choices: fc.array(fc.string(), { minLength: 1 }),
  })
  .map((one) => ({ ...one, choices: one.kind === 'choice' ? one.choices : [] }))
const fields = fc
  .uniqueArray(field, { selector: ({ name }) => name })
  // Objects put names that are numbers first.
  .filter((some) => some.every(({ name }) => !/^\d+$/.test(name)))

test('fields become a valid schema, and the same fields come back from it', () => {
  fc.assert(
    fc.property(fields, (some) => {
      const schema = schemaOfFields(some)
      assert.deepEqual(schemaFaults(schema), [])
      assert.deepEqual(fieldsOfSchema(schema), some)
    }),
  )
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
