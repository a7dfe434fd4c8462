/**
 * The thread of one grammar: compiles it, and keeps a matcher for each answer that follows it.
 *
 * A compile that does not end can be ended with its thread and takes nothing else along. After each accepted token the next
 * mask is made at once, while the model computes the next logits; the engine finds it in shared memory.
 */
import { parentPort } from 'node:worker_threads'
import type { CompiledGrammar, GrammarMatcher } from '@mlc-ai/web-xgrammar'
import { readEbnf } from './ebnf-reader.ts'
import { deterministicGrammar } from './deterministic-regex.ts'
import {
  AHEAD,
  AHEAD_LENGTH,
  AHEAD_TURN,
  BITS,
  MASK_MS,
  MOST_AHEAD,
  STATE,
  STATES,
  TURN,
  type FromGrammar,
  type ToGrammar,
  type TokenTable,
} from './grammar-messages.ts'
import { loadXGrammar, type XGrammarModule } from './load-xgrammar-node.ts'
import { MOST_SPACES } from './object-rules.ts'
import { mended } from './mended-rules.ts'
import type { Grammar } from './response-format.ts'
import { workClock } from './work-clock-node.ts'

type Matching = { readonly matcher: GrammarMatcher; readonly words: Int32Array }

const encoder = new TextEncoder()
/** Encoders do not write into shared memory. */
const copied = new Uint8Array(MOST_AHEAD)
const heard: string[] = []
const matchers = new Map<number, Matching>()
let xgrammar: XGrammarModule | null = null
let compiled: CompiledGrammar | null = null
let work: Promise<void> = Promise.resolve()

// One message after another, each to its end.
parentPort?.on('message', (message: ToGrammar) => {
  work = work.then(() => handle(message))
})

async function handle(message: ToGrammar): Promise<void> {
  switch (message.kind) {
    case 'compile':
      return compile(message.grammar, message.tokens)
    case 'open': {
      const words = new Int32Array(message.shared)
      return orBroken(words, () => open(message.matcher, words))
    }
    case 'accept': {
      const matching = matchers.get(message.matcher)
      return matching && orBroken(matching.words, () => accept(matching, message.id))
    }
    case 'close':
      matchers.get(message.matcher)?.matcher.dispose()
      matchers.delete(message.matcher)
  }
}

async function compile(grammar: Grammar, tokens: TokenTable): Promise<void> {
  const answer = (message: FromGrammar) => parentPort?.postMessage(message)
  try {
    xgrammar = loadXGrammar((line) => heard.push(line))
    const { TokenizerInfo, GrammarCompiler } = xgrammar
    const vocabulary = byteLevel(tokens)
    const { length } = vocabulary
    const stops = [...tokens.stopIds]
    const info = await TokenizerInfo.createTokenizerInfo(
      vocabulary,
      'byte_level',
      false,
      length,
      stops,
    )
    const compiler = await GrammarCompiler.createGrammarCompiler(info, false)
    compiled =
      grammar.kind === 'regex'
        ? await compileRegex(compiler, grammar, tokens)
        : await compileWith(compiler, grammar, xgrammar)
    answer({ kind: 'compiled' })
  } catch (error) {
    answer({ kind: 'refused', reason: reasonOf(error) })
  }
}

type Compiler = Awaited<ReturnType<XGrammarModule['GrammarCompiler']['createGrammarCompiler']>>

async function compileWith(
  compiler: Compiler,
  { kind, text, frame, rules = [] }: Grammar,
  { Testings }: XGrammarModule,
): Promise<CompiledGrammar> {
  if (kind === 'ebnf') {
    const read = readEbnf(text)
    if ('fault' in read) throw new Error(`the grammar ${read.fault}`)
    return compiler.compileGrammar(read.text)
  }
  const written = await Testings._jsonSchemaToEBNF(
    text,
    true,
    undefined,
    undefined,
    true,
    MOST_SPACES,
  )
  const whole = mended(written, rules)
  if (frame === undefined) return compiler.compileGrammar(whole)
  return compiler.compileGrammar(`${whole}\nframed_answer ::= ${frame}\n`, 'framed_answer')
}

/** So that a text is read in one way, where that is not too large; as XGrammar reads it where it is. */
async function compileRegex(
  compiler: Compiler,
  { text, asked }: Grammar,
  tokens: TokenTable,
): Promise<CompiledGrammar> {
  const grammar = asked === undefined ? null : deterministicGrammar(asked, firstBytes(tokens))
  // XGrammar refuses the empty expression.
  if (grammar !== null && text !== '') return compiler.compileGrammar(grammar)
  const tag = { type: 'structural_tag', format: { type: 'regex', pattern: text } } as const
  return compiler.compileStructuralTag(tag)
}

/** How many tokens begin with each byte. */
function firstBytes({ bytes, offsets }: TokenTable): Uint32Array {
  const counts = new Uint32Array(256)
  for (let id = 0; id + 1 < offsets.length; id++) {
    const [at, end] = [offsets[id] as number, offsets[id + 1] as number]
    if (at < end) counts[bytes[at] as number] = (counts[bytes[at] as number] ?? 0) + 1
  }
  return counts
}

const UNTOLD =
  'XGrammar does not say why; write it shorter, with fewer levels, and let it have more texts than the empty one'

/** XGrammar's own words where it had some, without its level of alarm, the paths of its makers' machine and the full stop. */
function reasonOf(error: unknown): string {
  const last = heard.filter((line) => /error|fatal|invalid|fail|unknown|cannot/i.test(line)).at(-1)
  // A number is where its error lies in memory, and what WebAssembly says is of no use to whoever wrote the form.
  const isTold = error instanceof Error && error.name !== 'RuntimeError'
  const text = last ?? (isTold ? error.message : UNTOLD)
  return text
    .replace(/\S*\/(\w+\.(?:cc|h)):\d+:?/g, '')
    .replace(/\s+/g, ' ')
    .replace(/^\s*\[[A-Z]+\]/, '')
    .trim()
    .replace(/\.+$/, '')
    .slice(0, 300)
}

async function open(id: number, words: Int32Array): Promise<void> {
  if (!xgrammar || !compiled) throw new Error('internal: a matcher was opened before its grammar')
  const matcher = await xgrammar.GrammarMatcher.createGrammarMatcher(compiled)
  const matching = { matcher, words }
  matchers.set(id, matching)
  writeAhead(matching)
  await writeMask(matching, workClock())
}

async function accept(matching: Matching, token: number): Promise<void> {
  const left = workClock()
  if (!matching.matcher.acceptToken(token)) return publish(matching.words, STATES.broken)
  writeAhead(matching)
  return writeMask(matching, left)
}

/** What must come next, first: it is there in microseconds, and a mask may take longer. */
function writeAhead({ matcher, words }: Matching): void {
  const forced = matcher.isTerminated() ? '' : matcher.findJumpForwardString()
  // A character that is cut comes as a sign for broken bytes.
  const whole = forced.split('\ufffd', 1)[0] ?? ''
  const bytes = new Uint8Array(words.buffer, 4 * AHEAD, MOST_AHEAD)
  words[AHEAD_LENGTH] = encoder.encodeInto(whole.slice(0, MOST_AHEAD), copied).written
  bytes.set(copied)
  Atomics.add(words, AHEAD_TURN, 1)
  Atomics.notify(words, AHEAD_TURN)
}

/** The engine waits for a mask: it must hear of it where none can be made. */
async function orBroken(words: Int32Array, make: () => Promise<void>): Promise<void> {
  try {
    await make()
  } catch {
    publish(words, STATES.broken)
  }
}

async function writeMask(
  { matcher, words }: Matching,
  left: ReturnType<typeof workClock>,
): Promise<void> {
  if (matcher.isTerminated()) return publish(words, STATES.over)
  words.set((await matcher.getNextTokenBitmask()).subarray(0, words.length - BITS), BITS)
  publish(words, left(MASK_MS) === 0 ? STATES.slow : STATES.open)
}

function publish(words: Int32Array, state: number): void {
  words[STATE] = state
  Atomics.add(words, TURN, 1)
  Atomics.notify(words, TURN)
}

/**
 * Tokens as GPT-2 writes them, each byte a printable character: the one form in which XGrammar takes bytes of any kind from
 * JavaScript. Source of the mapping: openai/gpt-2, src/encoder.py, bytes_to_unicode.
 */
function byteLevel({ bytes, offsets }: TokenTable): string[] {
  const characters: string[] = []
  let next = 256
  for (let byte = 0; byte < 256; byte++) {
    const isPrintable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
    characters.push(String.fromCharCode(isPrintable ? byte : next++))
  }
  return Array.from({ length: offsets.length - 1 }, (_, id) => {
    const token = bytes.subarray(offsets[id], offsets[id + 1])
    return Array.from(token, (byte) => characters[byte]).join('')
  })
}
