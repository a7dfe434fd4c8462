import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import fc from 'fast-check'
import { Rng } from '../../core/rng.ts'
import { deterministicGrammar as grammarWith } from './deterministic-regex.ts'
import { loadXGrammar, type XGrammarModule } from './load-xgrammar-node.ts'
import { wholeRegex } from './safe-regex.ts'
import { rounds } from '../../../test/thorough.ts'

/** Characters and a few longer tokens, as GPT-2 writes their bytes; the first is the end. */
const CHARACTERS = ['a', 'b', 'c', '0', ' ', '\n', '-', 'é', '日']
const TEXTS = ['', ...CHARACTERS, 'ab', 'ba', 'aab', ' a', 'b ', 'a b', '00', 'éa', 'c日', '\n\n']
const VOCABULARY = TEXTS.map(byteLevel)

const deterministicGrammar = (pattern: string, tokens = 1) =>
  grammarWith(pattern, new Uint32Array(256).fill(tokens))

let xgrammar: XGrammarModule
before(() => {
  xgrammar = loadXGrammar(() => {})
})

/** An expression of ours, and the same to JavaScript, whose dot with these flags is any character. */
type Expression = { readonly ours: string; readonly theirs: string }

const expressions: fc.Arbitrary<Expression> = fc.letrec<{ one: Expression; atom: Expression }>(
  (tie) => ({
    atom: fc.oneof(
      { maxDepth: 2 },
      fc
        .constantFrom('a', 'b', 'ab', 'é', '-', '\\d', '\\s', '[ab]', '[^a]', '[a-cé]', '[^é\\n]')
        .map((ours) => ({ ours, theirs: ours })),
      fc.constant({ ours: '.', theirs: '[^\\n]' }),
      tie('one').map(({ ours, theirs }) => ({ ours: `(${ours})`, theirs: `(${theirs})` })),
    ),
    one: fc
      .array(
        fc.array(
          fc.tuple(
            tie('atom'),
            fc.constantFrom('', '', '', '?', '*', '+', '{2}', '{1,3}', '{2,}', '*?', '{0,2}'),
          ),
          { maxLength: 2 },
        ),
        { minLength: 1, maxLength: 2 },
      )
      .map((ways) => ({
        ours: ways
          .map((way) => way.map(([{ ours }, times]) => grouped(ours, times)).join(''))
          .join('|'),
        theirs: ways
          .map((way) => way.map(([{ theirs }, times]) => grouped(theirs, times)).join(''))
          .join('|'),
      })),
  }),
).one

function grouped(atom: string, times: string): string {
  return times === '' ? atom : `(?:${atom})${times}`
}

test('any expression takes the texts that JavaScript takes', async () => {
  const texts = fc.array(fc.constantFrom(...CHARACTERS), { maxLength: 7 })
  const property = fc.asyncProperty(
    expressions,
    fc.array(texts, { minLength: 8, maxLength: 8 }),
    async ({ ours, theirs }, lists) => {
      const rules = deterministicGrammar(ours)
      fc.pre(rules !== null)
      const grammar = await xgrammar.Grammar.fromEBNF(rules)
      const whole = new RegExp(`^(?:${theirs})$`, 'us')
      for (const text of ['', ...lists.map((list) => list.join(''))]) {
        const isTaken = await xgrammar.Testings.isGrammarAcceptString(grammar, text)
        assert.equal(isTaken, whole.test(text), JSON.stringify({ ours, text, rules }))
      }
      grammar.dispose()
    },
  )
  await fc.assert(property, { numRuns: rounds(50, 150) })
})

// Of `é.|[a-cé]{1,3}` it lets a space come behind a b.
test("any expression allows the tokens that XGrammar's own reading allows, but those that it is wrong in, and forces no less", async () => {
  const { TokenizerInfo, GrammarCompiler } = xgrammar
  const info = await TokenizerInfo.createTokenizerInfo(
    VOCABULARY,
    'byte_level',
    false,
    TEXTS.length,
    [0],
  )
  const property = fc.asyncProperty(
    expressions,
    fc.integer(),
    async ({ ours, theirs: meant }, seed) => {
      const compiler = await GrammarCompiler.createGrammarCompiler(info, false)
      const written = wholeRegex(ours)
      assert.ok('pattern' in written)
      const format = { type: 'regex', pattern: written.pattern } as const
      // An empty one is refused.
      const rules = deterministicGrammar(ours)
      fc.pre(rules !== null && written.pattern !== '')
      const theirs = await compiler.compileStructuralTag({ type: 'structural_tag', format })
      const own = await compiler.compileGrammar(rules)
      await follow([own, theirs], { rng: new Rng(seed), meant, told: ours })
      for (const one of [own, theirs, compiler]) one.dispose()
    },
  )
  const wrong = { ours: 'é.|[a-cé]{1,3}', theirs: 'é[^\\n]|[a-cé]{1,3}' }
  await fc.assert(property, { numRuns: rounds(40, 100), examples: [[wrong, 0]] })
})

/** What may follow a token until a text is whole, in most of the expressions. */
const BEHIND = ['', ...CHARACTERS, ...CHARACTERS.flatMap((a) => CHARACTERS.map((b) => a + b))]

type Compiled = Parameters<XGrammarModule['GrammarMatcher']['createGrammarMatcher']>[0]

/** Writes at random what both allow, which must be the same but for what no text goes on with. */
async function follow(
  [own, theirs]: readonly [own: Compiled, theirs: Compiled],
  { rng, meant, told }: { readonly rng: Rng; readonly meant: string; readonly told: string },
): Promise<void> {
  const { GrammarMatcher, Testings } = xgrammar
  const a = await GrammarMatcher.createGrammarMatcher(own)
  const b = await GrammarMatcher.createGrammarMatcher(theirs)
  const banned = async (matcher: typeof a) =>
    Testings.debugGetMaskedTokensFromBitmask(await matcher.getNextTokenBitmask(), TEXTS.length)
  const whole = new RegExp(`^(?:${meant})$`, 'us')
  let text = ''
  for (let step = 0; step < 8; step++) {
    const [ours, others] = [await banned(a), await banned(b)]
    const wrong = [...ours].filter((id) => {
      const goesOn = () => BEHIND.some((end) => whole.test(text + TEXTS[id] + end))
      return id !== 0 && !others.includes(id) && !goesOn()
    })
    const expected = [...others, ...wrong].sort((x, y) => x - y)
    assert.deepEqual([...ours], expected, JSON.stringify({ told, text }))
    const [forced, known] = [a.findJumpForwardString(), b.findJumpForwardString()]
    assert.ok(forced.startsWith(known), JSON.stringify({ told, text, forced, known }))
    const allowed = TEXTS.flatMap((_, id) => (id === 0 || ours.includes(id) ? [] : [id]))
    if (allowed.length === 0) break
    const id = allowed[Math.floor(rng.uniform() * allowed.length)] as number
    text += TEXTS[id]
    assert.ok(a.acceptToken(id) && b.acceptToken(id))
  }
  a.dispose()
  b.dispose()
}

test('bytes that UTF-8 forbids are in no text, also where a class holds all that is beyond ASCII', async () => {
  const grammar = await xgrammar.Grammar.fromEBNF(deterministicGrammar('[^a]{1,2}') ?? '')
  for (const [text, isTaken] of [
    ['é日', true],
    ['😀', true],
    ['\u0800', true],
    ['a', false],
  ] as const) {
    assert.equal(await xgrammar.Testings.isGrammarAcceptString(grammar, text), isTaken, text)
  }
  grammar.dispose()
})

test('what is the same is one rule, and what must come is one text', () => {
  const rules = (pattern: string) => deterministicGrammar(pattern)?.split('\n')
  assert.deepEqual(rules('([a-c]+ ?)+'), [
    'root ::= [\\x61-\\x63] state_1',
    'state_1 ::= [\\x61-\\x63]* [\\x20\\x20] state_2 | [\\x61-\\x63]* (=[\\xff\\xff])',
    'state_2 ::= [\\x61-\\x63] state_1 | "" (=[\\xff\\xff])',
  ])
  assert.equal(rules('(a|b)*abb')?.length, 4)
  assert.equal(rules('(the end|the end)')?.length, 1)
})

test('what has no small automaton is left as it was written, and soon', () => {
  const start = process.cpuUsage()
  for (const pattern of [
    '.*a.{14}',
    '(a?){4096}b',
    '((a|ab){1,60}c?){1,60}',
    '(a{3,2})',
    'a\ud800',
    '[a-z]{4096}',
  ]) {
    assert.equal(deterministicGrammar(pattern), null, pattern)
  }
  assert.ok(process.cpuUsage(start).user < 5e6)
  assert.ok(deterministicGrammar('[a-z]{80}', 1000) !== null)
  assert.equal(deterministicGrammar('[a-z]{80}', 4000), null)
})

/** Source: openai/gpt-2, src/encoder.py, bytes_to_unicode. */
function byteLevel(text: string): string {
  const isPrintable = (byte: number) =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  const others = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !isPrintable(byte))
  const written = [...new TextEncoder().encode(text)].map((byte) =>
    String.fromCharCode(isPrintable(byte) ? byte : 256 + others.indexOf(byte)),
  )
  return written.join('')
}
