/** Counts of a data set, and what always giving the same answer would score. */
import type { MiniQuestion, MiniRecord } from './build-mini.ts'
import { groupBy } from './read-assets.ts'

export type TaskStatistics = {
  readonly questions: number
  readonly answers: number
  /** The commonest answer and its share. */
  readonly majority: string
  readonly majorityShare: number
}

export type Statistics = {
  readonly seed: number
  /** Records by source. */
  readonly alignment: Readonly<Record<string, number>>
  readonly instruction: Readonly<Record<string, number>>
  /** Turns trained on, by task. */
  readonly turns: Readonly<Record<string, TaskStatistics>>
  readonly test: Readonly<Record<string, TaskStatistics>>
  /** Pictures not used, since the other split has them. */
  readonly leftOut: number
}

export type Counted = {
  readonly seed: number
  readonly alignment: readonly MiniRecord[]
  readonly instruction: ReadonlyMap<string, readonly MiniRecord[]>
  readonly questions: ReadonlyMap<string, readonly MiniQuestion[]>
  readonly leftOut: number
}

export function summarise({
  seed,
  alignment,
  instruction,
  questions,
  leftOut,
}: Counted): Statistics {
  return {
    seed,
    alignment: Object.fromEntries(
      groupBy(alignment, ({ source }) => source).map((group) => [group[0]?.source, group.length]),
    ),
    instruction: Object.fromEntries(
      [...instruction].map(([name, records]) => [name, records.length]),
    ),
    turns: turnStatistics([...instruction.values()].flat()),
    test: Object.fromEntries(
      [...questions].map(([task, asked]) => [
        task,
        countAnswers(asked.map(({ answer }) => answer)),
      ]),
    ),
    leftOut,
  }
}

function turnStatistics(records: readonly MiniRecord[]): Record<string, TaskStatistics> {
  const answers = new Map<string, string[]>()
  for (const { tasks, conversations } of records) {
    tasks.forEach((task, i) => {
      const value = conversations[2 * i + 1]?.value ?? ''
      const given = answers.get(task)
      if (given === undefined) answers.set(task, [value])
      else given.push(value)
    })
  }
  return Object.fromEntries([...answers].map(([task, given]) => [task, countAnswers(given)]))
}

function countAnswers(answers: readonly string[]): TaskStatistics {
  const counts = new Map<string, number>()
  for (const answer of answers) counts.set(answer, (counts.get(answer) ?? 0) + 1)
  const [majority, times] = [...counts].toSorted((a, b) => b[1] - a[1])[0] ?? ['', 0]
  return {
    questions: answers.length,
    answers: counts.size,
    majority,
    majorityShare: answers.length === 0 ? 0 : Number((times / answers.length).toFixed(4)),
  }
}
