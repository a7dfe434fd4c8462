/** `llava eval compare A B`: what changed between two results, and whether that can be chance. */
import {
  compareResults as compare,
  pythonFixed,
  readResult,
  type MetricComparison,
  type ResultComparison,
} from '../eval/index.ts'
import type { Arguments } from './arguments.ts'
import { checkIdleBut } from './idle-options.ts'
import { UsageError } from './usage-error.ts'
import type { Session } from './verb.ts'

const SHOWN = 20

export async function compareResults(args: Arguments, { terminal }: Session): Promise<void> {
  const [, first, second, ...rest] = args.positionals
  if (first === undefined || second === undefined || rest.length > 0) {
    throw new UsageError(
      'llava eval compare needs two results: files, or folders with result.json.',
    )
  }
  checkIdleBut(args, ['seed', 'json'], 'compare')
  const comparison = compare(readResult(first), readResult(second), args.number('seed') ?? 0)
  if (terminal.isJson) terminal.json(comparison)
  else for (const line of lines(comparison)) terminal.print(line)
}

function lines(comparison: ResultComparison): string[] {
  const { benchmark, questions, metrics, fallback, changed } = comparison
  const better = changed.filter(({ scores }) => scores[1] > scores[0]).length
  return [
    `${benchmark}: ${questions} ${questions === 1 ? 'question' : 'questions'}`,
    ...metrics.flatMap(metricLines),
    ...(fallback === null ? [] : [`  not the benchmark's own number: ${fallback}`]),
    `  ${changed.length} scores changed (${better} better, ${changed.length - better} worse), ${comparison.otherTexts} answers are other texts, ${comparison.nearTies} of them near-ties`,
    `  recipes differ in: ${comparison.recipeDiffers.join(', ') || 'nothing'}`,
    ...changed
      .slice(0, SHOWN)
      .flatMap(({ id, given, expected, scores, isNearTie }) => [
        `  ${id}${isNearTie ? ' (near-tie)' : ''}: ${scores.join(' → ')}, expected ${oneLine(expected)}`,
        `    ${oneLine(given[0])} → ${oneLine(given[1])}`,
      ]),
    ...(changed.length > SHOWN ? [`  and ${changed.length - SHOWN} more; --json has all`] : []),
  ]
}

function metricLines(one: MetricComparison): string[] {
  const { metric, values, difference, digits, test, pValue, units } = one
  const { mean, low, high } = difference
  const show = (value: number) => pythonFixed(value, digits)
  const interval = low === null || high === null ? '' : ` [${show(low)}, ${show(high)}]`
  const name = test === 'mcnemar' ? "McNemar's exact test" : 'paired bootstrap'
  return [
    `  ${metric} ${values.map(show).join(' and ')}, difference ${show(mean)}${interval}`,
    `    ${name} over ${units} ${units === 1 ? 'unit' : 'units'}: p = ${pValue.toPrecision(3)}`,
  ]
}

function oneLine(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}
