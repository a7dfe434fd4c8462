/**
 * A report over results: one HTML page that needs nothing else, and a table in Markdown, which is also the model card's
 * section.
 */
import type { EvalReport, AskedOutcome, RunFacts } from './evaluate-node.ts'
import type { EvalRecipe } from './eval-recipe.ts'
import { dataUrl } from '../serve/remote/media-url.ts'
import { contaminationText } from './contamination-node.ts'
import {
  barChart,
  modelChart,
  radarChart,
  strengthChart,
  type BarRow,
  type StrengthPoint,
} from './report-charts.ts'
import { mixedVersions } from './judge-names.ts'
import { pythonFixed } from './python-text.ts'
import { labelled } from './report-labels.ts'
import { publishedLines, shownName, type PublishedScore } from './benchmark.ts'

export type ReportedResult = Pick<
  EvalReport,
  | 'benchmark'
  | 'title'
  | 'metrics'
  | 'counts'
  | 'outcomes'
  | 'judged'
  | 'agreement'
  | 'contamination'
> & {
  /** Of answers that came in files, `llava score`, no more is known than the hash and what the file is called. */
  readonly recipe: Pick<EvalRecipe, 'hash'> & Partial<EvalRecipe>
  readonly run: Pick<RunFacts, 'model'> & Partial<RunFacts>
  /** The worst answers, with their pictures where they were kept. */
  readonly examples: readonly {
    readonly outcome: AskedOutcome
    readonly pictures: readonly Uint8Array[]
  }[]
}

type Metric = EvalReport['metrics'][number]

/** A row for each number, those of several models one below the other. */
export function markdownReport(results: readonly ReportedResult[]): string {
  const scored = results.some(({ run }) => !run.errors)
    ? ' (where no number of errors stands, `llava score` scored answers that came in files)'
    : ''
  const lines = [
    '## Evaluation',
    '',
    '| benchmark | model | metric | score | 95 % interval | without the picture, or guessed | published | questions | errors | recipe |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...numbersOf(results.filter(({ recipe }) => !recipe.isBlind)).map(({ result, metric }) =>
      markdownRow(result, metric, results),
    ),
    '',
    `Scores are of this program: \`llava eval\` asked the released questions, greedily${scored}; intervals are percentile bootstraps over what was drawn independently: questions, or the pictures, rotations and answers that they share.`,
    '',
  ]
  return lines.join('\n')
}

function markdownRow(
  result: ReportedResult,
  metric: Metric,
  results: readonly ReportedResult[],
): string {
  const { title, run, recipe } = result
  const cells = [
    title,
    run.model,
    metricName(metric, result),
    shown(metric),
    metric.interval95
      ? `${pythonFixed(metric.interval95.low, metric.digits)}–${pythonFixed(metric.interval95.high, metric.digits)}`
      : '',
    guessOf(result, metric, results),
    publishedLines(metric.published).join('; '),
    questionsOf(metric, result),
    errorsOf(run),
    `\`${recipe.hash.slice(0, 12)}\``,
  ]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
}

/** Nothing where another program asked. */
function errorsOf({ errors }: ReportedResult['run']): string {
  return errors ? String(errors.length) : ''
}

/** A judge's number is that of its judge: another one gives another. */
function metricName(metric: Metric, { judged }: ReportedResult): string {
  const [first] = judged
  if (!first) return shownName(metric)
  const { judge, versions = [] } = first
  return shownName(metric, `judge ${versions.length > 0 ? versions.join(' and ') : judge}`)
}

/** A part has its own; where it is not known how many those are, nothing is said. */
function questionsOf(metric: Metric, { metrics, counts }: ReportedResult): string {
  const { questions = metric === metrics[0] ? counts.questions : null } = metric
  return questions === null ? '' : String(questions)
}

type ShownNumber = { readonly result: ReportedResult; readonly metric: Metric }

/** By benchmark and metric, in the order in which they come first, so that models stand beside each other. */
function numbersOf(results: readonly ReportedResult[]): ShownNumber[] {
  const groups = new Map<string, Map<string, ShownNumber[]>>()
  for (const result of results) {
    const group = groups.get(result.title) ?? new Map<string, ShownNumber[]>()
    groups.set(result.title, group)
    for (const metric of headline(result)) {
      group.set(metric.name, [...(group.get(metric.name) ?? []), { result, metric }])
    }
  }
  return [...groups.values()].flatMap((group) => [...group.values()].flat())
}

/** The numbers that benchmarks are known by: the first, and those with published rows, else with a guess beside them. */
function headline({ metrics }: ReportedResult): readonly Metric[] {
  const known = metrics.filter(({ published }) => published.length > 0)
  return metrics.filter(
    (metric, i) => i === 0 || (known.length > 0 ? known.includes(metric) : metric.baseline),
  )
}

function shown({ value, digits }: Metric): string {
  return value === null ? '–' : pythonFixed(value, digits)
}

/** The blind run's score of the same questions and model, else the baseline that the benchmark itself states. */
function guessOf(
  result: ReportedResult,
  metric: Metric,
  results: readonly ReportedResult[],
): string {
  const blind = results.find(
    (other) =>
      other.recipe.isBlind &&
      other.benchmark === result.benchmark &&
      other.run.model === result.run.model &&
      namesOf(other) === namesOf(result),
  )
  const value = blind?.metrics.find(({ name }) => name === metric.name)
  if (value) return `${shown(value)} (blind)`
  return metric.baseline
    ? `${pythonFixed(metric.baseline.value, metric.digits)} (${metric.baseline.name})`
    : ''
}

/** What was asked: a run may have been limited. */
function namesOf({ outcomes }: ReportedResult): string {
  return JSON.stringify(outcomes.map(({ id }) => id).sort())
}

/** Charts are drawn here: the page runs no script. */
export async function htmlReport(results: readonly ReportedResult[]): Promise<string> {
  const seen = results.filter(({ recipe }) => !recipe.isBlind)
  const sections = await Promise.all(seen.map((result) => resultSection(result)))
  const named = labelled(seen)
  const body = [
    '<h1>Evaluation</h1>',
    summaryTable(seen, results),
    await modelsSection(named),
    await strengthSection(named),
    ...sections,
  ]
  return `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Evaluation</title><style>${STYLE}</style></head>\n<body>\n${body.join('\n')}\n</body></html>\n`
}

const STYLE =
  'body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}' +
  'table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d8dee4;vertical-align:top}' +
  'td:nth-child(2),td.n,summary{white-space:nowrap}td.n{text-align:right;font-variant-numeric:tabular-nums}pre{white-space:pre-wrap;background:#f6f8fa;padding:.6rem;overflow-wrap:anywhere}' +
  '.wide{overflow-x:auto}.examples{display:grid;grid-template-columns:repeat(auto-fill,minmax(16rem,1fr));gap:1rem}.examples img{max-width:100%;max-height:14rem}' +
  'figure{margin:0;border:1px solid #d8dee4;padding:.6rem}svg{max-width:100%;height:auto}'

function summaryTable(seen: readonly ReportedResult[], results: readonly ReportedResult[]): string {
  const head = [
    'benchmark',
    'model',
    'metric',
    'score',
    '95 % interval',
    'blind or guessed',
    'published',
    'questions',
    'missing',
    'errors',
    'recipe',
  ]
  const rows = numbersOf(seen).map(({ result, metric }) => {
    const { counts, run, recipe } = result
    const interval = metric.interval95
    return [
      text(result.title),
      text(run.model),
      text(metricName(metric, result)),
      number(shown(metric)),
      number(
        interval
          ? `${pythonFixed(interval.low, metric.digits)} – ${pythonFixed(interval.high, metric.digits)}`
          : '',
      ),
      text(guessOf(result, metric, results)),
      publishedCell(metric.published),
      number(questionsOf(metric, result)),
      number(String(counts.missing)),
      number(errorsOf(run)),
      `<td><code>${escapeHtml(recipe.hash.slice(0, 12))}</code></td>`,
    ].join('')
  })
  return `<div class="wide"><table><thead><tr>${head.map((cell) => `<th>${cell}</th>`).join('')}</tr></thead><tbody>${rows.map((row) => `<tr>${row}</tr>`).join('\n')}</tbody></table></div>`
}

function publishedCell(published: readonly PublishedScore[]): string {
  if (published.length === 0) return '<td></td>'
  const items = published.map(
    ({ model, value, source }) =>
      `<li>${escapeHtml(model)} <b>${value}</b> <small>${escapeHtml(source)}</small></li>`,
  )
  return `<td><details><summary>${published.length} ${published.length === 1 ? 'model' : 'models'}</summary><ul>${items.join('')}</ul></details></td>`
}

async function modelsSection(results: readonly ReportedResult[]): Promise<string> {
  const models = new Set(results.map(({ run }) => run.model))
  const rows = results.flatMap((result): BarRow[] => {
    const metric = scoreOf(result)
    return metric && metric.value !== null && metric.unit === 'percent'
      ? [barOf(metric, result.title, result.run.model)]
      : []
  })
  if (models.size < 2 || rows.length < 2) return ''
  const shared = sharedRows(rows, models.size)
  // A circle needs three directions, and models are compared on what all of them were asked.
  const isRound = new Set(shared.map(({ category }) => category)).size >= 3
  return `<h2>Models</h2>${isRound ? await radarChart(shared) : ''}${await modelChart(rows)}`
}

/** The benchmark's number, where more of it is better: a share of faults is no score beside others. */
function scoreOf(result: ReportedResult): Metric | undefined {
  const [metric] = headline(result)
  return metric?.isLowerBetter === true ? undefined : metric
}

/** Of the benchmarks that every model has a score of. */
function sharedRows(rows: readonly BarRow[], models: number): BarRow[] {
  const seen = new Map<string, Set<string>>()
  for (const { category, model } of rows) {
    seen.set(category, (seen.get(category) ?? new Set()).add(model))
  }
  return rows.filter(({ category }) => seen.get(category)?.size === models)
}

/** A language model's own strength, by MMLU, against what it scores with pictures. */
async function strengthSection(results: readonly ReportedResult[]): Promise<string> {
  // Without examples where some have it, else with five: one line compares like with like.
  const test = results.some(({ benchmark }) => benchmark === 'mmlu') ? 'mmlu' : 'mmlu-5'
  const strength = new Map(
    results
      .filter(({ benchmark }) => benchmark === test)
      .map(({ run, metrics }) => [run.model, metrics[0]?.value ?? null]),
  )
  const points = results.flatMap((result): StrengthPoint[] => {
    const x = strength.get(result.run.model) ?? null
    const metric = scoreOf(result)
    if (
      result.benchmark.startsWith('mmlu') ||
      x === null ||
      !metric ||
      metric.value === null ||
      metric.unit !== 'percent'
    )
      return []
    return [{ model: result.run.model, benchmark: result.title, strength: x, score: metric.value }]
  })
  const models = new Set(points.map(({ model }) => model))
  if (models.size < 3 || new Set(strength.values()).size < 2) return ''
  const others = [...new Set(results.map(({ run }) => run.model))].filter((one) => !models.has(one))
  const note =
    others.length > 0 ? `<p>Not shown, without MMLU: ${escapeHtml(others.join(', '))}</p>` : ''
  return `<h2>Strength of the language model</h2>${note}${await strengthChart(points)}`
}

async function resultSection(result: ReportedResult): Promise<string> {
  const { title, run, metrics, judged, agreement, recipe, contamination } = result
  const bars = metrics
    .filter(
      ({ value, unit, isLowerBetter }) => value !== null && unit === 'percent' && !isLowerBetter,
    )
    .map((metric) => barOf(metric, metric.name, run.model))
  const points = pointBars(result)
  const charts = [
    ...(bars.length > 1 ? [await barChart(bars)] : []),
    ...(points.length > 1 ? [await barChart(points, 'points')] : []),
  ]
  const facts = [
    run.errors
      ? `${run.errors.length} errors, ${run.cutOff} answers cut off at their longest, batch ${run.batch}`
      : 'answers that came in files, scored by llava score: how they were asked is not known, and their pictures are not shown',
    ...(contamination ? [contaminationText(contamination)] : []),
    ...judged.flatMap((one) => {
      const { judge, versions = [], isOwnTemperature, reviews, nonsense, suspicious, cost } = one
      const mixed = mixedVersions(one)
      return [
        `judge ${judge}${versions.length > 0 ? ` (answered by ${versions.join(', ')})` : ''}${isOwnTemperature ? ', at its own temperature' : ''}: ${reviews} reviews, ${nonsense.length} without a verdict, ${suspicious.length} answers that speak to the judge, cost ${cost.toFixed(2)}`,
        ...(mixed === null ? [] : [`warning: ${mixed}`]),
      ]
    }),
    ...(agreement
      ? [
          `judges: ${agreement.equal} of ${agreement.both} verdicts the same, rank correlation ${agreement.rank?.toFixed(2) ?? '–'}, kappa ${agreement.kappa?.toFixed(2) ?? '–'}`,
        ]
      : []),
  ]
  const nonsense = judged.flatMap((one) => one.nonsense).slice(0, 10)
  return [
    `<h2>${escapeHtml(title)}: ${escapeHtml(run.model)}</h2>`,
    `<p>${facts.map(escapeHtml).join('<br>')}</p>`,
    ...charts,
    examples(result.examples),
    nonsense.length > 0
      ? `<h3>What judges said that is no verdict</h3><pre>${escapeHtml(nonsense.map(({ id, content }) => `${id}: ${content}`).join('\n'))}</pre>`
      : '',
    `<details><summary>recipe</summary><pre>${escapeHtml(JSON.stringify(recipe, null, 2))}</pre></details>`,
  ].join('\n')
}

/** Parts on the benchmark's own scale; its totals are of another size, and published where its parts are not. */
function pointBars({ metrics, run }: ReportedResult): BarRow[] {
  const all = metrics.filter(({ value, unit }) => value !== null && unit === 'points')
  const parts = all.filter(({ published }) => published.length === 0)
  return (parts.length > 1 ? parts : all).map((metric) => barOf(metric, metric.name, run.model))
}

function barOf(metric: Metric, category: string, model: string): BarRow {
  const value = metric.value ?? 0
  return {
    category,
    model,
    value,
    low: metric.interval95?.low ?? value,
    high: metric.interval95?.high ?? value,
    guess: metric.baseline?.value ?? null,
  }
}

function examples(list: ReportedResult['examples']): string {
  if (list.length === 0) return ''
  const figures = list.map(({ outcome, pictures }) => {
    const images = pictures.map((picture) => `<img alt="" src="${dataUrl(picture)}">`)
    const words = [
      ['asked', outcome.prompt ?? ''],
      ['expected', outcome.expected],
      ['given', outcome.given],
      ['read as', outcome.read],
      ['judge said', outcome.judged ?? ''],
    ].filter(([, value]) => value !== '')
    const shown = words.map(([name, value]) => `<b>${name}</b> ${escapeHtml(clip(value ?? ''))}`)
    return `<figure>${images.join('')}<figcaption>${escapeHtml(outcome.id)}<br>${shown.join('<br>')}</figcaption></figure>`
  })
  return `<h3>Worst answers</h3><div class="examples">${figures.join('\n')}</div>`
}

function clip(value: string): string {
  return value.length > 400 ? `${value.slice(0, 400)}…` : value
}

function text(value: string): string {
  return `<td>${escapeHtml(value)}</td>`
}

function number(value: string): string {
  return `<td class="n">${escapeHtml(value)}</td>`
}

/** Models' and judges' words are text and nothing else. */
export function escapeHtml(value: string): string {
  return value
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
