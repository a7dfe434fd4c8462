/**
 * Post-processors: the special tokens that a tokenizer puts around a text.
 *
 * Source: huggingface/tokenizers, src/processors (0.23); the form for a single text only.
 */
import {
  asFields,
  asId,
  asList,
  asText,
  damaged,
  unsupported,
  type Fields,
} from './tokenizer-fields.ts'

export type Around = { readonly before: readonly number[]; readonly after: readonly number[] }

const NOTHING: Around = { before: [], after: [] }

/** What `json` puts before and after a text; null means nothing. Throws ConfigError for a type not in the table. */
export function compilePostProcessor(json: unknown, where = 'post_processor', depth = 0): Around {
  if (json === null || json === undefined) return NOTHING
  if (depth > 8) throw unsupported(where, 'nested too deeply', '8 levels')
  const fields = asFields(json, where)
  const type = asText(fields['type'], `${where}.type`)
  if (type === 'ByteLevel') return NOTHING
  if (type === 'TemplateProcessing') return template(fields, where)
  if (type === 'BertProcessing' || type === 'RobertaProcessing') return pairOfTokens(fields, where)
  if (type !== 'Sequence') {
    throw unsupported(where, type, 'TemplateProcessing, ByteLevel, RobertaProcessing, Sequence')
  }
  const steps = asList(fields['processors'], `${where}.processors`).map((step, i) =>
    compilePostProcessor(step, `${where}.processors[${i}]`, depth + 1),
  )
  return steps.reduce(
    (inner, outer) => ({
      before: [...outer.before, ...inner.before],
      after: [...inner.after, ...outer.after],
    }),
    NOTHING,
  )
}

function template(fields: Fields, where: string): Around {
  const known = asFields(fields['special_tokens'] ?? {}, `${where}.special_tokens`)
  const around = { before: [] as number[], after: [] as number[] }
  let texts = 0
  asList(fields['single'], `${where}.single`).forEach((item, i) => {
    const piece = asFields(item, `${where}.single[${i}]`)
    if (piece['Sequence'] !== undefined) texts++
    else {
      const token = asFields(piece['SpecialToken'], `${where}.single[${i}].SpecialToken`)
      const name = asText(token['id'], `${where}.single[${i}].SpecialToken.id`)
      const entry = asFields(known[name], `${where}.special_tokens[${JSON.stringify(name)}]`)
      const ids = asList(entry['ids'], `${where}.special_tokens[${JSON.stringify(name)}].ids`)
      const side = texts > 0 ? around.after : around.before
      for (const id of ids) side.push(asId(id, `${where}.special_tokens.ids`))
    }
  })
  if (texts !== 1) throw damaged(`${where}.single`, 'the text once', `${texts} times`)
  return around
}

function pairOfTokens(fields: Fields, where: string): Around {
  const id = (name: string): number =>
    asId(asList(fields[name], `${where}.${name}`)[1], `${where}.${name}`)
  return { before: [id('cls')], after: [id('sep')] }
}
