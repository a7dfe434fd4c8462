/**
 * What a form costs each token of an answer, with a model's own vocabulary: the text that is followed is what a model would
 * write, and the model itself is left out, so that nothing hides behind its steps.
 */
import type { Model, ResponseFormat } from '../index.ts'
import { GrammarThreads } from '../serve/constrained/grammar-threads-node.ts'
import { grammarVocabulary } from '../serve/constrained/grammar-vocabulary.ts'
import { grammarOf } from '../serve/constrained/response-format.ts'
import type { BenchPlan } from './bench-model.ts'
import { formatTable } from './format.ts'
import { spread, type Spread } from './spread.ts'

export type ConstraintSpeeds = {
  readonly vocabSize: number
  readonly forms: readonly {
    readonly form: string
    readonly compileMs: number
    readonly tokens: number
    /** Milliseconds of the engine's thread: waiting for the mask, applying it, telling which token it was. */
    readonly costMs: Spread
  }[]
}

/** Null where the model has no end token, and so no answers in a form. */
export async function measureConstraint(
  model: Model,
  { rounds, signal, onStep }: Pick<BenchPlan, 'rounds' | 'signal' | 'onStep'>,
): Promise<ConstraintSpeeds | null> {
  const { config, tokenizer } = model
  if (config.endTokens.length === 0) return null
  const stopIds = config.endTokens
  // Compiling is timed here, not limited.
  const limits = { compileMs: 120_000 }
  const threads = new GrammarThreads(grammarVocabulary({ config, tokenizer, stopIds }), limits)
  const forms: ConstraintSpeeds['forms'][number][] = []
  try {
    for (const { form, format, answers } of FORMS) {
      onStep(`measuring the form ${form} …`)
      const start = performance.now()
      const grammar = grammarOf(format)
      if (!grammar) continue
      ;(await threads.create(grammar, { signal })).dispose()
      const compileMs = performance.now() - start
      const texts = Array.from({ length: rounds + 1 }, () => answers).flat()
      const costs: number[] = []
      for (const [i, text] of texts.entries()) {
        signal.throwIfAborted()
        const ids = tokenizer.encode(text, { addBos: false, specialTokens: 'text' })
        const constraint = await threads.create(grammar, { signal })
        const own = await follow(constraint, ids, config.decoder.vocabSize)
        constraint.dispose()
        // The first time warms up.
        if (i >= answers.length) costs.push(...own)
      }
      // A vocabulary that cannot write the text (a made-up one) has measured nothing.
      if (costs.length === 0) continue
      forms.push({ form, compileMs, tokens: costs.length, costMs: spread(costs) })
    }
  } finally {
    await threads.dispose()
  }
  return forms.length === 0 ? null : { vocabSize: config.decoder.vocabSize, forms }
}

export function constraintLines({ vocabSize, forms }: ConstraintSpeeds): string[] {
  const rows = forms.map(({ form, compileMs, costMs }) => [
    form,
    `${costMs.p50.toFixed(3)} / ${costMs.p99.toFixed(3)} ms a token`,
    `${costMs.most.toFixed(1)} ms at most`,
    `compiled in ${compileMs.toFixed(0)} ms`,
  ])
  return [
    `answers in a form, ${vocabSize} tokens (p50 / p99):`,
    ...formatTable(rows).map((line) => `  ${line}`),
  ]
}

type Constraint = Awaited<ReturnType<GrammarThreads['create']>>

/** Lets the thread make its next mask, as the step of a model would. */
const STEP_MS = 2

async function follow(
  constraint: Constraint,
  ids: readonly number[],
  vocabSize: number,
): Promise<number[]> {
  const logits = new Float32Array(vocabSize)
  const costs: number[] = []
  for (const id of ids) {
    await new Promise((resolve) => setTimeout(resolve, STEP_MS))
    logits.fill(0)
    const start = performance.now()
    await constraint.ready()
    constraint.mask(logits)
    if (logits[id] === -Infinity) break
    constraint.accept(id)
    costs.push(performance.now() - start)
  }
  return costs
}

const PEOPLE = {
  type: 'object',
  properties: {
    caption: { type: 'string', maxLength: 200 },
    objects: {
      type: 'array',
      maxItems: 8,
      items: {
        type: 'object',
        properties: {
          name: { type: 'string' },
          count: { type: 'integer', minimum: 0, maximum: 99 },
          colour: { enum: ['red', 'green', 'blue', 'black', 'white', 'other'] },
        },
        required: ['name', 'count', 'colour'],
        additionalProperties: false,
      },
    },
    isOutdoors: { type: 'boolean' },
    date: { type: 'string', format: 'date' },
    confidence: { type: 'number' },
  },
  required: ['caption', 'objects', 'isOutdoors', 'date', 'confidence'],
  additionalProperties: false,
}

const DESCRIBED = {
  caption:
    'A man in a green coat walks two dogs along a river; behind them a ferry is leaving the pier, and it seems to be about to rain.',
  objects: [
    { name: 'man', count: 1, colour: 'green' },
    { name: 'dog on a leash', count: 2, colour: 'black' },
    { name: 'ferry', count: 1, colour: 'white' },
  ],
  isOutdoors: true,
  date: '2024-05-17',
  confidence: 0.93,
}

const FORMS: readonly {
  readonly form: string
  readonly format: ResponseFormat
  readonly answers: readonly string[]
}[] = [
  {
    form: 'json_schema',
    format: { type: 'json_schema', schema: PEOPLE },
    answers: [
      JSON.stringify(DESCRIBED),
      JSON.stringify(DESCRIBED, null, 2),
      JSON.stringify({ ...DESCRIBED, caption: 'Nothing: a white wall.', objects: [] }),
    ],
  },
  {
    form: 'json_object',
    format: { type: 'json_object' },
    answers: [JSON.stringify(DESCRIBED), JSON.stringify({ answer: [DESCRIBED, null, -1.5e3] })],
  },
  {
    form: 'regex',
    format: { type: 'regex', pattern: "[A-Z][a-z ,]{1,80}\\. It is [0-9]{1,2} o'clock\\." },
    answers: ["The clock on the tower, which is old, shows the time. It is 11 o'clock."],
  },
  {
    // A text of it can be read in as many ways as it can be cut.
    form: 'regex, ambiguous',
    format: { type: 'regex', pattern: '([A-Za-z]+[ ,]* ?)+\\.' },
    answers: [
      'A man in a green coat walks two dogs along a river, and behind them a ferry leaves.',
    ],
  },
  {
    form: 'choice',
    format: { type: 'choice', choices: ['yes', 'no', 'it cannot be seen in this picture'] },
    answers: ['it cannot be seen in this picture', 'yes'],
  },
  {
    form: 'ebnf',
    format: {
      type: 'ebnf',
      grammar: 'root ::= sum\nsum ::= part (" + " part)*\npart ::= [0-9]+ | "(" sum ")"',
    },
    answers: ['12 + (3 + 44 + (5 + 6)) + 789 + (1 + 2)'],
  },
]
