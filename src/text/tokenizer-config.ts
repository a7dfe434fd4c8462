/**
 * What the files beside a tokenizer say: tokenizer_config.json, special_tokens_map.json, added_tokens.json.
 *
 * Source: huggingface/transformers 4.37, tokenization_utils_base.py, _from_pretrained.
 */
import type { TokenRoles } from './tokenizer.ts'
import { specialToken, type AddedToken } from './tokenizer-added.ts'
import type { Vocabulary } from './tokenizer-vocabulary.ts'
import {
  asFields,
  asFlag,
  asId,
  asList,
  asText,
  damaged,
  isFields,
  type Fields,
} from './tokenizer-fields.ts'

/** Parsed JSON of the files that lie beside the vocabulary; each may be missing. */
export type TokenizerFiles = {
  readonly tokenizerConfig?: unknown
  readonly specialTokensMap?: unknown
  readonly addedTokens?: unknown
}

export type TokenizerConfig = {
  /** What the files say of a role: a token, null for none, undefined for nothing. */
  readonly roles: { readonly [R in keyof TokenRoles]: string | null | undefined }
  /** Tokens that are special because of their role or by name. */
  readonly special: readonly string[]
  /** Tokens with the ids that the files give them. */
  readonly added: readonly AddedToken[]
  readonly legacy: boolean
  readonly addsBos: boolean
  readonly addsEos: boolean
  readonly addsPrefixSpace: boolean
  /** The class that transformers makes of a tokenizer.json; '' where none is named. */
  readonly tokenizerClass: string
}

export function readTokenizerConfig(files: TokenizerFiles): TokenizerConfig {
  const config = asFields(files.tokenizerConfig ?? {}, 'tokenizer_config.json')
  const map = asFields(files.specialTokensMap ?? {}, 'special_tokens_map.json')
  const merged = { ...map, ...config }
  const role = (name: string): string | null | undefined => tokenText(merged[name], name)
  const others = ['sep_token', 'cls_token', 'mask_token'].map(role)
  const roles = {
    bos: role('bos_token'),
    eos: role('eos_token'),
    pad: role('pad_token'),
    unk: role('unk_token'),
  }
  const listed = merged['additional_special_tokens'] ?? []
  const additional = asList(listed, 'additional_special_tokens').map((token) =>
    tokenText(token, 'additional_special_tokens'),
  )
  const named = [roles.bos, roles.eos, roles.unk, others[0], roles.pad, ...others.slice(1)]
  const special = [...named, ...additional].filter((token) => typeof token === 'string')
  return {
    roles,
    special: [...new Set(special)],
    added: readAdded(config, files.addedTokens, special),
    legacy: asFlag(config['legacy'], true, 'tokenizer_config.json legacy'),
    addsBos: asFlag(config['add_bos_token'], true, 'tokenizer_config.json add_bos_token'),
    addsEos: asFlag(config['add_eos_token'], false, 'tokenizer_config.json add_eos_token'),
    addsPrefixSpace: asFlag(config['add_prefix_space'], true, 'add_prefix_space'),
    tokenizerClass: asText(
      config['tokenizer_class'] ?? '',
      'tokenizer_config.json tokenizer_class',
    ),
  }
}

/** A token is written as a string or as an object with its content. */
function tokenText(value: unknown, where: string): string | null | undefined {
  if (value === undefined || value === null) return value
  return asText(isFields(value) ? value['content'] : value, where)
}

/** The older added_tokens.json counts only where the newer added_tokens_decoder is missing. */
function readAdded(config: Fields, older: unknown, special: readonly string[]): AddedToken[] {
  const newer = config['added_tokens_decoder']
  if (newer !== undefined && newer !== null) {
    return Object.entries(asFields(newer, 'added_tokens_decoder')).map(([id, fields]) => {
      const where = `added_tokens_decoder[${id}]`
      return readAddedToken({ ...asFields(fields, where), id: Number(id) }, where)
    })
  }
  const names = new Set(special)
  return Object.entries(asFields(older ?? {}, 'added_tokens.json')).map(([content, id]) => {
    const token = specialToken(asId(id, `added_tokens.json[${JSON.stringify(content)}]`), content)
    const isSpecial = names.has(content)
    return { ...token, special: isSpecial, normalized: !isSpecial }
  })
}

/** An added token as tokenizer.json and tokenizer_config.json write it. */
export function readAddedToken(json: unknown, where: string): AddedToken {
  const fields = asFields(json, where)
  const special = asFlag(fields['special'], false, `${where}.special`)
  return {
    id: asId(fields['id'], `${where}.id`),
    content: asText(fields['content'], `${where}.content`),
    special,
    lstrip: asFlag(fields['lstrip'], false, `${where}.lstrip`),
    rstrip: asFlag(fields['rstrip'], false, `${where}.rstrip`),
    singleWord: asFlag(fields['single_word'], false, `${where}.single_word`),
    normalized: asFlag(fields['normalized'], !special, `${where}.normalized`),
  }
}

/**
 * The added tokens of a tokenizer: its own, then those of the configuration that it lacks, then special tokens that
 * are only named there: with the id that the vocabulary has for them, or the next one free.
 */
export function mergeAdded(
  own: readonly AddedToken[],
  config: TokenizerConfig,
  vocabulary: Vocabulary,
): AddedToken[] {
  const added = new Map<string, AddedToken>()
  const byId = new Map<number, string>()
  const add = (token: AddedToken): void => {
    if (added.has(token.content)) return
    const other = byId.get(token.id) ?? vocabulary.tokens[token.id]
    if (other !== undefined && other !== token.content) {
      throw damaged(`added token ${token.content}`, `an id other than that of ${other}`, token.id)
    }
    const known = vocabulary.ids.get(token.content)
    if (known !== undefined && known !== token.id) {
      throw damaged(`added token ${token.content}`, `${known}, as in the vocabulary`, token.id)
    }
    added.set(token.content, token)
    byId.set(token.id, token.content)
  }
  for (const token of [...own, ...config.added]) add(token)
  let next =
    [...byId.keys()].reduce((max, id) => Math.max(max, id), vocabulary.tokens.length - 1) + 1
  for (const content of config.special) {
    if (!added.has(content)) add(specialToken(vocabulary.ids.get(content) ?? next++, content))
  }
  return [...added.values()].sort((a, b) => a.id - b.id)
}

/** Roles as the configuration has them; `fallback` where it says nothing. */
export function mergeRoles(config: TokenizerConfig, fallback: TokenRoles): TokenRoles {
  const role = (name: keyof TokenRoles): string | undefined => {
    const said = config.roles[name]
    return said === undefined ? fallback[name] : (said ?? undefined)
  }
  return { bos: role('bos'), eos: role('eos'), pad: role('pad'), unk: role('unk') }
}
