/**
 * Normalizers: what happens to the text between added tokens before it is cut into pieces.
 *
 *   text ─ added tokens ─ **normalizer** ─ pre-tokenizer ─ model ─▶ ids
 *
 * Source: huggingface/tokenizers, src/normalizers (0.23).
 */
import { unsupported, asFields, asFlag, asList, asText, type Fields } from './tokenizer-fields.ts'
import { toByteChars } from './tokenizer-bytes.ts'
import { compilePattern } from './pre-tokenizer-regex.ts'
import { checkGrowth, longestFrom, replaceMatches } from './text-growth.ts'

export type Normalizer = (text: string) => string

/** `most`: characters that the result may have. */
type Step = (text: string, most: number) => string

/** The normalizer that `json` describes; null means none. Throws ConfigError for a type not in the table. */
export function compileNormalizer(json: unknown): Normalizer {
  const step = compileStep(json, 'normalizer', 0)
  return (text) => step(text, longestFrom(text.length))
}

function compileStep(json: unknown, where: string, depth: number): Step {
  if (json === null || json === undefined) return (text) => text
  const fields = asFields(json, where)
  const type = asText(fields['type'], `${where}.type`)
  if (type === 'Sequence') return compileSequence(fields, where, depth)
  const build = Object.hasOwn(BUILDERS, type) ? BUILDERS[type] : undefined
  if (!build) throw unsupported(where, type, `${Object.keys(BUILDERS).join(', ')}, Sequence`)
  return build(fields, where)
}

/** Deeper than any file; keeps a hostile one from exhausting the stack. */
const MAX_DEPTH = 8

function compileSequence(fields: Fields, where: string, depth: number): Step {
  if (depth > MAX_DEPTH) throw unsupported(where, 'nested too deeply', `${MAX_DEPTH} levels`)
  const list = asList(fields['normalizers'], `${where}.normalizers`)
  const steps = list.map((step, i) => compileStep(step, `${where}.normalizers[${i}]`, depth + 1))
  return (text, most) =>
    steps.reduce((current, step) => {
      const next = step(current, most)
      checkGrowth(where, next.length, most)
      return next
    }, text)
}

const BUILDERS: { readonly [type: string]: (fields: Fields, where: string) => Step } = {
  NFC: () => (text) => text.normalize('NFC'),
  NFD: () => (text) => text.normalize('NFD'),
  NFKC: () => (text) => text.normalize('NFKC'),
  NFKD: () => (text) => text.normalize('NFKD'),
  // Character by character: a final sigma depends on its context in String.prototype.toLowerCase, not there.
  Lowercase: () => (text) => text.replace(/\P{ASCII}|[A-Z]+/gu, (char) => char.toLowerCase()),
  StripAccents: () => (text) => text.replace(/\p{M}+/gu, ''),
  ByteLevel: () => toByteChars,
  Prepend: (fields, where) => {
    const prefix = asText(fields['prepend'], `${where}.prepend`)
    return (text) => (text === '' ? text : prefix + text)
  },
  Replace: (fields, where) => {
    const content = asText(fields['content'], `${where}.content`)
    const pattern = compilePattern(fields['pattern'], `${where}.pattern`)
    return (text, most) => replaceMatches(text, pattern, { content, where, most })
  },
  Strip: (fields, where) => {
    const left = asFlag(fields['strip_left'], false, `${where}.strip_left`)
    const right = asFlag(fields['strip_right'], false, `${where}.strip_right`)
    return (text) => {
      const cut = left ? text.replace(/^\p{White_Space}+/u, '') : text
      return right ? trimEnd(cut) : cut
    }
  },
}

/** By hand: /\s+$/ is quadratic in runs of spaces that do not end the text. */
function trimEnd(text: string): string {
  let end = text.length
  while (end > 0 && /\p{White_Space}/u.test(text[end - 1] as string)) end--
  return text.slice(0, end)
}
