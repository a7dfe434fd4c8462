/**
 * The two tables that MM-Vet's evaluator writes of its grades: by capability and by set of capabilities, the commonest first, with
 * the spread of the total over runs.
 *
 * Source: yuweihao/MM-Vet mm-vet_evaluator.py at acde843, with one decimal.
 */
import { pythonFloat, pythonRound } from '../python-text.ts'

export type GradedQuestion = {
  readonly id: string
  /** A grade for each run of the judge. */
  readonly scores: readonly number[]
  /** Their mean. */
  readonly score: number
  readonly capabilities: readonly string[]
}

export function mmVetTables(
  model: string,
  graded: readonly GradedQuestion[],
): Record<string, string> {
  const alone = columns(graded, ({ capabilities }) => capabilities)
  const together = columns(graded, ({ capabilities }) => [setName(capabilities)])
  const sets = new Map(
    graded.map(({ capabilities }) => [setName(capabilities), capabilities.join('_')]),
  )
  return {
    'cap-score.csv': table(model, alone, graded),
    'cap-int-score.csv': table(
      model,
      together.map(([name, own]) => [sets.get(name) ?? name, own]),
      graded,
    ),
  }
}

type Column = readonly [name: string, questions: readonly GradedQuestion[]]

/** The same for `ocr, math` and `math, ocr`. */
function setName(capabilities: readonly string[]): string {
  return [...capabilities].sort().join('_')
}

/** The largest first, of like size the one that came first. */
function columns(
  graded: readonly GradedQuestion[],
  namesOf: (question: GradedQuestion) => readonly string[],
): Column[] {
  const names = [...new Set(graded.flatMap(namesOf))]
  return names
    .map((name): Column => [name, graded.filter((one) => namesOf(one).includes(name))])
    .sort(([, a], [, b]) => b.length - a.length)
}

function table(model: string, parts: readonly Column[], graded: readonly GradedQuestion[]): string {
  const runs = Math.max(0, ...graded.map(({ scores }) => scores.length))
  const totals = Array.from({ length: runs }, (_, run) => percent(graded, run))
  const mean = totals.reduce((sum, total) => sum + total, 0) / runs
  const spread = Math.sqrt(totals.reduce((sum, total) => sum + (total - mean) ** 2, 0) / runs)
  const named: readonly Column[] = [...parts, ['total', graded]]
  const values = named.map(([, own]) => {
    const perRun = Array.from({ length: runs }, (_, run) => percent(own, run))
    return rounded(perRun.reduce((sum, value) => sum + value, 0) / runs)
  })
  const header = ['', ...named.map(([name]) => name), 'std', 'runs']
  const cells = [model, ...values, rounded(spread), `"[${totals.map(rounded).join(', ')}]"`]
  return `${header.join(',')}\n${cells.join(',')}\n`
}

/** A question without a grade in this run scores nothing. */
function percent(questions: readonly GradedQuestion[], run: number): number {
  return (
    (questions.reduce((sum, { scores }) => sum + (scores[run] ?? 0), 0) / questions.length) * 100
  )
}

function rounded(value: number): string {
  return pythonFloat(pythonRound(value, 1))
}
