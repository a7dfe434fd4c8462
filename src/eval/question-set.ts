/** Which questions were asked, and under which condition: of these the title and the published rows are. */
import { setInName } from './answer-files.ts'
import type { Benchmark, OtherSet } from './benchmark.ts'
import type { EvalFile } from './eval-file.ts'

export type SetFiles = {
  readonly questions?: readonly EvalFile[]
  readonly labels?: readonly EvalFile[]
  readonly answers?: readonly EvalFile[]
}

/** Title and published rows of what was asked: the questions tell it, else the names of the files, of which truths count more than answers. */
export function setOf(
  benchmark: Benchmark,
  { questions = [], labels = [], answers = [] }: SetFiles,
): Pick<Benchmark, 'title' | 'published'> {
  const { ofSet } = benchmark
  const isTold = ofSet !== undefined && questions.length > 0
  const set = isTold ? ofSet(questions) : namedSet(benchmark, [questions, labels, answers])
  return set ? { title: set.title, published: ownRows(benchmark, set) } : benchmark
}

/** By the first kind of file whose names tell it; null where they tell nothing, or the benchmark's own. */
function namedSet(
  { tasks = [], otherSets = [] }: Benchmark,
  kinds: readonly (readonly EvalFile[])[],
): OtherSet | null {
  const own = { tasks }
  for (const files of kinds) {
    const [set] = files.flatMap(
      (file) => setInName<OtherSet | typeof own>(file, [own, ...otherSets]) ?? [],
    )
    if (set) return 'title' in set ? set : null
  }
  return null
}

function ownRows(
  { published }: Benchmark,
  { rows = {} }: Pick<OtherSet, 'rows'>,
): Benchmark['published'] {
  return Object.entries(rows).flatMap(([metric, name]) =>
    published.filter((row) => row.metric === name).map((row) => ({ ...row, metric })),
  )
}
