/** Where a benchmark's files are: named by flags, below a folder of benchmarks, or in the package. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import {
  findBenchmark,
  loadBenchmarkFiles,
  loadEvalFiles,
  releasedFiles,
  type Benchmark,
  type EvalFile,
} from '../eval/index.ts'
import type { Arguments } from './arguments.ts'
import { packageFolder } from './package.ts'
import { UsageError } from './usage-error.ts'
import type { OptionSpec } from './verb.ts'

export const FILE_OPTIONS: readonly OptionSpec[] = [
  {
    name: 'questions',
    kind: 'text',
    value: 'path',
    about: 'The question file, or a folder of them',
  },
  {
    name: 'labels',
    kind: 'text',
    value: 'path',
    about: 'The truth, where questions do not hold it',
  },
  {
    name: 'images',
    kind: 'text',
    value: 'folder',
    about: 'Pictures and clips that questions name',
  },
  {
    name: 'data',
    kind: 'text',
    value: 'folder',
    about: "A folder for each benchmark, laid out as its authors do (LLaVA's playground/data/eval)",
  },
  { name: 'wordnet', kind: 'text', value: 'folder', about: "WordNet's dictionary, for nextqa-oe" },
].map((spec) => ({ ...spec, group: 'Files' }) as OptionSpec)

export type Plan = {
  readonly benchmark: Benchmark
  readonly questions: readonly EvalFile[]
  readonly labels: readonly EvalFile[]
  readonly submission?: readonly EvalFile[]
  readonly mediaFolder: string | undefined
}

/** Where the quick set may lie in the package. */
const QUICK_FOLDERS = ['models/mini/quick', 'fixtures/eval/quick']

/** The benchmarks by name, `mini-*` being all tasks of the mini model. */
export function benchmarkNames(
  names: readonly string[],
  args: Arguments,
  data: string | undefined,
): string[] {
  return names.flatMap((name) => {
    if (name !== 'mini-*') return [name]
    const folder = miniPlace(args, data)
    const tasks = (isFolder(folder) ? readdirSync(folder) : [])
      .filter((file) => file.endsWith('.jsonl'))
      .sort()
    if (tasks.length === 0)
      throw new UsageError(
        `mini-* needs a folder of tasks (.jsonl), as --questions or as mini below --data; ${folder} has none.`,
      )
    return tasks.map((file) => `mini-${file.slice(0, -'.jsonl'.length)}`)
  })
}

/** `data` holds a folder for each benchmark. */
export async function planOf(
  name: string,
  args: Arguments,
  data: string | undefined,
): Promise<Plan> {
  const benchmark = findBenchmark(name)
  if (/^(?:quick|mini(?:-.+)?)$/.test(benchmark.name)) return miniPlan(benchmark, args, data)
  const home = data === undefined ? undefined : homeOf(benchmark, data)
  const folder = benchmark.ask?.folder
  const place = (part: string | undefined) => {
    const path = home === undefined || part === undefined ? undefined : join(home, part)
    return path !== undefined && existsSync(path) ? path : undefined
  }
  const questions = args.text('questions') ?? home
  if (questions === undefined) {
    throw new UsageError(
      `llava eval ${name} needs --questions (${folder?.questions ?? 'its question file'}) or --data.`,
    )
  }
  const submission = place(folder?.submission)
  return {
    benchmark,
    ...releasedFiles(benchmark.ask, {
      questions: await questionFiles(questions, benchmark),
      labels: await labelFiles({ args, benchmark }, place(folder?.labels)),
    }),
    ...(submission === undefined ? {} : { submission: await loadEvalFiles(submission) }),
    mediaFolder: args.text('images') ?? place(folder?.images) ?? home ?? folderAt(questions),
  }
}

/** The questions of a file, or of a folder by the name that their authors give them, else of all that is there. */
export async function questionFiles(path: string, { ask }: Benchmark): Promise<EvalFile[]> {
  return loadBenchmarkFiles(partOf(path, ask?.folder.questions), ask?.pick)
}

/** The same of answers that exist: of a submission all questions count. */
export async function answeredFiles(path: string, benchmark: Benchmark): Promise<EvalFile[]> {
  return questionFiles(partOf(path, benchmark.ask?.folder.submission), benchmark)
}

/** Labels that are named, else those of the benchmark's own folder, which may lack them. */
export async function labelFiles(
  { args, benchmark: { ask } }: { readonly args: Arguments; readonly benchmark: Benchmark },
  own?: string,
): Promise<EvalFile[]> {
  const named = args.text('labels')
  if (named === undefined) return own === undefined ? [] : loadBenchmarkFiles(own, ask?.pickLabels)
  return loadBenchmarkFiles(partOf(named, ask?.folder.labels), (files) => {
    const picked = ask?.pickLabels?.(files) ?? []
    // Of files under other names the benchmark says what it misses among them.
    return picked.length > 0 ? picked : files
  })
}

/** What has this name in the benchmark's folder, or in the folder below it where that was named; else the folder. */
function partOf(folder: string, part = '.'): string {
  const places = [part, basename(part)].map((name) => join(folder, name))
  return places.find((place) => existsSync(place)) ?? folder
}

/** A folder of questions may hold their pictures too, as what `llava data build-bench` makes. */
function folderAt(path: string): string | undefined {
  return isFolder(path) ? path : undefined
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

async function miniPlan(
  benchmark: Benchmark,
  args: Arguments,
  data: string | undefined,
): Promise<Plan> {
  if (args.has('labels'))
    throw new UsageError(`the questions of ${benchmark.name} hold their truth; leave --labels out.`)
  const task = /^mini-(.+)$/.exec(benchmark.name)?.[1]
  const place = miniPlace(args, data)
  const isFile = place.endsWith('.jsonl')
  const path = task !== undefined && !isFile ? join(place, `${task}.jsonl`) : place
  const questions = await loadEvalFiles(path, benchmark.ask?.pick)
  return {
    benchmark,
    questions,
    labels: [],
    mediaFolder:
      args.text('images') ?? mediaFolder(isFile ? dirname(place) : place, benchmark, questions),
  }
}

/** A file of questions, or the folder of the tasks, which is `test` in what `llava data build mini` makes. */
function miniPlace(args: Arguments, data: string | undefined): string {
  const home = () => (data === undefined ? quickFolder() : homeOf({ name: 'mini' }, data))
  const given = args.text('questions') ?? home()
  const tests = join(given, 'test')
  return existsSync(tests) ? tests : given
}

/** Pictures are named from the folder of the questions or, as the data is built, from the one above. */
function mediaFolder(folder: string, { ask }: Benchmark, questions: readonly EvalFile[]): string {
  const named = ask?.questions(questions).flatMap(({ images }) => images)
  const first = named?.find((image) => typeof image === 'string')
  const places = [folder, dirname(resolve(folder))]
  return places.find((place) => first !== undefined && existsSync(join(place, first))) ?? folder
}

function quickFolder(): string {
  const root = packageFolder()
  const found = QUICK_FOLDERS.map((folder) => join(root, folder)).find((folder) =>
    existsSync(folder),
  )
  if (found !== undefined) return found
  throw new UsageError(
    `the quick questions come with the package's model, this version has none (${QUICK_FOLDERS.join(', ')}); give --questions.`,
  )
}

/** The folder of a benchmark, called as it is here, by its authors, or at the hub; case and marks aside. */
function homeOf({ name }: Pick<Benchmark, 'name'>, data: string): string {
  const names = [name, ...(OTHER_NAMES[name] ?? [])]
  for (const place of names) {
    const home = place.split('/').reduce<string | undefined>(entryOf, data)
    if (home !== undefined) return home
  }
  throw new UsageError(`--data ${data} should hold a folder ${names.join(' or ')}, it has none.`)
}

function entryOf(folder: string | undefined, name: string): string | undefined {
  if (folder === undefined || !isFolder(folder)) return
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
  const entries = readdirSync(folder)
  const found = entries.find((entry) => plain(entry) === plain(name))
  if (found !== undefined) return join(folder, found)
  const cached = entries.find((entry) => {
    const repository = /^datasets--.+?--(.+)$/.exec(entry)?.[1]
    return repository !== undefined && plain(repository) === plain(name)
  })
  return cached === undefined ? undefined : snapshotOf(join(folder, cached))
}

/** The branch `main` of a repository as the hub's client keeps it: `datasets--lmms-lab--POPE/snapshots/COMMIT`. */
function snapshotOf(repository: string): string | undefined {
  const ref = join(repository, 'refs/main')
  if (!existsSync(ref)) return undefined
  const snapshot = join(repository, 'snapshots', readFileSync(ref, 'utf8').trim())
  return existsSync(snapshot) ? snapshot : undefined
}

/** One download may hold several benchmarks. */
const OTHER_NAMES: Readonly<Record<string, readonly string[]>> = {
  mini: ['quick'],
  vizwiz: ['vizwiz-vqa'],
  scienceqa: ['scienceqa-full', 'scienceqa-img'],
  'llava-bench': ['llava-bench-in-the-wild'],
  'llava-wilder': ['llava-bench-wilder'],
  'textvqa-no-ocr': ['textvqa'],
  'seed-img': ['seed-bench'],
  'mmbench-cn': ['mmbench'],
  infovqa: ['infographicvqa', 'docvqa/infographicvqa'],
  'nextqa-mc': ['nextqa'],
  'nextqa-oe': ['nextqa'],
  'video-detail': ['videodetailcaption', 'video-detail-description'],
  nlvr2: ['llava-next-interleave-bench', 'llava-interleave-bench', 'interleave-data'],
  'mmlu-5': ['mmlu'],
}
