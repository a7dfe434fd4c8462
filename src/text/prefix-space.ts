/**
 * Steps of a tokenizer.json without those that put a space before a text, and take it away when ids are decoded.
 *
 * transformers' LlamaTokenizer asks `add_prefix_space` of tokenizer_config.json, not the file: `false` there means none.
 * Source: transformers 5.24, `models/llama/tokenization_llama.py`; in version 4 it is converted anew, to the same steps.
 */
import { isFields, type Fields } from './tokenizer-fields.ts'

export function withoutPrefixSpace(root: Fields): Fields {
  const steps = ['normalizer', 'pre_tokenizer', 'decoder'] as const
  return { ...root, ...Object.fromEntries(steps.map((name) => [name, unprefixed(root[name])])) }
}

const LISTS = ['normalizers', 'pretokenizers', 'decoders']

/** Files nest no deeper; what does is refused as it is compiled. */
const MAX_DEPTH = 8

/** null for a step of which nothing is left. */
function unprefixed(step: unknown, depth = 0): unknown {
  if (!isFields(step) || depth > MAX_DEPTH) return step
  const { type } = step
  if (type === 'Metaspace') return { ...step, prepend_scheme: 'never' }
  // A normalizer of that name strips white space, and has no `start`.
  if (type === 'Prepend' || (type === 'Strip' && 'start' in step)) return null
  const list = LISTS.find((name) => Array.isArray(step[name]))
  if (list === undefined) return step
  const inner = (step[list] as readonly unknown[]).map((one) => unprefixed(one, depth + 1))
  return { ...step, [list]: inner.filter((one) => one !== null) }
}
