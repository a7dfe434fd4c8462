import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { atOnce } from '../core/steps.ts'
import { jsonSteps } from './json-steps.ts'

/** What `JSON.parse` gives or throws, and what came in pieces, long objects turned back. */
function both(text: string): readonly [unknown, unknown] {
  const outcome = (read: () => unknown): unknown => {
    try {
      return { value: read() }
    } catch (error) {
      return { error: String(error) }
    }
  }
  return [outcome(() => JSON.parse(text)), outcome(() => plain(atOnce(jsonSteps(text))))]
}

function plain(value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]))
}

const OPTIONS = { numRuns: 300 }

test('any JSON is what JSON.parse makes of it, however it is spaced', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(undefined, 1, '\t'), (json, spaces) => {
      const [expected, came] = both(JSON.stringify(JSON.parse(json), null, spaces))
      assert.deepEqual(came, expected)
    }),
    OPTIONS,
  )
})

const FILE = {
  version: '1.0',
  added_tokens: [{ id: 0, content: '"\\"' }],
  model: { vocab: { '{': 1, '\\': 2, ['__proto__']: 3 }, merges: [['a', 'b'], 'c d'] },
}

test('a changed text fails as JSON.parse fails, with its words', () => {
  const text = JSON.stringify(FILE)
  const parts = ['', '"', '\\', ',', ',,', '}', ']', '{', '[', ':', '1', 'null', ' ', '__proto__']
  const change = fc.record({
    at: fc.nat(text.length),
    cut: fc.nat(3),
    put: fc.constantFrom(...parts),
  })
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      const changed = changes.reduce(
        (before, { at, cut, put }) => before.slice(0, at) + put + before.slice(at + cut),
        text,
      )
      const [expected, came] = both(changed)
      assert.deepEqual(came, expected)
    }),
    { numRuns: 2000 },
  )
})

/** Ten thousand tokens, some of them written with escapes, in pieces of which some end where a token looks like an end. */
const tokens = Array.from(
  { length: 10_000 },
  (_, i) => [`tok"},en\\${i}`, '{', '][,', ' é'][i % 4] + `${i}`,
)
const long = {
  model: {
    vocab: Object.fromEntries(tokens.map((token, i) => [token, i])),
    merges: tokens.map((token) => ['[', token]),
  },
}

test('lists that are longer than a piece are whole, and objects are maps', () => {
  for (const spaces of [undefined, 2]) {
    const steps = jsonSteps(JSON.stringify(long, null, spaces))
    let pauses = 0
    let result = steps.next()
    for (; !result.done; result = steps.next()) pauses++
    const { model } = result.value as { model: { vocab: unknown; merges: unknown } }
    assert.ok(model.vocab instanceof Map && pauses > 6)
    assert.deepEqual(plain(result.value), long)
  }
})

test('between two pieces stands one comma', () => {
  const members = tokens.map((token, i) => `${JSON.stringify(token)}: ${i}`)
  const vocab = (text: string) => `{"model": {"vocab": {${text}}}}`
  for (const faulty of [
    vocab(`${members.join(',')},`),
    vocab(`${members.join(',')},  `),
    vocab(members.join(',,')),
    vocab(members.join(' ')),
    vocab(members.join(',')).replace(/\}\}\}$/, ']}}'),
    vocab(members.join(',')).slice(0, -3),
    `${vocab(members.join(','))} 1`,
  ]) {
    const [expected, came] = both(faulty)
    assert.ok((expected as { error?: string }).error)
    assert.deepEqual(came, expected)
  }
})
