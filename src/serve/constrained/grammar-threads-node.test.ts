import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Rng } from '../../core/rng.ts'
import { GrammarThreads } from './grammar-threads-node.ts'
import { grammarOf, type ResponseFormat } from './response-format.ts'
import type { TokenConstraint } from './token-constraint.ts'

/** A token for each byte, a few longer ones, and the end. */
const LONGER = ['true', '": ', 'hello', ', "', '\u00e9t\u00e9', '{"', '"}']
const STOP = 256 + LONGER.length
const VOCABULARY = {
  // More logits than tokens, as padded checkpoints have.
  vocabSize: STOP + 10,
  stopIds: [STOP],
  tokenBytes(id: number) {
    if (id < 256) return Uint8Array.of(id)
    return new TextEncoder().encode(LONGER[id - 256] ?? '')
  },
}
/** So many letters in one token take seconds where they can be read in as many ways as there are. */
const LONG_TOKEN = 350

const threads = new GrammarThreads(VOCABULARY, { compileMs: 4000, maxThreads: 3 })
after(() => threads.dispose())

async function open(format: ResponseFormat): Promise<TokenConstraint> {
  const grammar = grammarOf(format)
  assert.ok(grammar)
  return threads.create(grammar)
}

async function allowed(constraint: TokenConstraint): Promise<number[]> {
  const logits = new Float32Array(VOCABULARY.vocabSize)
  await constraint.ready()
  constraint.mask(logits)
  return [...logits.keys()].filter((id) => logits[id] === 0)
}

/** Writes at random what the constraint allows, until it can only end. */
async function write(constraint: TokenConstraint, seed: number): Promise<string> {
  const rng = new Rng(seed)
  const bytes: number[] = []
  for (let step = 0; step < 3000; step++) {
    const ids = await allowed(constraint)
    // Ends as soon as it may, so that no string goes on for ever.
    const quote = ids.find((id) => id === STOP || id === 0x22 || id === 0x7d || id === 0x5d)
    const id =
      quote !== undefined && rng.uniform() < 0.3
        ? quote
        : (ids[Math.floor(rng.uniform() * ids.length)] as number)
    constraint.accept(id)
    if (id === STOP) {
      await constraint.ready()
      assert.ok(constraint.isDone)
      return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(bytes))
    }
    bytes.push(...VOCABULARY.tokenBytes(id))
  }
  assert.fail('it does not end')
}

test('a choice is one of its texts, whatever the tokens are', async () => {
  const choices = ['true', 'tram "7"', 'été']
  const seen = new Set<string>()
  for (let seed = 0; seed < 12; seed++) {
    const constraint = await open({ type: 'choice', choices })
    seen.add(await write(constraint, seed))
    constraint.dispose()
  }
  assert.deepEqual([...seen].sort(), [...choices].sort())
})

test('a regular expression holds for the whole answer, and bytes of one character come one by one', async () => {
  for (let seed = 0; seed < 5; seed++) {
    const constraint = await open({ type: 'regex', pattern: '[a-cé]{2,4}-\\d+' })
    assert.match(await write(constraint, seed), /^[a-cé]{2,4}-\d+$/)
    constraint.dispose()
  }
})

/** Whether all of a text, byte by byte, is what the form allows. */
async function isFollowed(format: ResponseFormat, text: string): Promise<boolean> {
  const constraint = await open(format)
  const ids = [...new TextEncoder().encode(text), STOP]
  let isAllowed = true
  for (const id of ids) {
    isAllowed = (await allowed(constraint)).includes(id)
    if (!isAllowed) break
    constraint.accept(id)
  }
  constraint.dispose()
  return isAllowed
}

test('classes hold the characters that they name, and what is no space to ECMAScript or Python is none here', async () => {
  const cases: readonly [pattern: string, followed: readonly string[], not: readonly string[]][] = [
    ['\\s+x', [' \n\tx'], ['x', '\u00a0x']],
    ['\\S{2}', ['日é', 'a\u200b', '\u0800😀'], ['a\u3000', '\u00a0a', 'a\u2028', 'a ']],
    ['[^\\s,]', ['é'], [',', '\u2003']],
    ['[\\^+*/-]{2}', ['^+', '-^'], ['a', '.a']],
    ['[\\^a]', ['^', 'a'], ['b']],
    ['[^\\^]', ['a'], ['^']],
    ['[\\^]', ['^'], ['a']],
    ['[à-é]+', ['àé'], ['ê']],
    ['[^é]', ['è'], ['é']],
    ['[\\u4e00-\\u9fff]\\u00e9', ['日é'], ['\u3041é']],
    ['\\D{2}', ['é日', 'x😀'], ['1x', 'x\u0663']],
    ['\\W{2}', ['€ ', '😀.', '«」'], ['é.', '.日', '\u0663.']],
    ['[^\\d]', ['é'], ['\u0663']],
    ['[^\\w,]', ['€'], ['é', ',', '_']],
    ['\\U0001F600[\\U0001f601-\\U0001F64F]', ['😀😂'], ['\u0001F600a', '😀😀']],
    ['\\x5c\\x5d', ['\\]'], ['x]']],
    ['(|a)b', ['b', 'ab'], ['aab']],
    ['(?:a||b)c', ['c', 'bc'], ['abc']],
  ]
  for (const [pattern, followed, not] of cases) {
    const format = { type: 'regex', pattern } as const
    for (const text of followed) assert.equal(await isFollowed(format, text), true, pattern + text)
    for (const text of not) assert.equal(await isFollowed(format, text), false, pattern + text)
  }
  const schema = { type: 'string', pattern: '^[\\^a]\\S$' }
  assert.equal(await isFollowed({ type: 'json_schema', schema }, '"^日"'), true)
  assert.equal(await isFollowed({ type: 'json_schema', schema }, '"b\u3000"'), false)
})

test('a number of a definition is as short as one in its place, and a text that reads as one is a text', async () => {
  const [integer, number] = [{ type: 'integer' }, { type: 'number' }]
  const a = { $ref: '#/$defs/a' }
  const digits = { type: 'string', pattern: '^-?(?:0|[1-9][0-9]*)$' }
  const [long, huge] = ['1'.repeat(16), '1e999']
  const cases: readonly [schema: object, followed: string, not: readonly string[]][] = [
    [{ $defs: { a: integer }, ...a }, '-15', [long, '1e2']],
    [{ $defs: { a: number }, ...a }, '-1.5e99', [long, huge]],
    [{ $defs: { a: number, b: a }, $ref: '#/$defs/b' }, '2', [huge]],
    [{ $defs: { a: { allOf: [integer] } }, anyOf: [a, { type: 'null' }] }, '0', [long]],
    [{ $defs: { a: { type: ['number', 'null'] } }, ...a }, '3', [huge]],
    [
      { definitions: { a: number }, type: 'array', items: { $ref: '#/definitions/a' } },
      '[1]',
      [`[${huge}]`],
    ],
    [{ $defs: { a: digits }, ...a }, `"${long}"`, [long]],
  ]
  for (const [schema, followed, not] of cases) {
    const format = { type: 'json_schema', schema } as const
    assert.equal(await isFollowed(format, followed), true, followed)
    for (const text of not) assert.equal(await isFollowed(format, text), false, text)
  }
})

test('a grammar holds, and a text that nothing can follow only ends', async () => {
  const constraint = await open({ type: 'ebnf', grammar: 'root ::= "a" b\nb ::= "b" | "c"' })
  assert.deepEqual(await allowed(constraint), [0x61])
  constraint.accept(0x61)
  assert.deepEqual(await allowed(constraint), [0x62, 0x63])
  constraint.accept(0x63)
  assert.deepEqual(await allowed(constraint), [STOP])
  assert.equal(constraint.isDone, false)
  constraint.accept(STOP)
  await constraint.ready()
  assert.equal(constraint.isDone, true)
  constraint.dispose()
})

// An empty alternative was refused: llama.cpp's own json.gbnf begins one rule so.
test('an empty alternative may stand anywhere', async () => {
  const cases: readonly [grammar: string, followed: readonly string[], not: readonly string[]][] = [
    ['root ::= "a" ws\nws ::= | " " ws # spaces', ['a', 'a  '], ['b']],
    ['root ::= "a" b "c"\nb ::= "b" |\nd ::= "d"', ['ac', 'abc'], ['abbc']],
    ['root ::= "(" (| "|" |) [|)] none ")"\nnone ::=', ['(|)', '(||)', '())'], ['()']],
    ['root ::= "a" | | "b"', ['', 'a', 'b'], ['ab']],
  ]
  for (const [grammar, followed, not] of cases) {
    const format = { type: 'ebnf', grammar } as const
    for (const text of followed) assert.equal(await isFollowed(format, text), true, grammar + text)
    for (const text of not) assert.equal(await isFollowed(format, text), false, grammar + text)
  }
})

// It was followed ahead for ten seconds, and said to be one that can be read in several ways.
test('a grammar that has no end is refused before it is compiled, by the rule', async () => {
  const refused: readonly [grammar: string, message: RegExp][] = [
    ['root ::= "a" root', /a rule that never ends, root:/],
    ['root ::= [ab] root', /a rule that never ends, root:/],
    ['root ::= "a" | x\nx ::= ("b" | "c") y+\ny ::= x{1,2}', /a rule that never ends, x:/],
    [`root ::= ${'('.repeat(200)}"a"${')'.repeat(200)}`, /has groups over 100 deep; nest less/],
  ]
  for (const [grammar, message] of refused) {
    await assert.rejects(open({ type: 'ebnf', grammar }), { code: 'INPUT_FORMAT', message })
  }
  for (const grammar of [
    'root ::= "a" root?',
    'root ::= "a" (root "b" | "c")',
    'root ::= "a" root{0,2}',
    'root ::= "::=" | x\nx ::= root "a" | y\ny ::= "y"',
  ]) {
    ;(await open({ type: 'ebnf', grammar })).dispose()
  }
})

test('answers to one grammar run beside each other', async () => {
  const format = { type: 'choice', choices: ['ab', 'cd'] } as const
  const [one, other] = [await open(format), await open(format)]
  one.accept(0x61)
  assert.deepEqual([await allowed(one), await allowed(other)], [[0x62], [0x61, 0x63]])
  one.dispose()
  other.accept(0x63)
  assert.deepEqual(await allowed(other), [0x64])
  other.dispose()
})

test('what cannot be compiled is refused with the reason, and the next grammar is not hurt', async () => {
  const refused: readonly ResponseFormat[] = [
    { type: 'ebnf', grammar: 'root ::= undefined_rule' },
    { type: 'ebnf', grammar: 'root ::= "a' },
    { type: 'regex', pattern: 'a(?=b)' },
    { type: 'regex', pattern: '(' },
    { type: 'choice', choices: [] },
    { type: 'choice', choices: ['\ud800'] },
    { type: 'regex', pattern: 'a'.repeat(5000) },
  ]
  for (const format of refused) {
    await assert.rejects(open(format), (error: Error & { code?: unknown }) => {
      assert.equal(error.code, 'INPUT_FORMAT')
      // XGrammar's words come with its level of alarm and a full stop of their own.
      assert.doesNotMatch(error.message, /FATAL|\.\.$/)
      return true
    })
  }
  const constraint = await open({ type: 'choice', choices: ['a'] })
  assert.deepEqual(await allowed(constraint), [0x61])
  constraint.dispose()
})

test('a compile that takes too long is ended, and nobody waits for it', async () => {
  const own = new GrammarThreads(VOCABULARY, { compileMs: 300 })
  try {
    const hostile = { kind: 'regex', text: '.*a.{14}' } as const
    await assert.rejects(own.create(hostile), /not compiled within 300 ms/)
  } finally {
    await own.dispose()
  }
})

// A ninth form was refused, though rows and queue were free.
test('as many grammars are in use as may; others wait for one that is not in use any more', async () => {
  const own = new GrammarThreads(VOCABULARY, { maxThreads: 1 })
  const grammar = (text: string) => grammarOf({ type: 'choice', choices: [text] })!
  try {
    const first = await own.create(grammar('a'))
    const started: string[] = []
    const wait = (text: string, signal?: AbortSignal) =>
      own.create(grammar(text), { signal }).then((made) => (started.push(text), made))
    const left = new AbortController()
    const gone = wait('c', left.signal)
    const waiting = [wait('b'), wait('d'), wait('b')]
    left.abort(new Error('gone'))
    await assert.rejects(gone, /gone/)
    const another = await own.create(grammar('a'))
    first.dispose()
    assert.deepEqual([started, await allowed(another)], [[], [0x61]])
    another.dispose()
    const [second, third] = [await waiting[0]!, await waiting[2]!]
    assert.deepEqual([started, await allowed(second)], [['b', 'b'], [0x62]])
    second.dispose()
    third.dispose()
    const last = await waiting[1]!
    assert.deepEqual(await allowed(last), [0x64])
    last.dispose()
  } finally {
    await own.dispose()
  }
})

test('of those that wait, the most urgent gets the next thread', async () => {
  const own = new GrammarThreads(VOCABULARY, { maxThreads: 1 })
  const started: string[] = []
  const write = async (text: string, priority: number, signal?: AbortSignal) => {
    const grammar = grammarOf({ type: 'choice', choices: [text] })!
    const made = await own.create(grammar, { priority, signal })
    started.push(text)
    made.dispose()
  }
  try {
    const first = await own.create(grammarOf({ type: 'choice', choices: ['first'] })!)
    const { signal } = new AbortController()
    const waiting = [
      write('later', -1),
      write('usual', 0, signal),
      write('urgent', 5),
      write('as usual', 0),
      write('most urgent', 6, signal),
    ]
    // By then all of them wait.
    await new Promise(setImmediate)
    first.dispose()
    await Promise.all(waiting)
    assert.deepEqual(started, ['most urgent', 'urgent', 'usual', 'as usual', 'later'])
  } finally {
    await own.dispose()
  }
})

test('a grammar that is refused gives its place to one that waits', async () => {
  const own = new GrammarThreads(VOCABULARY, { maxThreads: 1 })
  try {
    const broken = own.create({ kind: 'ebnf', text: 'root ::= "a' })
    const waiting = own.create(grammarOf({ type: 'choice', choices: ['b'] })!)
    await assert.rejects(broken, { code: 'INPUT_FORMAT' })
    const made = await waiting
    assert.deepEqual(await allowed(made), [0x62])
    made.dispose()
  } finally {
    await own.dispose()
  }
})

// The mask took seconds: XGrammar followed each way to cut the text into words.
test('a regular expression that reads a text in many ways is followed in one', async () => {
  const long = new TextEncoder().encode('a'.repeat(LONG_TOKEN))
  const tokenBytes = (id: number) => (id === STOP + 1 ? long : VOCABULARY.tokenBytes(id))
  const own = new GrammarThreads({ ...VOCABULARY, tokenBytes })
  try {
    const constraint = await own.create(grammarOf({ type: 'regex', pattern: '([a-c]+ ?)+-' })!)
    constraint.accept(STOP + 1)
    assert.deepEqual(await allowed(constraint), [0x20, 0x2d, 0x61, 0x62, 0x63, STOP + 1])
    constraint.dispose()
  } finally {
    await own.dispose()
  }
})

test('a form that takes long is waited for without holding the event loop up, and refused then', async () => {
  const long = new TextEncoder().encode('a'.repeat(LONG_TOKEN))
  const tokenBytes = (id: number) => (id === STOP + 1 ? long : VOCABULARY.tokenBytes(id))
  const own = new GrammarThreads({ ...VOCABULARY, tokenBytes })
  const constraint = await own.create({ kind: 'ebnf', text: 'root ::= s\ns ::= s s | [a-z]' })
  try {
    constraint.accept(STOP + 1)
    const timer = new Promise((resolve) => setTimeout(resolve, 1))
    const first = Promise.race([timer.then(() => 'event loop'), constraint.ready()])
    assert.equal(await first, 'event loop')
    await constraint.ready()
    const refusal = /took over 500 ms; write it so that a text can be read in one way/
    assert.throws(() => constraint.mask(new Float32Array(VOCABULARY.vocabSize)), refusal)
  } finally {
    constraint.dispose()
    await own.dispose()
  }
})
