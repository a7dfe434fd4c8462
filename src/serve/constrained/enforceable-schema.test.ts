import assert from 'node:assert/strict'
import { test } from 'node:test'
import { enforceable } from './enforceable-schema.ts'
import { lengthPattern } from './safe-regex.ts'

test('every keyword that would not be enforced is refused by its name', () => {
  const refused: readonly [object, RegExp][] = [
    [{ type: 'string', not: { const: 'a' } }, /#\/not is not enforced/],
    [{ type: 'array', uniqueItems: true }, /#\/uniqueItems is not enforced/],
    [{ type: 'integer', multipleOf: 3 }, /#\/multipleOf is not enforced/],
    [{ type: 'object', if: {}, else: {} }, /#\/if is not enforced here.*\n.*#\/else/],
    [{ type: 'object', dependentRequired: {} }, /#\/dependentRequired/],
    [{ type: 'array', contains: {} }, /#\/contains/],
    [{ type: 'string', format: 'iri' }, /#\/format should be email/],
    [{ allOf: [{ type: 'string' }, { maxLength: 3 }] }, /#\/allOf of more than one/],
    [{ $ref: 'https://example.com/schema' }, /#\/\$ref should be # or/],
    [{ $ref: '#/$defs/none' }, /#\/\$ref names #\/\$defs\/none, which is not there/],
    [{ type: 'string', pattern: 'a', maxLength: 3 }, /has several of pattern, format and lengths/],
    [{ type: 'string', anyOf: [{ type: 'integer' }] }, /#\/type is not enforced/],
    [{ type: 'string', enum: ['a', 1] }, /#\/enum has a value that is not of the type/],
    [{ const: 2 ** 53 }, /#\/const has a number that reading JSON changes/],
    [{ const: Infinity }, /#\/const has a number that reading JSON changes/],
    [{ enum: [1, { a: [1e19] }] }, /#\/enum has a number that reading JSON changes/],
    [{ minimum: 3 }, /has minimum and no type/],
    [{ type: 'object', properties: {}, required: ['a'] }, /names a, which is not among properties/],
    [{ type: 'strnig' }, /#\/type should name types of JSON, strnig came/],
    [{ type: 'object', properties: { a: false } }, /#\/properties\/a should be a schema/],
    [{ oneOf: [{ type: 'integer' }, { type: 'number' }] }, /#\/oneOf is enforced only where/],
    [{ type: 'string', minLength: '2' }, /#\/minLength should be a number/],
    [{ type: 'string', maxLength: 1e9 }, /#\/maxLength is over/],
    [{ enum: [1], const: 1 }, /enum and const, which are not enforced together/],
    [{ type: 'object', properties: { a: { $defs: {} } } }, /definitions; only the outermost/],
    [{ type: 'number', minimum: 5e-324 }, /#\/minimum is closer to zero than 1e-15/],
    [{ type: 'integer', minimum: 0.2, maximum: 0.8 }, /# has bounds between which no integer/],
    [{ type: 'number', minimum: 2, exclusiveMaximum: 2 }, /# has bounds between which no number/],
    [{ type: 'string', minLength: 3, maxLength: 2 }, /# has a minLength of 3 over its maxLength/],
    [{ type: 'object', properties: { 'a"': {} } }, /#\/properties has "a\\"", and names with/],
    [{ type: 'object', minProperties: 2 }, /# asks for 2 different properties, and 1 can be/],
    [
      { type: 'object', properties: { a: {} }, minProperties: 3, additionalProperties: true },
      /# asks for 3 different properties, and 2 can be enforced: those that it names and one more/,
    ],
    [{ type: 'object', minProperties: 1, maxProperties: 0 }, /# has a minProperties of 1 over/],
    [
      { type: 'object', properties: { a: {} }, required: ['a'], maxProperties: 0 },
      /# allows 0 properties and requires 1/,
    ],
    [
      { type: 'object', patternProperties: { '^x': {}, y$: {} } },
      /#\/patternProperties has several patterns, which/,
    ],
    [
      { type: 'object', patternProperties: { '^ab*': {}, '^ac': {} } },
      /#\/patternProperties has several patterns, which/,
    ],
    [
      { type: 'object', properties: { xa: {} }, patternProperties: { '^x': {} } },
      /#\/patternProperties matches xa, which properties names too/,
    ],
    [
      { type: 'object', properties: { xa: {} }, propertyNames: { pattern: '^x' } },
      /#\/propertyNames is not enforced beside properties/,
    ],
    [{ type: 'object', propertyNames: { type: 'integer' } }, /#\/propertyNames should be a schema/],
    [{ type: 'object', propertyNames: { $ref: '#' } }, /#\/propertyNames\/type is not enforced/],
    [
      { type: 'object', propertyNames: { enum: ['a'] }, required: ['b'] },
      /#\/required names b, which is not among properties/,
    ],
    [
      { type: 'array', prefixItems: [{}, {}], maxItems: 1 },
      /#\/maxItems is below the 2 of prefixItems, which all are written; leave the last/,
    ],
    [
      { type: 'array', prefixItems: [{}], minItems: 2 },
      /#\/minItems is over the 1 of prefixItems, and items allows no more/,
    ],
    [{ type: 'array', minItems: 2, maxItems: 1 }, /# has a minItems of 2 over its maxItems of 1/],
    [{ type: 'object', unevaluatedProperties: false }, /#\/unevaluatedProperties is not enforced/],
  ]
  for (const [schema, message] of refused) {
    assert.throws(
      () => enforceable(schema),
      { code: 'INPUT_FORMAT', message },
      JSON.stringify(schema),
    )
  }
})

test('what is meant as the standard means it is written so', () => {
  const written: readonly [object, object][] = [
    // XGrammar would allow no property and no item at all.
    [{ type: 'object' }, { type: 'object', additionalProperties: true }],
    [{ type: 'array' }, { type: 'array', items: true }],
    [
      { title: 'T', type: 'string', maxLength: 3 },
      { type: 'string', pattern: lengthPattern(0, 3) },
    ],
    [
      { type: ['string', 'null'], maxLength: 3 },
      { anyOf: [{ type: 'string', pattern: lengthPattern(0, 3) }, { type: 'null' }] },
    ],
    [{ const: 'a' }, { enum: ['a'] }],
    [{ allOf: [{ type: 'null' }] }, { type: 'null' }],
    [
      { oneOf: [{ type: 'null' }, { type: 'string' }] },
      { anyOf: [{ type: 'null' }, { type: 'string' }] },
    ],
    [
      {
        $defs: { n: { type: 'integer' } },
        type: 'object',
        properties: { a: { $ref: '#/$defs/n' } },
      },
      {
        type: 'object',
        properties: { a: { $ref: '#/$defs/n' } },
        $defs: { n: { type: 'integer' } },
      },
    ],
  ]
  for (const [schema, expected] of written) {
    assert.deepEqual(enforceable(schema), { schema: expected, rules: [] })
  }
})

/** As Pydantic writes `Field(discriminator='pet')` over models with `pet: Literal[…]`, one of them a union itself. */
function petSchema(change: object = {}) {
  const pet = (value: object, more: object = {}) => ({
    properties: { pet: { ...value, type: 'string' }, ...more },
    required: ['pet', ...Object.keys(more)],
    type: 'object',
  })
  const colour = (value: string) => pet({ const: 'cat' }, { colour: { const: value } })
  const cats = {
    discriminator: {
      mapping: { black: '#/$defs/Black', white: '#/$defs/White' },
      propertyName: 'colour',
    },
    oneOf: [{ $ref: '#/$defs/Black' }, { $ref: '#/$defs/White' }],
  }
  const dog = '#/$defs/Dog'
  return {
    $defs: { Black: colour('black'), White: colour('white'), Dog: pet({ enum: ['dog', 'wolf'] }) },
    properties: {
      p: {
        discriminator: { mapping: { cat: cats, dog, wolf: dog }, propertyName: 'pet', ...change },
        oneOf: [cats, { $ref: dog }],
      },
    },
    required: ['p'],
    type: 'object',
  }
}

// References were taken for schemas that say nothing, and the annotation for a keyword.
test('schemas that a property tells apart are enforced where they are referred to and where OpenAPI says by which', () => {
  const { properties } = enforceable(petSchema()).schema as ReturnType<typeof petSchema>
  const cats = { anyOf: [{ $ref: '#/$defs/Black' }, { $ref: '#/$defs/White' }] }
  assert.deepEqual(properties, { p: { anyOf: [cats, { $ref: '#/$defs/Dog' }] } })
  enforceable(petSchema({ mapping: undefined }))
  const refused: readonly [object, RegExp][] = [
    [petSchema({ propertyName: 'colour' }), /p\/discriminator names "colour", which each of the/],
    [petSchema({ mapping: { cat: '#/$defs/Dog' } }), /p\/discriminator maps values of "pet" to/],
    [petSchema({ propertyName: 3 }), /p\/discriminator should be an object of propertyName and/],
    [{ ...petSchema().properties.p, oneOf: undefined }, /oneOf should be a list/],
    [{ type: 'string', discriminator: {} }, /#\/discriminator is not enforced/],
  ]
  for (const [schema, message] of refused) {
    assert.throws(() => enforceable(schema), { code: 'INPUT_FORMAT', message })
  }
})

test('schemas of which one refers to itself, or that have one in common, are not apart', () => {
  const cat = { type: 'object', properties: { pet: { const: 'cat' } }, required: ['pet'] }
  const a = { $ref: '#/$defs/a' }
  for (const $defs of [{ a: { oneOf: [a, cat] } }, { a: cat }, { a: a }]) {
    assert.throws(() => enforceable({ $defs, oneOf: [a, cat] }), /#\/oneOf is enforced only where/)
  }
})

// What comes next was written ahead without an end, for seconds.
test('a schema of which every value holds another is refused by its path, and one that can end is not', () => {
  const self = { $ref: '#/$defs/a' }
  const chain = { type: 'object', properties: { next: self }, required: ['next'] }
  const endless = [
    chain,
    { type: 'array', items: self, minItems: 1 },
    { type: 'array', prefixItems: [{ type: 'null' }, self], minItems: 2 },
    { type: 'array', prefixItems: [{ type: 'null' }, self] },
    { type: 'object', additionalProperties: self, minProperties: 1 },
    { type: 'object', patternProperties: { '^x': self }, minProperties: 1 },
    {
      type: 'object',
      propertyNames: { enum: ['x'] },
      additionalProperties: self,
      minProperties: 1,
    },
    { type: 'object', propertyNames: { const: 'x' }, additionalProperties: self, minProperties: 1 },
    { type: 'object', properties: { b: { type: 'null' }, next: self }, minProperties: 2 },
    { anyOf: [self, chain] },
    self,
  ]
  for (const a of endless) {
    const schema = { $defs: { a }, type: 'object', properties: { x: self } }
    assert.throws(() => enforceable(schema), { message: /#\/\$defs\/a never ends: every value/ })
  }
  assert.throws(
    () => enforceable({ ...chain, properties: { next: { $ref: '#' } } }),
    /# never ends/,
  )
  for (const a of [
    { ...chain, required: [] },
    { type: 'array', items: self },
    { type: 'object', additionalProperties: self },
    { type: 'object', properties: { b: { type: 'null' }, next: self }, minProperties: 1 },
    { type: 'object', patternProperties: { '^x': self, '^y': true }, minProperties: 1 },
    { type: 'object', properties: { next: self }, additionalProperties: true, minProperties: 1 },
    { anyOf: [chain, { type: 'null' }] },
    { ...chain, type: ['object', 'null'] },
  ]) {
    enforceable({ $defs: { a }, type: 'object', properties: { x: self } })
  }
})

test('bounds of numbers are rules of our own, under names that the schema does not say', () => {
  const { schema, rules } = enforceable({
    type: 'object',
    properties: { bounded_0: { type: 'number', minimum: 0 }, b: { type: 'integer', maximum: 3 } },
  })
  assert.deepEqual(schema, {
    type: 'object',
    properties: { bounded_0: { enum: ['bounded___0'] }, b: { enum: ['bounded___1'] } },
  })
  assert.deepEqual(
    rules.map(({ name, rules: [first = ''] }) => [name, first.split(' ')[0]]),
    ['bounded___0', 'bounded___1'].map((name) => [name, name]),
  )
})

test('depth and size are limited', () => {
  let deep: object = { type: 'null' }
  for (let i = 0; i < 40; i++) deep = { type: 'array', items: deep }
  assert.throws(() => enforceable(deep), /may have 32 levels/)
  const properties = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`p${i}`, true]))
  assert.throws(() => enforceable({ type: 'object', properties }), /may have 2000 schemas/)
  const bounded = { type: 'number', minimum: -123456789.123456, maximum: 987654321.654321 }
  const numbers = Object.fromEntries(Array.from({ length: 1900 }, (_, i) => [`p${i}`, bounded]))
  const before = performance.now()
  assert.throws(
    () => enforceable({ type: 'object', properties: numbers }),
    /may take 10000 rules.*#\/properties\/p\d+ is beyond/,
  )
  assert.ok(performance.now() - before < 2000)
})
