/** Files of answers and labels as the tests of `src/eval` make them, and the numbers of a report by name. */
import type { EvalFile } from '../src/eval/eval-file.ts'
import type { ScoreReport } from '../src/eval/score.ts'

export function jsonLines(name: string, rows: readonly object[]): EvalFile {
  return { name, text: rows.map((row) => `${JSON.stringify(row)}\n`).join('') }
}

export function jsonFile(name: string, value: unknown): EvalFile {
  return { name, text: JSON.stringify(value) }
}

export function metricValues({ metrics }: Pick<ScoreReport, 'metrics'>) {
  return Object.fromEntries(metrics.map(({ name, value }) => [name, value]))
}
