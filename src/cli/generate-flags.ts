/** The options of `generate` as flags. */
import type { GenerateOptions } from '../index.ts'
import { isRecord } from '../serve/faults.ts'
import { parseGenerateOptions } from '../serve/generate-options.ts'
import { parseGenerationConfig } from '../serve/generation-config.ts'
import type { Arguments } from './arguments.ts'
import { readTextFile } from './read-text-file.ts'
import { UsageError } from './usage-error.ts'
import type { OptionSpec } from './verb.ts'

const SPECS: readonly OptionSpec[] = [
  { name: 'max-tokens', kind: 'number', value: 'n', about: 'Longest answer (default: 128)' },
  {
    name: 'temperature',
    kind: 'number',
    value: 't',
    about: '0 takes the best token, more draws (default: 0)',
  },
  {
    name: 'top-p',
    kind: 'number',
    value: 'p',
    about: 'Draw from the most likely tokens that make up this share',
  },
  {
    name: 'top-k',
    kind: 'number',
    value: 'k',
    about: 'Draw from this many most likely tokens; 0 from all',
  },
  {
    name: 'min-p',
    kind: 'number',
    value: 'p',
    about: "Draw from tokens of at least this share of the best one's probability",
  },
  {
    name: 'seed',
    kind: 'number',
    value: 'n',
    about: 'The same seed draws the same answer (default: 0)',
  },
  {
    name: 'repetition-penalty',
    kind: 'number',
    value: 'x',
    about: 'Over 1: tokens of prompt and answer become less likely',
  },
  {
    name: 'presence-penalty',
    kind: 'number',
    value: 'x',
    about: 'Subtracted from the logit of tokens that occurred',
  },
  {
    name: 'frequency-penalty',
    kind: 'number',
    value: 'x',
    about: 'Subtracted for each time that a token occurred',
  },
  {
    name: 'logit-bias',
    kind: 'texts',
    value: 'id=x',
    about: "Added to a token's logit; repeat for more",
  },
  { name: 'num-beams', kind: 'number', value: 'n', about: 'Beam search with so many beams' },
  {
    name: 'length-penalty',
    kind: 'number',
    value: 'x',
    about: 'Of beams: over 0 favours long answers',
  },
  {
    name: 'early-stopping',
    kind: 'text',
    choices: ['true', 'false', 'never'],
    about: 'When a beam search ends',
  },
  { name: 'n', kind: 'number', value: 'n', about: 'How many answers' },
  { name: 'stop', kind: 'texts', value: 'text', about: 'End before this text; repeat for more' },
  {
    name: 'lookup',
    kind: 'flag',
    about:
      'Guess words that came before and check several at once; needs --kv-cache f32 and --precision f32, or int8 below a width of 2048',
  },
  { name: 'ignore-eos', kind: 'flag', about: 'Go on after the end token' },
  { name: 'logprobs', kind: 'flag', about: 'Log-probabilities of the tokens; with --json' },
  {
    name: 'top-logprobs',
    kind: 'number',
    value: 'n',
    about: 'And of the n best at each step; with --json',
  },
]

/** The form of the answer: one of them at most. */
const FORMATS: readonly OptionSpec[] = [
  { name: 'schema', kind: 'text', value: 'file', about: 'JSON by the JSON Schema in this file' },
  { name: 'regex', kind: 'text', value: 'pattern', about: 'An answer that matches as a whole' },
  { name: 'choice', kind: 'texts', value: 'text', about: 'One of these texts; repeat for more' },
  { name: 'grammar', kind: 'text', value: 'file', about: 'By the EBNF grammar in this file' },
]

export const GENERATE_OPTIONS = [...SPECS, ...FORMATS].map((spec) => ({ ...spec, group: 'Answer' }))

/**
 * The options that were given. Throws UsageError or InputError for values out of range, before any model is loaded.
 */
export function generateOptions(args: Arguments): GenerateOptions {
  if ((args.has('logprobs') || args.has('top-logprobs')) && !args.flag('json')) {
    throw new UsageError('--logprobs and --top-logprobs need --json: text has no place for them.')
  }
  const options = readOptions(args)
  parseGenerateOptions(options, parseGenerationConfig(undefined))
  return options
}

function readOptions(args: Arguments): GenerateOptions {
  const options: Record<string, unknown> = {}
  for (const { name, kind } of SPECS) {
    if (args.has(name)) options[camelCase(name)] = VALUES[kind](args, name)
  }
  const early = args.text('early-stopping')
  return {
    ...options,
    ...(early !== undefined && { earlyStopping: early === 'never' ? early : early === 'true' }),
    ...(args.has('logit-bias') && { logitBias: logitBias(args.texts('logit-bias')) }),
    ...responseFormat(args),
  }
}

function responseFormat(args: Arguments): Pick<GenerateOptions, 'responseFormat'> {
  const given = FORMATS.filter(({ name }) => args.has(name)).map(({ name }) => name)
  if (given.length > 1) {
    throw new UsageError(`--${given.join(' and --')} came; an answer has one form.`)
  }
  const [schema, pattern, grammar] = ['schema', 'regex', 'grammar'].map((name) => args.text(name))
  if (schema !== undefined) {
    return { responseFormat: { type: 'json_schema', schema: readSchema(schema) } }
  }
  if (pattern !== undefined) return { responseFormat: { type: 'regex', pattern } }
  if (grammar !== undefined)
    return { responseFormat: { type: 'ebnf', grammar: readTextFile(grammar) } }
  const choices = args.texts('choice')
  return choices.length === 0 ? {} : { responseFormat: { type: 'choice', choices } }
}

/** Throws UsageError for a file that holds no schema. */
export function readSchema(path: string): object {
  const text = readTextFile(path)
  try {
    const schema: unknown = JSON.parse(text)
    if (isRecord(schema)) return schema
  } catch {
    // Told below.
  }
  throw new UsageError(`--schema ${path} should hold a JSON Schema: an object in JSON.`)
}

const VALUES: { readonly [K in OptionSpec['kind']]: (args: Arguments, name: string) => unknown } = {
  flag: () => true,
  text: (args, name) => args.text(name),
  texts: (args, name) => args.texts(name),
  number: (args, name) => args.number(name),
}

function logitBias(texts: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    texts.map((text) => {
      const [, id, amount] = /^(\d+)=(\S+)$/.exec(text) ?? []
      if (id === undefined || !Number.isFinite(Number(amount))) {
        throw new UsageError(`--logit-bias should be ID=NUMBER, such as 42=-5; "${text}" came.`)
      }
      return [id, Number(amount)]
    }),
  )
}

function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
