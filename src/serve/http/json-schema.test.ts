import assert from 'node:assert/strict'
import { test } from 'node:test'
import { atOnce } from '../../core/steps.ts'
import { Faults } from '../faults.ts'
import { checkSchema, type JsonSchema } from './json-schema.ts'

function faultsOf(schema: JsonSchema, value: unknown): string {
  const faults = new Faults('here')
  atOnce(checkSchema(schema, value, { path: '', faults }))
  try {
    faults.throwIfAny()
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

test('long lists and objects are checked in pieces, with what is wrong in them named by its place', () => {
  const schema: JsonSchema = {
    type: 'object',
    properties: { ids: { type: 'array', items: { type: 'integer' } } },
    additionalProperties: { type: 'integer' },
  }
  const ids: unknown[] = Array.from({ length: 50_000 }, (_, i) => i)
  const fields = Object.fromEntries(ids.map((id) => [`name ${String(id)}`, id]))
  for (const value of [{ ids }, fields]) {
    const steps = checkSchema(schema, value, { path: '', faults: new Faults('here') })
    assert.ok([...steps].length >= 40)
  }
  ids[40_000] = 'x'
  assert.equal(faultsOf(schema, { ids }), 'here: ids[40000] should be a whole number, "x" came.')
})

const PARTS: JsonSchema = {
  type: 'object',
  properties: {
    n: { type: 'integer', minimum: 1, maximum: 4 },
    parts: {
      type: 'array',
      items: {
        anyOf: [
          {
            type: 'object',
            properties: { type: { const: 'a' }, size: { type: 'number' } },
            required: ['type', 'size'],
          },
          { type: 'object', properties: { type: { const: 'b' } }, required: ['type'] },
        ],
      },
    },
  },
  required: ['n'],
  additionalProperties: false,
  'x-refused': { tools: { because: 'there are none', unless: [[]] } },
}

test('faults are told with their paths, of the branch that was meant', () => {
  assert.equal(faultsOf(PARTS, { n: 2, parts: [{ type: 'a', size: 1 }, { type: 'b' }] }), '')
  assert.match(faultsOf(PARTS, { n: 5 }), /n should be a whole number from 1 up to 4, 5 came/)
  assert.match(faultsOf(PARTS, {}), /n is missing; it should be a whole number/)
  assert.match(faultsOf(PARTS, { n: 1, parts: [{ type: 'a' }] }), /parts\[0\]\.size is missing/)
  assert.match(
    faultsOf(PARTS, { n: 1, parts: [{ type: 'c' }] }),
    /parts\[0\]\.type should be "a" or "b", "c" came/,
  )
  assert.match(faultsOf(PARTS, []), /the body should be an object/)
})

test('how many there may be is told as one range', () => {
  const told = (schema: JsonSchema, value: unknown) =>
    faultsOf({ type: 'object', properties: { a: schema } }, { a: value })
  const three = [0, 0, 0]
  const cases: readonly [JsonSchema, unknown, RegExp][] = [
    [{ type: 'array', minItems: 1, maxItems: 2 }, three, /a should be a list of 1 to 2 items, /],
    [{ type: 'array', minItems: 2, maxItems: 2 }, three, /a list of 2 items, /],
    [{ type: 'array', maxItems: 2 }, three, /a list of at most 2 items, /],
    [{ type: 'array', minItems: 1 }, [], /a list of at least 1 item, /],
    [{ type: 'string', minLength: 1, maxLength: 4 }, '', /a text of 1 to 4 characters, /],
    [{ type: 'object', maxProperties: 1 }, { b: 1, c: 1 }, /an object of at most 1 name, /],
  ]
  for (const [schema, value, message] of cases) assert.match(told(schema, value), message)
})

test('a kind of object is not named as if it were a text', () => {
  const named = {
    type: 'object',
    properties: { type: { const: 'b' } },
    required: ['type'],
  } as const
  const schema = {
    properties: { choice: { anyOf: [{ enum: ['a'], type: 'string' }, named] } },
  } as const
  const inObject = (choice: unknown) => faultsOf({ type: 'object', ...schema }, { choice })
  assert.match(inObject({}), /choice should be "a" or an object of type "b", an object came/)
  assert.match(inObject({ type: 'c' }), /choice\.type should be "b", "c" came/)
})

test('of a list whose first item is of no kind the item is told, not the list', () => {
  // `should be a text or a list of at least 0 items, [null] came` said neither what nor where.
  const listOf = (items: JsonSchema): JsonSchema => ({ type: 'array', minItems: 0, items })
  const told = (schema: JsonSchema, value: unknown) =>
    faultsOf({ type: 'object', properties: { a: schema } }, { a: value })
  const text: JsonSchema = { type: 'string' }
  const urls: JsonSchema = { anyOf: [text, listOf(text), listOf(listOf(text))] }
  assert.equal(told(urls, [null, 'b']), 'here: a[0] should be a text or a list, null came.')
  assert.equal(told(urls, 5), 'here: a should be a text or a list, 5 came.')
  const kinds = ['b', 'c'].map((kind): JsonSchema => {
    return { type: 'object', properties: { type: { const: kind } }, required: ['type'] }
  })
  const parts: JsonSchema = { anyOf: [text, listOf({ anyOf: kinds })] }
  assert.equal(told(parts, [null]), 'here: a[0] should be an object of type "b" or "c", null came.')
})

test('null is absence where a name is not required, and only there', () => {
  assert.equal(faultsOf(PARTS, { n: 1, parts: null }), '')
  assert.match(faultsOf(PARTS, { n: null }), /n should be a whole number .* null came/)
})

test('strange names are told with what was meant, refused ones with the reason', () => {
  assert.match(faultsOf(PARTS, { n: 1, part: 2 }), /part is not a known name; did you mean parts/)
  assert.match(faultsOf(PARTS, { n: 1, tools: [1] }), /tools is not supported: there are none/)
  assert.equal(faultsOf(PARTS, { n: 1, tools: [] }), '')
  assert.match(faultsOf(PARTS, { n: 1, constructor: 2 }), /constructor is not a known name/)
})

test('of properties that stand for one another one is wanted, and no second where that means nothing', () => {
  const properties = { a: { type: 'string' }, b: { type: 'string' } } as const
  const one = (isOnly: boolean): JsonSchema => ({
    type: 'object',
    properties: {
      list: {
        type: 'array',
        items: {
          type: 'object',
          properties,
          'x-needs': { oneOf: ['a', 'b'], isOnly, code: 'CODE' },
        },
      },
      ...properties,
    },
    'x-needs': { oneOf: ['a', 'b'], isOnly, code: 'CODE' },
  })
  assert.match(faultsOf(one(true), {}), /here: expected exactly one of a, b, none came/)
  assert.match(faultsOf(one(true), { a: '', b: '' }), /exactly one of a, b, a and b came/)
  assert.match(faultsOf(one(false), { a: null }), /here: expected one of a, b, none came/)
  assert.match(
    faultsOf(one(true), { a: '', list: [{}] }),
    /list\[0\] should have exactly one of a, b/,
  )
  assert.equal(faultsOf(one(true), { a: '', b: null }), '')
  assert.equal(faultsOf(one(false), { a: '', b: '' }), '')
})

test('of a million faults the first are told', () => {
  const parts = Array.from({ length: 1e6 }, () => 7)
  assert.ok(faultsOf(PARTS, { n: 1, parts }).length < 4000)
})
