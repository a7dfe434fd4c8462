/** Options that would do nothing beside the others, refused by name. */
import type { Benchmark } from '../eval/index.ts'
import type { Arguments } from './arguments.ts'
import { LOAD_OPTIONS } from './load-flags.ts'
import { refuseIdle } from './refuse-idle.ts'

const OF_JUDGES = ['judge-calls', 'judge-cost', 'judge-price']
/** Of a model that is loaded here. Judges' replies and prints of training data are kept in the cache too. */
const OF_LOADING = LOAD_OPTIONS.map(({ name }) => name).filter(
  (name) => name !== 'model' && name !== 'cache-dir',
)

/** Throws UsageError. Of `llava score`, which runs no model but a judge. */
export function checkIdleOfScore(
  args: Arguments,
  { name, usesWordNet }: Pick<Benchmark, 'name' | 'usesWordNet'>,
): void {
  if (!hasJudge(args)) refuseIdle(args, [...OF_JUDGES, 'images', 'cache-dir'], 'without --judge')
  if (!usesWordNet) refuseIdle(args, ['wordnet'], `with ${name}`)
}

/** Throws UsageError. Of `llava eval BENCH…`. */
export function checkIdleOfEval(args: Arguments): void {
  if (!hasJudge(args)) refuseIdle(args, OF_JUDGES, 'without --judge')
  if (!args.has('mixture')) {
    refuseIdle(args, ['mixture-images'], 'without --mixture')
    // The check of training data looks at pictures all the same.
    if (args.flag('blind')) refuseIdle(args, ['images'], 'with --blind')
  }
  if (!args.has('engine')) return refuseIdle(args, ['engine-attempts'], 'without --engine')
  refuseIdle(args, OF_LOADING, 'with --engine; give it to the server')
}

/** Throws UsageError. Of `llava bench`, which measures one of three things. */
export function checkIdleOfBench(args: Arguments): void {
  if (args.flag('serve')) {
    return refuseIdle(args, ['label', 'prefill', 'items', 'clips'], 'with --serve')
  }
  if (args.flag('label')) return refuseIdle(args, ['prefill', 'streams'], 'with --label')
  refuseIdle(args, ['items', 'clips'], 'without --label')
}

/** Throws UsageError for any other option than these of an action that is one of several of its verb. */
export function checkIdleBut(args: Arguments, names: readonly string[], action: string): void {
  refuseIdle(
    args,
    args.given.filter((name) => !names.includes(name)),
    `with ${action}`,
  )
}

/** Throws UsageError. Of `llava data build-bench`: without a model nothing is loaded, and without anyone to answer nothing is cut. */
export function checkIdleOfBuildBench(args: Arguments): void {
  if (!args.has('mixture')) refuseIdle(args, ['mixture-images'], 'without --mixture')
  if (args.flag('no-references')) {
    refuseIdle(args, ['engine', 'engine-model', 'max-tokens'], 'with --no-references')
  }
  if (args.has('model')) return
  refuseIdle(args, OF_LOADING, 'without --model')
  if (!args.has('engine')) refuseIdle(args, ['max-tokens'], 'without --engine or --model')
}

function hasJudge(args: Arguments): boolean {
  return args.has('judge') || args.has('judge-model')
}
