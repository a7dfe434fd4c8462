/** `llava score`: answer files of a benchmark become numbers and submissions. No model is run. */
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { makeFolderSync } from '../core/make-folder-node.ts'
import {
  findBenchmark,
  loadEvalFiles,
  loadWordNet,
  score as scoreAnswers,
  writeSheet,
  type ScoredMetric,
  type ScoreReport,
} from '../eval/index.ts'
import { formatTable } from './format.ts'
import { checkOutFolder } from './out-folder.ts'
import { UsageError } from './usage-error.ts'
import type { Verb } from './verb.ts'

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
  ],
  examples: [
    'score pope --answers answers.jsonl --questions llava_pope_test.jsonl --labels coco/',
    'score mmbench --answers submission.xlsx --json',
    'score vizwiz --answers answers.jsonl --questions llava_test.jsonl --out upload/',
  ],
  async run(args, { terminal }) {
    const benchmark = findBenchmark(args.positionals[0] as string)
    const answers = args.text('answers')
    if (answers === undefined)
      throw new UsageError('llava score needs --answers, a file or a folder.')
    checkOutFolder(args)
    const read = async (name: string, pick?: Parameters<typeof loadEvalFiles>[1]) => {
      const path = args.text(name)
      return path === undefined ? [] : loadEvalFiles(path, pick)
    }
    const report = await scoreAnswers(benchmark.name, {
      answers: await loadEvalFiles(answers),
      questions: await read('questions', benchmark.ask?.pick),
      labels: await read('labels', benchmark.ask?.pickLabels),
      seed: args.number('seed'),
      ...(args.has('wordnet') && { wordNet: loadWordNet(args.text('wordnet') as string) }),
    })
    const files = writeFiles(report, args.text('out'))
    if (terminal.isJson) terminal.json({ ...summaryOf(report), files })
    else for (const line of linesOf(report, files)) terminal.print(line)
  },
}

/** All but single questions and whole files: those go to `--out`. */
function summaryOf({ benchmark, title, metrics, counts, recipe, printed }: ScoreReport) {
  return { benchmark, title, metrics, counts, recipe, printed }
}

function writeFiles(report: ScoreReport, folder: string | undefined): string[] {
  if (folder === undefined) return []
  const result = { ...summaryOf(report), outcomes: report.outcomes }
  const files = { ...report.written, 'score.json': `${JSON.stringify(result, null, 2)}\n` }
  const sheets = Object.entries(report.sheets).map(
    ([name, rows]) => [name, writeSheet(rows)] as const,
  )
  return [...Object.entries(files), ...sheets].map(([name, content]) => {
    const path = join(folder, name)
    makeFolderSync(dirname(path))
    writeFileSync(path, content)
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
  if (metrics.length === 0)
    lines.push(
      counts.unreadable > 0 && counts.unreadable === counts.answers
        ? '  no score: not one verdict can be read'
        : findBenchmark(benchmark).judge
          ? '  no score: no judge has read the answers'
          : '  no score: the truth did not come, or only a server knows it',
    )
  else lines.push(...formatTable(metrics.map(rowOf)).map((line) => `  ${line}`))
  const shown = Object.entries(counts).map(([name, count]) => `${count} ${name}`)
  lines.push('', `  ${shown.join(', ')}; recipe ${recipe.hash.slice(0, 12)}`)
  return lines
}

function linesOf(report: ScoreReport, files: readonly string[]): string[] {
  const { written, sheets, printed } = report
  const lines = scoreLines(report)
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

function rowOf({ name, value, digits, interval95, baseline, published }: ScoredMetric): string[] {
  const show = (number: number) => number.toFixed(digits)
  return [
    name,
    value === null ? '–' : show(value),
    interval95 ? `[${show(interval95.low)}, ${show(interval95.high)}]` : '',
    baseline ? `${baseline.name} ${show(baseline.value)}` : '',
    published.length > 0
      ? `published: ${published.map((row) => `${row.model} ${row.value}`).join(', ')}`
      : '',
  ]
}
