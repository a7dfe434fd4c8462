/** Which questions were asked, and under which condition: of these the title and the published rows are. */
import { setInName } from './answer-files.ts'
import type { Benchmark, OtherSet, SetFiles, ShownSet } from './benchmark.ts'
import type { EvalFile } from './eval-file.ts'
import { splitOf } from './table-rows.ts'

/** Title and published rows of what was asked: the names of the files tell it, and for some benchmarks what they hold. */
export function setOf(
  benchmark: Benchmark,
  files: SetFiles,
): Pick<Benchmark, 'title' | 'published'> {
  const named = namedSet(benchmark, files)
  const set = benchmark.ofSet ? benchmark.ofSet(files, named) : named
  return set ? { title: set.title, published: ownRows(benchmark, set) } : benchmark
}

/** By the first file whose name tells it, truths before answers; null where none does, or it is the benchmark's own. */
function namedSet(
  { tasks = [], split, otherSets = [] }: Benchmark,
  { questions = [], labels = [], answers = [] }: SetFiles,
): OtherSet | null {
  const own = { tasks, ...(split === undefined ? {} : { split }) }
  const sets: readonly (OtherSet | typeof own)[] = [own, ...otherSets]
  const ofSplit = (file: EvalFile) => sets.find((set) => set.split && set.split === splitOf(file))
  const told = [
    ...[...questions, ...labels]
      .flatMap((file) => file.madeFrom ?? [file])
      .map((file) => setInName(file, sets) ?? ofSplit(file)),
    ...answers.map((file) => setInName(file, sets)),
  ]
  const set = told.find((one) => one)
  return set && 'title' in set ? set : null
}

function ownRows({ published }: Benchmark, { rows = {} }: ShownSet): Benchmark['published'] {
  return Object.entries(rows).flatMap(([metric, name]) =>
    published.filter((row) => row.metric === name).map((row) => ({ ...row, metric })),
  )
}
