/** `llava eval BENCH…`: a model is asked a benchmark's questions, and the answers are scored. */
import { join } from 'node:path'
import { InputError } from '../core/errors.ts'
import {
  contaminationText,
  evaluate,
  FileJudgeCache,
  findBenchmark,
  isJudgeNeeded,
  JudgeBudget,
  loadWordNet,
  type EvalReport,
  type RunState,
} from '../eval/index.ts'
import type { Arguments } from './arguments.ts'
import { enginesOf, judgeLimits, judgesOf, type Engines, type Judges } from './eval-engines.ts'
import { runContamination } from './eval-contamination.ts'
import { benchmarkNames, planOf, type Plan } from './eval-files.ts'
import { formatDuration } from './format.ts'
import { measureOneByOne, oneByOneOf, type Speed } from './eval-speed.ts'
import { checkIdleOfEval } from './idle-options.ts'
import { checkOutFolder } from './out-folder.ts'
import { codeVersion } from './package.ts'
import { Progress } from './progress.ts'
import { judgeFolder, judgeLines, scoreLines } from './score.ts'
import { UsageError } from './usage-error.ts'
import type { Session } from './verb.ts'

export async function runBenchmarks(args: Arguments, session: Session): Promise<void> {
  oneByOneOf(args)
  checkOutFolder(args)
  checkIdleOfEval(args)
  for (const name of ['limit', 'max-tokens']) wholeNumber(args, name)
  const judgeBudget = new JudgeBudget(judgeLimits(args))
  const plans: Plan[] = []
  const data = args.text('data')
  for (const name of benchmarkNames(args.positionals, args, data))
    plans.push(await planOf(name, args, data))
  if (args.has('judge') && plans.every(({ benchmark }) => !benchmark.judge)) {
    const names = plans.map(({ benchmark }) => benchmark.name).join(', ')
    throw new UsageError(`--judge would do nothing: ${names} is scored by a rule.`)
  }
  // A model that is left open keeps the process alive, whatever threw.
  await using judges = await judgesOf(args, session)
  await using engines = await enginesOf(args, session)
  const results: Ran[] = []
  for (const plan of plans) {
    const report = await runPlan(plan, { args, session, engines, judges, judgeBudget })
    results.push(report)
    if (!session.terminal.isJson)
      for (const line of reportLines(report)) session.terminal.print(line)
  }
  if (session.terminal.isJson) session.terminal.json({ results: results.map(jsonOf) })
}

type Ran = { readonly report: EvalReport; readonly folder: string; readonly speed: Speed | null }

type Parts = {
  readonly args: Arguments
  readonly session: Session
  readonly engines: Engines
  readonly judges: Judges
  readonly judgeBudget: JudgeBudget
}

async function runPlan(plan: Plan, parts: Parts): Promise<Ran> {
  const { args, session, engines, judgeBudget } = parts
  const { judges } = parts.judges
  const isBlind = args.flag('blind')
  const folder = join(
    args.text('out') ?? 'eval-results',
    `${plan.benchmark.name}${isBlind ? '-blind' : ''}`,
  )
  const contamination = await runContamination(plan, { args, session })
  const progress = new Progress(session.terminal)
  try {
    const report = await evaluate({
      ...plan,
      ...(contamination ? { contamination } : {}),
      engines: engines.engines,
      batch: engines.batch,
      judges: plan.benchmark.judge ? judges : [],
      judgeCache: new FileJudgeCache(judgeFolder(args)),
      judgeBudget,
      out: folder,
      limit: wholeNumber(args, 'limit'),
      seed: args.number('seed'),
      maxTokens: wholeNumber(args, 'max-tokens'),
      isBlind,
      codeVersion: codeVersion(),
      wordNet: wordNetOf(args),
      signal: session.signal,
      onProgress: (stage, state) =>
        progress.update({ stage: `${plan.benchmark.name} ${stage}`, ...shown(state) }),
    })
    progress.end()
    return { report, folder, speed: await measureOneByOne(plan, report, args, session) }
  } finally {
    progress.end()
  }
}

function wordNetOf(args: Arguments) {
  const folder = args.text('wordnet')
  return folder === undefined ? undefined : loadWordNet(folder)
}

function wholeNumber(args: Arguments, name: string): number | undefined {
  const value = args.number(name)
  if (value === undefined || (Number.isInteger(value) && value > 0)) return value
  throw new InputError(
    'INPUT_OPTION',
    `eval: --${name} should be a whole number from 1, ${value} came.`,
  )
}

function shown({ done, total, errors, secondsLeft }: RunState) {
  const left = secondsLeft === null ? '' : `, ${formatDuration(secondsLeft)} left`
  const faults = errors === 0 ? '' : `, ${errors} errors`
  return { done, total, item: `${done}/${total}${faults}${left}` }
}

function reportLines({ report, folder, speed: alone }: Ran): string[] {
  const { run, judged } = report
  const speed = run.answered > 0 ? `, ${(run.answered / run.seconds).toFixed(1)} answers/s` : ''
  return [
    ...scoreLines(report),
    `  model ${run.model}${speed}; ${run.errors.length} errors, ${run.cutOff} cut off`,
    ...(alone ? [`  ${speedText(alone)}`] : []),
    ...(report.metrics.length === 0 && judged.length === 0
      ? [`  the answers are kept; ${whereScored(report.benchmark)}`]
      : []),
    ...(report.contamination ? [`  ${contaminationText(report.contamination)}`] : []),
    ...judgeLines(report),
    `  wrote ${[join(folder, 'result.json'), ...Object.keys(report.written), ...Object.keys(report.sheets)].join(', ')}`,
    '',
  ]
}

function whereScored(benchmark: string): string {
  return isJudgeNeeded(findBenchmark(benchmark))
    ? '--judge has them reviewed, or llava score takes what a server says'
    : 'with the truth as --labels the same command scores them, or a server what was written'
}

function speedText({ questions, perSecond, ratio }: Speed): string {
  const times =
    ratio === null
      ? 'no answer of this run to compare with'
      : `the run was ${ratio.toFixed(1)} times as fast`
  return `one by one, without caches: ${perSecond.toFixed(1)} answers/s over ${questions} questions; ${times}`
}

/** All but single questions: those are in result.json. */
function jsonOf({ report, folder, speed }: Ran) {
  const { benchmark, title, metrics, counts, recipe, run, judged, agreement, contamination } =
    report
  const found = { ...(contamination ? { contamination } : {}), ...(speed ? { speed } : {}) }
  return { benchmark, title, metrics, counts, recipe, run, judged, agreement, ...found, folder }
}
