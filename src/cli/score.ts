/** `llava score`: answer files of a benchmark become numbers and submissions. No model is run, but for a judge. */
import { basename, join, resolve } from 'node:path'
import { writeFileWhole } from '../core/write-file-whole-node.ts'
import {
  FileJudgeCache,
  findBenchmark,
  isJudgeNeeded,
  JudgeBudget,
  keepInputs,
  loadEvalFiles,
  loadWordNet,
  mixedVersions,
  publishedLines,
  pythonFixed,
  shownName,
  score as scoreAnswers,
  scoreJudged,
  writeSheet,
  type Benchmark,
  type EvalFile,
  type JudgedReport,
  type ScoredMetric,
  type ScoreReport,
} from '../eval/index.ts'
import { userCacheFolder, joinPath } from '../weights/node.ts'
import type { Arguments } from './arguments.ts'
import { answeredFiles, labelFiles } from './eval-files.ts'
import { JUDGE_OPTIONS, judgeLimits, judgesOf } from './eval-engines.ts'
import { formatTable } from './format.ts'
import { checkIdleOfScore } from './idle-options.ts'
import { wholeFrom0 } from './number-options.ts'
import { checkOutFolder } from './out-folder.ts'
import { codeVersion } from './package.ts'
import { Progress } from './progress.ts'
import { UsageError } from './usage-error.ts'
import type { Session, Verb } from './verb.ts'

export const score: Verb = {
  options: [
    { name: 'answers', kind: 'text', value: 'path', about: 'The answers: a file or a folder' },
    { name: 'questions', kind: 'text', value: 'path', about: 'The question file they answer' },
    { name: 'labels', kind: 'text', value: 'path', about: 'The truth: a file or a folder' },
    { name: 'out', kind: 'text', value: 'folder', about: 'Where submissions and score.json go' },
    {
      name: 'wordnet',
      kind: 'text',
      value: 'folder',
      about: "WordNet's dictionary, for nextqa-oe",
    },
    { name: 'seed', kind: 'number', value: 'n', about: 'For intervals and drawn options' },
    {
      name: 'images',
      kind: 'text',
      value: 'folder',
      about: 'Pictures that rows name, for a judge that sees them',
    },
    ...JUDGE_OPTIONS,
    { name: 'cache-dir', kind: 'text', value: 'folder', about: "Where judges' replies are kept" },
  ],
  examples: [
    'score pope --answers answers.jsonl --questions llava_pope_test.jsonl --labels coco/',
    'score mmbench --answers submission.xlsx --json',
    'score vizwiz --answers answers.jsonl --questions llava_test.jsonl --out upload/',
    'score mm-vet --answers llava-v1.5-13b.json --labels mm-vet.json --judge https://api.openai.com/v1 --judge-model gpt-4-0613',
  ],
  async run(args, session) {
    const { terminal } = session
    const benchmark = findBenchmark(args.positionals[0] as string)
    const answers = args.text('answers')
    if (answers === undefined)
      throw new UsageError('llava score needs --answers, a file or a folder.')
    checkOutFolder(args)
    checkIdleOfScore(args, benchmark)
    wholeFrom0(args, 'seed')
    const questions = args.text('questions')
    const given = {
      answers: await loadEvalFiles(answers),
      questions: questions === undefined ? [] : await answeredFiles(questions, benchmark),
      labels: await labelFiles({ args, benchmark }),
    }
    const report = await reportOf({ args, session, benchmark }, given)
    const files = writeFiles(report, args.text('out'), {
      inputs: Object.values(given).flat(),
      model: basename(resolve(answers)).replace(
        /\.(?:jsonl?|[ct]sv|xlsx|txt|parquet)(?:\.gz)?$/i,
        '',
      ),
    })
    if (terminal.isJson) terminal.json({ ...summaryOf(report), files })
    else for (const line of linesOf(report, files)) terminal.print(line)
  },
}

type Parts = {
  readonly args: Arguments
  readonly session: Session
  readonly benchmark: Benchmark
}

type Files = {
  readonly answers: readonly EvalFile[]
  readonly questions: readonly EvalFile[]
  readonly labels: readonly EvalFile[]
}

/** By the benchmark's rule, or by the judges that came. */
async function reportOf(parts: Parts, files: Files): Promise<ScoreReport | JudgedReport> {
  const { args, benchmark } = parts
  if (args.has('judge') || args.has('judge-model')) return judgedReport(parts, files)
  return scoreAnswers(benchmark.name, {
    ...files,
    seed: args.number('seed'),
    codeVersion: codeVersion(),
    ...(args.has('wordnet') && { wordNet: loadWordNet(args.text('wordnet') as string) }),
  })
}

async function judgedReport(
  { args, session, benchmark }: Parts,
  files: Files,
): Promise<JudgedReport> {
  const judgeBudget = new JudgeBudget(judgeLimits(args))
  await using owner = await judgesOf(args, session)
  const { judges } = owner
  const progress = new Progress(session.terminal)
  try {
    return await scoreJudged({
      ...files,
      benchmark,
      judges,
      judgeBudget,
      judgeCache: new FileJudgeCache(judgeFolder(args)),
      mediaFolder: args.text('images'),
      out: args.text('out'),
      seed: args.number('seed'),
      codeVersion: codeVersion(),
      signal: session.signal,
      onProgress: (stage, { done, total }) =>
        progress.update({
          stage: `${benchmark.name} ${stage}`,
          done,
          total,
          item: `${done}/${total}`,
        }),
    })
  } finally {
    progress.end()
  }
}

/** Where judges' replies are kept, for `score` and `eval` alike. */
export function judgeFolder(args: Arguments): string {
  return joinPath(args.text('cache-dir') ?? userCacheFolder(), 'judge')
}

/** All but single questions and whole files: those go to `--out`. */
function summaryOf(report: ScoreReport | JudgedReport) {
  const { benchmark, title, metrics, counts, recipe, printed } = report
  const judges = 'judged' in report ? { judged: report.judged, agreement: report.agreement } : {}
  return { benchmark, title, metrics, counts, recipe, printed, ...judges }
}

function writeFiles(
  report: ScoreReport | JudgedReport,
  folder: string | undefined,
  {
    inputs,
    model,
  }: {
    readonly inputs: readonly EvalFile[]
    /** As the file or folder of the answers is called: so official scripts name models. */
    readonly model: string
  },
): string[] {
  if (folder === undefined) return []
  const result = { ...summaryOf(report), model, outcomes: report.outcomes, units: report.units }
  const texts = { ...report.written, 'score.json': `${JSON.stringify(result, null, 2)}\n` }
  const sheets = Object.entries(report.sheets).map(
    ([name, rows]) => [name, writeSheet(rows)] as const,
  )
  const tables = Object.fromEntries(sheets.map(([name]) => [name, null]))
  keepInputs(folder, { ...texts, ...tables }, inputs)
  return [...Object.entries(texts), ...sheets].map(([name, content]) => {
    const path = join(folder, name)
    writeFileWhole(path, content)
    return path
  })
}

/** Title, numbers with intervals and published rows, counts and the recipe's hash. */
export function scoreLines({
  benchmark,
  title,
  metrics,
  counts,
  recipe,
}: Pick<ScoreReport, 'benchmark' | 'title' | 'metrics' | 'counts'> & {
  recipe: { hash: string }
}): string[] {
  const lines = [title]
  if (metrics.length === 0) lines.push(`  no score: ${reasonOfNone(benchmark, counts)}`)
  else {
    const rows = formatTable(metrics.map(rowOf))
    lines.push(
      ...metrics.flatMap(({ published }, i) => [
        `  ${rows[i]}`,
        ...publishedLines(published).map((line) => `    published: ${line}`),
      ]),
    )
  }
  const shown = Object.entries(counts).map(([name, count]) => `${count} ${name}`)
  lines.push('', `  ${shown.join(', ')}; recipe ${recipe.hash.slice(0, 12)}`)
  const { missing } = findBenchmark(benchmark)
  if (missing !== undefined && counts.missing > 0) lines.push(`  ${missing}`)
  return lines
}

function reasonOfNone(
  name: string,
  { unreadable, answers, missing }: ScoreReport['counts'],
): string {
  const benchmark = findBenchmark(name)
  if (answers === 0 && missing > 0) return 'not one question has all its answers'
  if (benchmark.judge && unreadable > 0 && unreadable === answers)
    return 'not one verdict can be read'
  return isJudgeNeeded(benchmark)
    ? 'no judge has read the answers; --judge has them reviewed'
    : 'the truth did not come, or only a server knows it'
}

/** Who judged and how it went, a line for each judge, and how far two agree. */
export function judgeLines({ judged, agreement }: Pick<JudgedReport, 'judged' | 'agreement'>) {
  return [
    ...judged.flatMap((one) => {
      const { judge, versions, isOwnTemperature, reviews, nonsense, suspicious, calls, cached } =
        one
      const mixed = mixedVersions(one)
      return [
        `  judge ${[judge, ...versions.filter((one) => one !== judge)].join(', answered by ')}${isOwnTemperature ? ', at its own temperature' : ''}: ${reviews} reviews (${calls} calls, ${cached} kept), ${nonsense.length} without a verdict, ${suspicious.length} answers that speak to the judge`,
        ...(mixed === null
          ? []
          : [`  warning: ${mixed}; ask one version for all, with an empty --cache-dir`]),
      ]
    }),
    ...(agreement
      ? [
          `  judges agree on ${agreement.equal} of ${agreement.both}, rank correlation ${agreement.rank?.toFixed(2) ?? '–'}`,
        ]
      : []),
  ]
}

function linesOf(report: ScoreReport | JudgedReport, files: readonly string[]): string[] {
  const { written, sheets, printed } = report
  const lines = [...scoreLines(report), ...('judged' in report ? judgeLines(report) : [])]
  if (printed !== null) {
    lines.push('', '  the official script prints:')
    lines.push(
      ...printed
        .trimEnd()
        .split('\n')
        .map((line) => `  ${line}`),
      '',
    )
  }
  if (files.length > 0) lines.push(...files.map((file) => `  wrote ${file}`))
  else {
    const names = [...Object.keys(written), ...Object.keys(sheets)]
    if (names.length > 0) lines.push(`  --out FOLDER writes ${names.join(', ')}`)
  }
  return lines
}

function rowOf(metric: ScoredMetric): string[] {
  const { value, digits, interval95, baseline } = metric
  const show = (number: number) => pythonFixed(number, digits)
  return [
    shownName(metric),
    value === null ? '–' : show(value),
    interval95 ? `[${show(interval95.low)}, ${show(interval95.high)}]` : '',
    baseline ? `${baseline.name} ${show(baseline.value)}` : '',
  ]
}
