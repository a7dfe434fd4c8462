/**
 * Whether the head is the embedding's own matrix, as the files have it: configs are often wrong about it.
 *
 * Two matrices that differ stay two whatever the config says, and of a tied pair either may be the one that is stored, since
 * writers drop one of two equal tensors. Source: transformers 5.23 `modeling_utils.py`, `tie_weights`.
 */
import type { Steps } from '../core/steps.ts'
import { sameShape } from '../core/shape.ts'
import { toFloat32, type HostTensor } from '../core/tensor.ts'
import { EMBEDDING } from '../decoder/decoder.ts'
import { isViewed, rowsInto, tensorRows } from '../weights/tensor-rows.ts'
import type { ModelConfig } from './family.ts'
import type { StoredPlace, WeightPart } from './parameter-map.ts'
import { DECODER_NAMES, parameterPath, type NameRule } from './parameter-names.ts'

type Tied = { readonly config: ModelConfig; readonly parts: readonly WeightPart[] }

/** The config and the parts with the head that there is. With pauses: large vocabularies take a fifth of a second. */
export function* tiedHeadSteps({ config, parts }: Tied): Steps<Tied> {
  if (!config.decoder.tieEmbeddings) return { config, parts }
  const head = placeOf(parts, HEAD)
  if (head === null) return { config, parts }
  const embedding = placeOf(parts, EMBEDDING)
  if (embedding === null) return { config, parts: parts.map(withHeadForEmbedding) }
  const isOne = yield* isSameMatrix(embedding, head)
  head.source.release?.(head.name)
  if (isOne) return { config, parts }
  return { config: { ...config, decoder: { ...config.decoder, tieEmbeddings: false } }, parts }
}

/**
 * The parts with the one of a tied pair that is not stored as a tensor of its own, whose numbers are the other's: what an
 * adapter is to change in one of the two alone.
 */
export function withTiedTwin(parts: readonly WeightPart[]): readonly WeightPart[] {
  const [embedding, head] = [placeOf(parts, EMBEDDING), placeOf(parts, HEAD)]
  if (embedding !== null && head === null) return [twin('lm_head.weight', embedding), ...parts]
  if (head !== null && embedding === null) {
    return [twin('model.embed_tokens.weight', head), ...parts]
  }
  return parts
}

/** Whether embeddings are looked up in the files as they lie there, also where these hold other tensors that fit no config. */
export function isEmbeddingViewed(parts: readonly WeightPart[]): boolean {
  const place = placeOf(parts, EMBEDDING) ?? placeOf(parts, HEAD)
  return place === null || isViewed(place.source, place.name)
}

/** A view of a tensor under another name. Closing it closes nothing. */
function twin(name: string, { source, name: stored }: StoredPlace): WeightPart {
  const info = source.tensors.get(stored)
  return {
    source: {
      tensors: new Map(info && [[name, info]]),
      read: () => source.read(stored),
      readRows: (_, from, to) => tensorRows(source, stored, from, to),
      isView: () => isViewed(source, stored),
      readInto: (_, from, target) => rowsInto(source, stored, from, target),
      release: () => source.release?.(stored),
      close: () => {},
    },
    rules: DECODER_NAMES,
  }
}

/** Whether a tensor of this name may be one of a tied pair; the rules say which. */
export function isOfTiedPair(name: string): boolean {
  return CANDIDATE.test(name)
}

const HEAD = 'decoder.head.weight'

const CANDIDATE = /(?:embed_tokens|lm_head)\.weight$/

/** Where a parameter lies; later parts win. */
function placeOf(parts: readonly WeightPart[], path: string): StoredPlace | null {
  for (const { source, rules } of [...parts].reverse()) {
    for (const name of source.tensors.keys()) {
      if (isOfTiedPair(name) && parameterPath(rules, name) === path) return { source, name }
    }
  }
  return null
}

const HEAD_FOR_EMBEDDING: NameRule = { pattern: /^(?:.*\.)?lm_head\.weight$/, path: EMBEDDING }

function withHeadForEmbedding({ source, rules }: WeightPart): WeightPart {
  return { source, rules: [HEAD_FOR_EMBEDDING, ...rules] }
}

/** Numbers compared between two pauses. */
const BLOCK = 1 << 20

function* isSameMatrix(one: StoredPlace, other: StoredPlace): Steps<boolean> {
  const shape = one.source.tensors.get(one.name)?.shape ?? []
  if (!sameShape(shape, other.source.tensors.get(other.name)?.shape ?? [])) return false
  const [rows = 1, width = 1] = shape
  const step = Math.max(1, Math.floor(BLOCK / Math.max(1, width)))
  for (let from = 0; from < rows; from += step) {
    const to = Math.min(rows, from + step)
    const [a, b] = [one, other].map((place) => tensorRows(place.source, place.name, from, to))
    if (!hasSameNumbers(a as HostTensor, b as HostTensor)) return false
    yield
  }
  return true
}

function hasSameNumbers(a: HostTensor, b: HostTensor): boolean {
  const isOneKind = a.dtype === b.dtype
  const [x, y] = isOneKind ? [a.data, b.data] : [toFloat32(a), toFloat32(b)]
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return false
  return true
}
