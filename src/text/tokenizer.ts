/**
 * A tokenizer: text to ids and back, whatever file it came from.
 *
 *   text ─ added tokens ─ normalizer ─ pre-tokenizer ─ model ─▶ ids ─ decoder ─▶ text
 *
 * `tokenizer-json.ts`, `sentencepiece.ts`, `tokenizer-gguf.ts` and `tokenizer-tiktoken.ts` put the parts together;
 * `node.ts` finds the files.
 */
import { checkArgument } from '../core/check-argument.ts'
import { describeValue } from '../core/describe-value.ts'
import { checkChoice, checkFlags } from '../core/check-choice.ts'
import { checkOptions } from '../core/check-options.ts'
import { InputError } from '../core/errors.ts'
import { atOnce, type Steps } from '../core/steps.ts'
import { AddedTokens, type AddedToken } from './tokenizer-added.ts'
import type { Decoder } from './detokenizer.ts'
import { DetokenizerStream, type StreamOptions } from './detokenizer-stream.ts'
import type { Normalizer } from './normalizer.ts'
import type { Vocabulary } from './tokenizer-vocabulary.ts'

export type EncodeOptions = {
  /** `'text'` reads special tokens in the text as plain characters. Default `'parse'`. */
  readonly specialTokens?: 'parse' | 'text'
  /** Add what the tokenizer puts around a text, usually BOS in front. Default false. */
  readonly addBos?: boolean
  /**
   * Characters that stand for others and are turned into them once control tokens were looked for: how a part of a text
   * is kept from being read as one while the rest is.
   */
  readonly standIns?: ReadonlyMap<string, string> | undefined
}

export type DecodeOptions = {
  /** Leave special tokens out. Default false. */
  readonly skipSpecial?: boolean
}

/** Token strings that have a role; their ids become `bosId` and so on. */
export type TokenRoles = { readonly [R in 'bos' | 'eos' | 'pad' | 'unk']?: string }

export type TokenizerParts = {
  readonly vocabulary: Vocabulary
  readonly added: readonly AddedToken[]
  readonly roles: TokenRoles
  /** Done once to the whole text, before added tokens are looked for. */
  readonly prepare?: (text: string) => string
  readonly normalize: Normalizer
  /** Appends the ids of a stretch between added tokens; `isStart`: it begins the whole text. */
  readonly encode: (text: string, isStart: boolean, ids: number[]) => Steps<void>
  /** Done to the ids of the whole text. */
  readonly finish?: (ids: number[], isSpecial: (id: number) => boolean) => number[]
  /** Ids before and after a text when BOS is asked for. */
  readonly around: { readonly before: readonly number[]; readonly after: readonly number[] }
  readonly decoder: Decoder
}

const encoder = new TextEncoder()
/** Ids that are looked up between two pauses. */
const LOOKED_UP = 1024

export class Tokenizer {
  /** Distinct tokens, added ones included. A checkpoint may have more embedding rows than this. */
  readonly vocabSize: number
  readonly addedTokens: readonly AddedToken[]
  readonly specialIds: ReadonlySet<number>
  readonly bosId: number | undefined
  readonly eosId: number | undefined
  readonly padId: number | undefined
  readonly unkId: number | undefined
  /** As the files write it, which is what templates write. */
  readonly bosToken: string | undefined
  readonly eosToken: string | undefined
  /** What `addBos` puts in front of a text. */
  readonly prefixIds: readonly number[]

  readonly #parts: TokenizerParts
  #longestToken: number | undefined
  readonly #splitter: AddedTokens
  readonly #addedIds: ReadonlyMap<string, number>
  readonly #addedById: ReadonlyMap<number, AddedToken>

  constructor(parts: TokenizerParts) {
    this.#parts = parts
    this.addedTokens = parts.added
    this.#splitter = new AddedTokens(parts.added, parts.normalize)
    this.#addedIds = new Map(parts.added.map((token) => [token.content, token.id]))
    this.#addedById = new Map(parts.added.map((token) => [token.id, token]))
    this.specialIds = new Set(parts.added.filter((token) => token.special).map(({ id }) => id))
    const { ids } = parts.vocabulary
    this.vocabSize = ids.size + parts.added.filter(({ content }) => !ids.has(content)).length
    this.bosId = this.#roleId('bos')
    this.eosId = this.#roleId('eos')
    this.padId = this.#roleId('pad')
    this.unkId = this.#roleId('unk')
    this.bosToken = this.bosId === undefined ? undefined : parts.roles.bos
    this.eosToken = this.eosId === undefined ? undefined : parts.roles.eos
    this.prefixIds = parts.around.before
  }

  /** The ids of `text`; lone surrogates count as U+FFFD. Throws InputError for what is no text, and an unknown option. */
  encode(text: string, options: EncodeOptions = {}): number[] {
    return atOnce(this.encodeSteps(text, options))
  }

  /** The same with pauses: a megabyte takes a second where no rule cuts it. */
  *encodeSteps(text: string, options: EncodeOptions = {}): Steps<number[]> {
    checkArgument('tokenizer.encode: text', text, 'a string')
    checkOptions('tokenizer.encode', options, ['specialTokens', 'addBos', 'standIns'])
    const { specialTokens = 'parse', addBos = false, standIns } = options
    checkChoice('tokenizer.encode: specialTokens', specialTokens, ['parse', 'text'])
    checkFlags('tokenizer.encode', { addBos })
    const { prepare, encode, finish, around } = this.#parts
    const wellFormed = text.replace(/\p{Surrogate}/gu, '\ufffd')
    const prepared = prepare ? prepare(wellFormed) : wellFormed
    let ids: number[] = []
    for (const stretch of this.#splitter.split(prepared, specialTokens === 'parse')) {
      if (typeof stretch === 'number') ids.push(stretch)
      else yield* encode(withoutStandIns(stretch.text, standIns), stretch.isStart, ids)
    }
    if (finish) ids = finish(ids, (id) => this.specialIds.has(id))
    return addBos ? [...around.before, ...ids, ...around.after] : ids
  }

  /** The text of `ids`; ids outside the vocabulary are left out. Throws InputError for what is no list, and an unknown option. */
  decode(ids: readonly number[], options: DecodeOptions = {}): string {
    return atOnce(this.decodeSteps(ids, options))
  }

  /** The same with pauses. */
  *decodeSteps(ids: readonly number[], options: DecodeOptions = {}): Steps<string> {
    checkArgument('tokenizer.decode: ids', ids, 'a list')
    checkOptions('tokenizer.decode', options, ['skipSpecial'])
    checkFlags('tokenizer.decode', options)
    const tokens: string[] = []
    for (const [i, id] of ids.entries()) {
      if (i % LOOKED_UP === LOOKED_UP - 1) yield
      if (typeof id !== 'number') throw noId(`tokenizer.decode: ids[${i}]`, id)
      if (options.skipSpecial && this.specialIds.has(id)) continue
      const token = this.tokenOf(id)
      if (token !== undefined) tokens.push(token)
    }
    return yield* this.#parts.decoder.decode(tokens)
  }

  /** Characters of the longest token: a text has at least one token for so many, but for what a normalizer leaves out. */
  get longestToken(): number {
    this.#longestToken ??= this.#parts.vocabulary.tokens.reduce(
      (longest, token) => Math.max(longest, token?.length ?? 0),
      Math.max(1, ...this.addedTokens.map(({ content }) => content.length)),
    )
    return this.#longestToken
  }

  /** Decodes ids as they come, in pieces that are never half a character. Throws InputError for an unknown option. */
  stream(options: StreamOptions = {}): DetokenizerStream {
    checkOptions('tokenizer.stream', options, ['skipSpecial', 'continuation', 'wholeRuns'])
    checkFlags('tokenizer.stream', options)
    const { decoder } = this.#parts
    const source = {
      isSpecial: (id: number) => {
        if (typeof id !== 'number') throw noId('stream.push: id', id)
        return this.specialIds.has(id)
      },
      bytes: (id: number, isFirst: boolean) => {
        const token = this.tokenOf(id)
        return token === undefined ? undefined : decoder.bytes(token, isFirst)
      },
      isByteOfRun: (id: number) => decoder.isByteOfRun(this.tokenOf(id) ?? ''),
    }
    return new DetokenizerStream(source, decoder, options)
  }

  idOf(token: string): number | undefined {
    return this.#addedIds.get(token) ?? this.#parts.vocabulary.ids.get(token)
  }

  /** The string that is decoded: of an added token marked `normalized` the normalised one. */
  tokenOf(id: number): string | undefined {
    return this.#splitter.spellingOf(id) ?? this.#parts.vocabulary.tokens[id]
  }

  /** The bytes that a token adds to a text: half a character, perhaps. None for an id outside the vocabulary. */
  tokenBytes(id: number): Uint8Array {
    const added = this.#addedById.get(id)
    if (added?.special) return encoder.encode(added.content)
    const token = this.tokenOf(id)
    return token === undefined ? new Uint8Array(0) : this.#parts.decoder.bytes(token)
  }

  #roleId(role: keyof TokenRoles): number | undefined {
    const token = this.#parts.roles[role]
    return token === undefined ? undefined : this.idOf(token)
  }
}

function noId(where: string, came: unknown): InputError {
  return new InputError(
    'INPUT_ARGUMENT',
    `${where} should be the number of a token, ${describeValue(came)} came; tokenizer.idOf tells that of a text.`,
  )
}

function withoutStandIns(text: string, standIns: EncodeOptions['standIns']): string {
  let result = text
  for (const [standIn, character] of standIns ?? []) {
    result = result.replaceAll(standIn, character)
  }
  return result
}
