import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { enforceable } from './enforceable-schema.ts'
import { loadXGrammar } from './load-xgrammar-node.ts'
import { mended } from './mended-rules.ts'
import { MOST_SPACES, SPACES } from './object-rules.ts'
import { rounds } from '../../../test/thorough.ts'

const xgrammar = loadXGrammar(() => {})
const ajv = new Ajv2020({ strict: false, logger: false })

/** Which of the texts may be answers by the schema. */
async function accepted(schema: object, texts: readonly string[]): Promise<string[]> {
  const { schema: written, rules } = enforceable(schema)
  const asked = JSON.stringify(written)
  const args = [asked, true, undefined, undefined, true, MOST_SPACES] as const
  const whole = mended(await xgrammar.Testings._jsonSchemaToEBNF(...args), rules)
  // Quicker to read, and enough here.
  const text = whole.replaceAll(SPACES, '" "?')
  const grammar = await xgrammar.Grammar.fromEBNF(text)
  const found: string[] = []
  for (const one of texts) {
    if (await xgrammar.Testings.isGrammarAcceptString(grammar, one)) found.push(one)
  }
  grammar.dispose()
  return found
}

test('a key that is named has its own schema, whatever the other keys may have', async () => {
  const cases: readonly [object, yes: string[], no: string[]][] = [
    [
      { type: 'object', properties: { age: { type: 'integer' } }, additionalProperties: true },
      ['{}', '{"age":5}', '{"b":"five"}', '{ "age" : 5, "ag": "x", "agee": [{"age": "five"}] }'],
      ['{"age":"five"}', '{"age":5,"age":"five"}', '{"b":1,"age":"five"}', '{"\\u0061ge":"five"}'],
    ],
    [
      {
        type: 'object',
        properties: { a: { const: 1 }, b: { type: 'integer', minimum: 3 } },
        required: ['b'],
        additionalProperties: { const: 2 },
        minProperties: 3,
        maxProperties: 3,
      },
      ['{"a":1,"b":3,"c":2}'],
      ['{"a":1,"b":3}', '{"b":3,"c":2,"c":2}', '{"a":1,"b":3,"c":2,"d":2}', '{"b":3,"a":2,"c":2}'],
    ],
    [
      {
        type: 'object',
        properties: { a: { const: 1 } },
        required: ['a'],
        patternProperties: { '^x': { const: 2 }, '^y': { const: 3 } },
        additionalProperties: true,
      },
      ['{"a":1}', '{"a":1,"x":2,"yes":3}'],
      ['{"x":2}', '{"a":1,"x":3}', '{"a":1,"b":2}', '{"a":2}'],
    ],
    [
      { type: 'object', propertyNames: { pattern: '^x' }, additionalProperties: { const: 2 } },
      ['{}', '{"x":2}', '{"xa":2,"xb":2}'],
      ['{"a":2}', '{"x":1}'],
    ],
    [
      {
        type: 'object',
        propertyNames: { enum: ['a', 'b'] },
        additionalProperties: { const: 2 },
        required: ['a'],
        minProperties: 2,
      },
      ['{"a":2,"b":2}'],
      ['{"a":2}', '{"b":2}', '{"a":2,"a":2}', '{"a":1,"b":2}'],
    ],
    [
      { type: 'object', propertyNames: { type: 'string' }, additionalProperties: { const: 2 } },
      ['{"any":2}'],
      ['{"any":1}'],
    ],
    [
      {
        $defs: { unused: { type: 'object', properties: { a: {} }, additionalProperties: true } },
        type: 'array',
        items: {
          type: 'object',
          properties: { a: { const: 1 } },
          additionalProperties: { $ref: '#' },
        },
      },
      ['[{"a":1,"b":[{"a":1}]}]'],
      ['[{"a":[]}]', '[{"a":1,"b":[{"a":[]}]}]'],
    ],
  ]
  for (const [schema, yes, no] of cases) {
    assert.deepEqual(await accepted(schema, [...yes, ...no]), yes, JSON.stringify(schema))
    const isValid = ajv.compile(schema)
    for (const text of yes) assert.ok(isValid(JSON.parse(text)), text)
  }
})

test('any object that is written is valid, and one with its keys in order and once is written', async () => {
  const key = fc.constantFrom('a', 'b', 'ab', 'xa', 'xb', 'y')
  const value = fc.constantFrom(1, 2)
  const valueSchema = fc.oneof(fc.record({ const: value }), fc.constant({ type: 'integer' }))
  const properties = fc.dictionary(key, valueSchema, { maxKeys: 3 })
  const additionalProperties = fc.oneof(fc.boolean(), valueSchema)
  const patterns = fc.constantFrom('^x', '^y$', 'b')
  const patternProperties = fc.dictionary(patterns, valueSchema, { minKeys: 1, maxKeys: 2 })
  const propertyNames = fc.constantFrom(
    { pattern: '^[ab]' },
    { enum: ['xa', 'y'] },
    { maxLength: 1 },
  )
  const counts = {
    minProperties: fc.integer({ min: 0, max: 3 }),
    maxProperties: fc.integer({ min: 1, max: 4 }),
    isRequired: fc.boolean(),
  }
  const some = { requiredKeys: [] }
  const schemas = fc
    .oneof(
      fc.record({ properties, additionalProperties, ...counts }, some),
      fc.record({ properties, patternProperties, additionalProperties, ...counts }, some),
      fc.record({ propertyNames, additionalProperties, ...counts }, some),
    )
    .map(({ isRequired, ...rest }) => {
      const keys = 'properties' in rest ? Object.keys(rest.properties ?? {}) : []
      return { type: 'object', ...rest, ...(isRequired && { required: keys.slice(0, 1) }) }
    })
  const objects = fc.array(fc.array(fc.tuple(key, value), { maxLength: 4 }), {
    minLength: 30,
    maxLength: 30,
  })
  let written = 0
  const property = fc.asyncProperty(schemas, objects, async (schema, entries) => {
    const texts = entries.map((one) => `{${one.map(([k, v]) => `"${k}":${JSON.stringify(v)}`)}}`)
    const broken = texts.flatMap((one) => [one.replace(',', ''), one.replace(/,(?!.*,)/, '')])
    let found: string[]
    try {
      found = await accepted(schema, [...texts, ...broken])
    } catch (error) {
      assert.match(String(error), /cannot be enforced/)
      return
    }
    const isValid = ajv.compile(schema)
    for (const text of found) assert.ok(isValid(JSON.parse(text)), text)
    written += found.length
    const given = schema as unknown as Record<string, Record<string, string[]> | undefined>
    if (given['patternProperties'] || given['additionalProperties'] === undefined) return
    const order = [
      ...Object.keys(given['properties'] ?? {}),
      ...(given['propertyNames']?.['enum'] ?? []),
    ]
    const wanted = entries.flatMap((one, i) => {
      const keys: string[] = one.map(([k]) => k)
      const free = keys.filter((k) => !order.includes(k))
      const isInOrder = keys.join() === [...order.filter((k) => keys.includes(k)), ...free].join()
      // Of the free keys one alone counts for sure.
      const isEnough = keys.length - Math.max(0, free.length - 1) >= (schema.minProperties ?? 0)
      const isOnce = keys.length === new Set(keys).size
      const text = texts[i] as string
      return isInOrder && isEnough && isOnce && isValid(JSON.parse(text)) ? [text] : []
    })
    assert.deepEqual(
      wanted.filter((text) => !found.includes(text)),
      [],
    )
  })
  await fc.assert(property, { numRuns: rounds(20, 60), endOnFailure: true })
  assert.ok(written > 10, String(written))
})

// A rule's name was cut at the first sign that is no letter: another definition's values came, or the schema was refused.
test('definitions with dots and hyphens in their names that have free keys refer to themselves', async () => {
  const item = { type: 'object', properties: { old: { type: 'boolean' } }, required: ['old'] }
  for (const name of ['Item.v2', 'com.acme.Item', 'Tree-Node']) {
    const self = { $ref: `#/$defs/${name}` }
    const properties = { x: { type: 'boolean' }, next: self, o: { $ref: '#/$defs/Item' } }
    const free = { type: 'object', properties, required: ['x'] }
    const $defs = { Item: item, [name]: { ...free, additionalProperties: { type: 'integer' } } }
    const right = ['{"x":true,"next":{"x":false},"o":{"old":true},"n":3}']
    const wrong = ['{"x":true,"next":{"old":true}}', '{"x":true,"n":"3"}']
    assert.deepEqual(await accepted({ ...self, $defs }, [...right, ...wrong]), right, name)
  }
})
