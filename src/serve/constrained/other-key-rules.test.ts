import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { loadXGrammar } from './load-xgrammar-node.ts'
import { otherKeyRules, otherKeyRulesCount } from './other-key-rules.ts'
import { rounds } from '../../../test/thorough.ts'

const xgrammar = loadXGrammar(() => {})
/** XGrammar's own, without what it expects behind the text. */
const REST =
  'basic_string_sub ::= "\\"" | [^\\0-\\x1f\\"\\\\\\r\\n] basic_string_sub | "\\\\" (["\\\\/bfnrt] | "u" [A-Fa-f0-9]{4}) basic_string_sub'

/** Whether each text, as it stands in JSON, is written as another key than those. */
async function accepts(keys: readonly string[], texts: readonly string[]): Promise<boolean[]> {
  const rules = [...otherKeyRules('k', keys), REST]
  assert.ok(rules.length <= otherKeyRulesCount(keys) + 1)
  const grammar = await xgrammar.Grammar.fromEBNF(rules.join('\n'), 'k')
  const accepted: boolean[] = []
  for (const text of texts) {
    accepted.push(await xgrammar.Testings.isGrammarAcceptString(grammar, text))
  }
  grammar.dispose()
  return accepted
}

test('a key is written where it is none of the named ones, and no escape gets around that', async () => {
  const keys = ['age', 'agent', 'a-b]^', 'größe']
  const yes = ['"ag"', '"agen"', '"agents"', '"Age"', '""', '"b"', '"é"', '"\\"age"', '"a-b]"']
  const no = ['"age"', '"agent"', '"a-b]^"', '"größe"', '"\\u0061ge"', '"a\\u0067e"', '"age', 'age']
  const accepted = await accepts(keys, [...yes, ...no])
  assert.deepEqual(accepted, [...yes.map(() => true), ...no.map(() => false)])
})

test('any keys and any text: it is another key where it is none of them', async () => {
  const key = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '/', '^', '-', ']'), maxLength: 4 })
  const property = fc.asyncProperty(
    fc.array(key, { maxLength: 6 }),
    fc.array(key, { minLength: 8, maxLength: 8 }),
    async (keys, others) => {
      const texts = [...keys, ...others]
      const expected = texts.map((text) => !keys.includes(text))
      assert.deepEqual(
        await accepts(
          keys,
          texts.map((text) => JSON.stringify(text)),
        ),
        expected,
      )
    },
  )
  await fc.assert(property, { numRuns: rounds(40, 100) })
})
