/** What a score was made by: enough to make it again, and a hash that is the same for the same. */
import { InputError } from '../core/errors.ts'
import type { Contamination } from '../data/contamination.ts'
import type { AnswerEngine } from './answer-engine.ts'
import type { Benchmark } from './benchmark.ts'
import type { EvalFile } from './eval-file.ts'
import type { Judge } from './judge.ts'
import type { WordNet } from './metrics/wordnet.ts'
import { namedMedia, truthId, type AskSpec, type Question } from './question.ts'
import { hashFiles, hashText } from './recipe-hash.ts'

export type EvalRecipe = {
  readonly hash: string
  readonly benchmark: string
  /** How answers are read and added up. */
  readonly rule: string
  /** How the prompt is made. */
  readonly prompt: string
  readonly isBlind: boolean
  readonly decoding: {
    readonly temperature: number
    readonly numBeams: number
    /** The longest answers, one for each kind of question. */
    readonly maxTokens: readonly number[]
  }
  /** Model and weights, layout, precision, template, picture processing: the engine's own account. */
  readonly model: AnswerEngine['identity']
  readonly judge: readonly Judge['identity'][] | null
  readonly questions: {
    readonly sha256: string
    readonly count: number
    /** Of the names and sizes of pictures and clips that are files of their own; null where there are none. */
    readonly media: string | null
    /** Of the questions' names, where not all were asked. */
    readonly selection: string | null
  }
  readonly labels: string | null
  readonly seed: number
  /** Of the dictionary and tagger that words were compared by, where they were. */
  readonly wordNet?: string | null
  /** The training data that the questions were compared with, where they were: the hash of its rows. */
  readonly training?: string
  /** Version of this program, with its commit where it is a clone: `1.0.0+1a2b3c4d5e6f`. */
  readonly code: string
}

/** Throws InputError unless all engines are of one model. */
export async function makeRecipe(parts: {
  readonly benchmark: Benchmark
  readonly ask: AskSpec
  readonly questions: readonly EvalFile[]
  readonly labels: readonly EvalFile[]
  readonly asked: readonly Question[]
  /** The size of a picture's or clip's file. */
  readonly sizeOf?: (name: string) => number | null
  readonly limit?: number | undefined
  readonly engines: readonly AnswerEngine[]
  readonly judges?: readonly Judge[]
  readonly isBlind?: boolean
  readonly maxTokens?: number | undefined
  readonly seed?: number | undefined
  readonly wordNet?: WordNet | undefined
  readonly codeVersion: string
  readonly contamination?: Contamination | undefined
}): Promise<EvalRecipe> {
  const { benchmark, ask, asked, engines, judges = [] } = parts
  const most = parts.maxTokens ?? Number.POSITIVE_INFINITY
  const longest = new Set(asked.map(({ maxTokens }) => Math.min(maxTokens, most)))
  const recipe = {
    benchmark: benchmark.name,
    rule: benchmark.rule,
    prompt: ask.prompt,
    isBlind: parts.isBlind ?? false,
    decoding: { temperature: 0, numBeams: 1, maxTokens: [...longest].sort((a, b) => a - b) },
    model: oneIdentity(engines),
    judge: judges.length > 0 ? judges.map(({ identity }) => identity) : null,
    questions: {
      sha256: await hashFiles(parts.questions),
      count: asked.length,
      media: await mediaHash(asked, parts.sizeOf),
      selection:
        parts.limit === undefined ? null : await hashText(JSON.stringify(asked.map(truthId))),
    },
    labels: parts.labels.length > 0 ? await hashFiles(parts.labels) : null,
    seed: parts.seed ?? benchmark.seed ?? 0,
    ...(benchmark.usesWordNet ? { wordNet: parts.wordNet?.sha256 ?? null } : {}),
    ...(parts.contamination ? { training: parts.contamination.training.sha256 } : {}),
    code: parts.codeVersion,
  }
  return hashed(recipe)
}

/** The same with those who judged, once their replies have told who they are. */
export function judgedRecipe(
  { hash: _hash, ...recipe }: EvalRecipe,
  judge: readonly Judge['identity'][],
): Promise<EvalRecipe> {
  return hashed({ ...recipe, judge })
}

async function hashed(recipe: Omit<EvalRecipe, 'hash'>): Promise<EvalRecipe> {
  return { hash: await hashText(JSON.stringify(recipe)), ...recipe }
}

async function mediaHash(
  asked: readonly Question[],
  sizeOf: (name: string) => number | null = () => null,
): Promise<string | null> {
  const names = namedMedia(asked)
  if (names.length === 0) return null
  return hashText(JSON.stringify([...names].sort().map((name) => [name, sizeOf(name)])))
}

function oneIdentity(engines: readonly AnswerEngine[]): AnswerEngine['identity'] {
  const texts = new Set(engines.map(({ identity }) => JSON.stringify(identity)))
  const [first] = engines
  if (first && texts.size === 1) return first.identity
  throw new InputError(
    'INPUT_ENGINES_DIFFER',
    `eval: one or more engines of the same model should come, ${engines.length} of ${texts.size} models came; run one model at a time.`,
  )
}
