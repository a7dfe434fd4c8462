import assert from 'node:assert/strict'
import { test } from 'node:test'
import { argumentsSchema } from './argument-schema.ts'
import { callGrammar } from './call-grammar.ts'

const object = { type: 'object', properties: { a: { type: 'null' } } }

test('what is no object is taken out of the parameters', () => {
  const cases: readonly [object, object][] = [
    [{}, { type: 'object' }],
    [object, object],
    [{ ...object, type: ['object', 'null'] }, object],
    [{ properties: {} }, { properties: {}, type: 'object' }],
    [{ anyOf: [{ type: 'null' }, object] }, { anyOf: [object] }],
    [{ enum: [1, { a: 1 }] }, { enum: [{ a: 1 }] }],
    [
      { $ref: '#/$defs/x', $defs: { x: { type: ['object', 'string'] } } },
      { type: 'object', $defs: { x: { type: ['object', 'string'] } } },
    ],
  ]
  for (const [parameters, wanted] of cases) {
    assert.deepEqual(argumentsSchema(parameters, 'f'), wanted)
  }
})

test('parameters that allow no object are refused by the name of the tool', () => {
  const cases = [
    { type: 'string' },
    { const: 5 },
    { enum: ['q'] },
    { anyOf: [{ type: 'null' }, { const: 5 }] },
    { allOf: [{ type: 'array' }] },
    { $ref: '#/$defs/x', $defs: { x: { type: 'array' } } },
    { $ref: '#' },
    { $ref: '#/$defs/x', $defs: { x: { $ref: '#/$defs/x' } } },
  ]
  for (const parameters of cases) {
    assert.throws(() => argumentsSchema(parameters, 'look'), /parameters of "look" should allow/)
  }
})

test('a schema that refers to itself means itself as it was written', () => {
  const parameters = { type: ['object', 'null'], properties: { c: { $ref: '#' } }, required: ['c'] }
  const grammar = callGrammar([{ name: 'f', parameters }], { format: 'hermes', isParallel: false })
  assert.equal(grammar.kind, 'schema')
  const { properties, $defs } = JSON.parse(grammar.text)
  assert.equal(properties.arguments.type, 'object')
  assert.equal(properties.arguments.properties.c.$ref, '#/$defs/t0')
  assert.deepEqual(
    $defs.t0.anyOf.map(({ type }: { type: string }) => type),
    ['object', 'null'],
  )
})

test('definitions of one name in both groups stay two', () => {
  const parameters = {
    type: 'object',
    properties: { a: { $ref: '#/$defs/x' }, b: { $ref: '#/definitions/x' } },
    required: ['a', 'b'],
    additionalProperties: false,
    $defs: { x: { enum: ['new'] } },
    definitions: { x: { enum: ['old'] } },
  }
  const grammar = callGrammar([{ name: 'f', parameters }], { format: 'hermes', isParallel: false })
  const written = grammar.kind === 'schema' ? grammar.text : ''
  const named = (reference: string) => {
    const name = new RegExp(`"${reference}":\\{"\\$ref":"#/\\$defs/([^"]+)"`).exec(written)?.[1]
    return new RegExp(`"${name}":\\{"enum":\\["(\\w+)"`).exec(written)?.[1]
  }
  assert.equal(named('a'), 'new')
  assert.equal(named('b'), 'old')
})
