import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerColumns } from './answer-columns.ts'

const cases: readonly (readonly [property: object, type: string])[] = [
  [{ type: 'integer' }, 'whole'],
  [{ type: ['integer', 'null'] }, 'whole'],
  [{ type: ['null', 'boolean'] }, 'truth'],
  [{ type: ['integer', 'number'] }, 'number'],
  [{ type: ['integer', 'string'] }, 'text'],
  [{ enum: [1, 2, 3] }, 'whole'],
  [{ enum: [1, 2.5, null] }, 'number'],
  [{ enum: ['a', 'b'] }, 'text'],
  [{ enum: [true, null] }, 'truth'],
  [{ const: 7 }, 'whole'],
  [{ anyOf: [{ type: 'number', minimum: 0 }, { type: 'null' }] }, 'number'],
  [{ oneOf: [{ const: 1 }, { const: 2 }] }, 'whole'],
  [{ anyOf: [{ type: 'array' }, { type: 'integer' }] }, 'text'],
  [{ $ref: '#/$defs/count' }, 'whole'],
  [{ allOf: [{ $ref: '#/$defs/count' }] }, 'whole'],
  [{ anyOf: [{ $ref: '#/$defs/count' }, { type: 'null' }] }, 'whole'],
  [{ $ref: '#/$defs/loop' }, 'text'],
  [{ type: 'null' }, 'text'],
  [{ type: 'array' }, 'text'],
]
const $defs = {
  count: { type: 'integer' },
  loop: { anyOf: [{ $ref: '#/$defs/loop' }] },
}

function typesBy(schema: object): [string, string][] {
  return answerColumns(schema).flatMap(({ name, type }) =>
    name.startsWith('answer_') ? [[name, type] as [string, string]] : [],
  )
}

test('a property that has one type, null aside, has a column of that type', () => {
  for (const [property, type] of cases) {
    const schema = { $defs, type: 'object', properties: { a: property } }
    assert.deepEqual(typesBy(schema), [['answer_a', type]], JSON.stringify(property))
  }
})

test('a schema that refers to another has the columns of that one', () => {
  const item = { type: 'object', properties: { n: { $ref: '#/$defs/count' }, s: {} } }
  const columns = [
    ['answer_n', 'whole'],
    ['answer_s', 'text'],
  ]
  assert.deepEqual(typesBy({ $defs: { ...$defs, item }, $ref: '#/$defs/item' }), columns)
  const allOf = [{ $ref: '#/$defs/item' }]
  assert.deepEqual(typesBy({ $defs: { ...$defs, item }, allOf }), columns)
})
