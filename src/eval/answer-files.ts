/**
 * Of an output folder of `llava eval`, lmms-eval, lm-evaluation-harness or VLMEvalKit the files that hold a benchmark's answers.
 *
 *   answers.jsonl, reviews-JUDGE.jsonl beside run.json    answers with errors among them, and what judges said
 *   DATE_samples_TASK.jsonl, samples_TASK_DATE.jsonl      samples; numbers and submissions lie beside them
 *   TASK.json                                             {"args": …, "logs": [samples]}, lmms-eval until 0.2
 *   MODEL_DATASET.xlsx                                    predictions
 *   MODEL_DATASET_JUDGE.xlsx, …_result.xlsx, …_acc.csv    what was read or judged of them
 * Source: lmms_eval/loggers/evaluation_tracker.py at 75571cf; vlmeval/dataset/image_mcq.py at e8e78f0.
 */
import { InputError } from '../core/errors.ts'
import type { Benchmark, OtherSet } from './benchmark.ts'
import { baseName, fileNames, isRow, readJson, readJsonLines, type EvalFile } from './eval-file.ts'
import { isErrorLine } from './run-questions.ts'

export type TaskNames = Pick<Benchmark, 'name' | 'tasks' | 'otherSets'>

/** A program's files, and of which task each is. */
type OutputKind = {
  readonly is: (file: EvalFile) => boolean
  /** Whether it makes several tasks of one benchmark. */
  readonly hasParts: boolean
  /** Around the task's name, in the file's name without folder and ending. */
  readonly before: string
  readonly after: string
}

const SAMPLES_DATE = String.raw`(?:_\d{4}-\d\d-\d\dT.*)?$`
const SAMPLES: OutputKind = {
  is: ({ name }) => /(?:^|[_/])samples_[^/]+\.jsonl$/.test(name),
  hasParts: true,
  before: '(?:^|_)samples_',
  after: SAMPLES_DATE,
}
const LOGS: OutputKind = {
  is: ({ name, text }) => /\.json$/i.test(name) && /^\s*\{\s*"args"\s*:/.test(text),
  hasParts: true,
  before: '^',
  after: '$',
}
const PREDICTIONS: OutputKind = {
  is: isPredicted,
  hasParts: false,
  before: '(?:^|_)',
  after: '$',
}
const GRADES: OutputKind = {
  is: (file) => isPredicted(file) && headerOf(file).some((name) => name.endsWith('score')),
  hasParts: false,
  before: '(?:^|_)',
  after: '_.+$',
}

/**
 * All of them where none of these programs wrote them. Where a judge's grades are wanted, VLMEvalKit's tables with grades count more than
 * those without. Throws InputError where several tasks or runs lie there and it is not told which one is meant.
 */
export function answerFiles(
  files: readonly EvalFile[],
  benchmark: TaskNames,
  wantsGrades = false,
): readonly EvalFile[] {
  const runs = ownRuns(files, benchmark)
  if (runs.length > 0) return ownAnswers(files, runs, { benchmark, wantsGrades })
  const kind = [SAMPLES, LOGS, PREDICTIONS].find(({ is }) => files.some(is))
  if (!kind) return files
  const outputs = withoutCopies(files.filter(kind.is))
  const graded = wantsGrades && kind === PREDICTIONS ? taskFiles(outputs, GRADES, benchmark) : []
  const own = graded.length > 0 ? graded : taskFiles(outputs, kind, benchmark)
  if (own.length > 0) return oneRun(own, benchmark)
  if (outputs.length === 1) return outputs
  throw new InputError(
    'INPUT_ANSWERS_SEVERAL',
    `eval.${benchmark.name}: a folder of several tasks should hold ${namesOf(benchmark).join(' or ')}, there are ${fileNames(outputs)}; name the file that is meant.`,
  )
}

/** The folders that `llava eval` wrote: those of the benchmark, where several lie there. */
function ownRuns(files: readonly EvalFile[], { name }: Pick<Benchmark, 'name'>): string[] {
  const runs = files.filter((file) => baseName(file) === 'run.json')
  const ofName = runs.filter((file) => {
    const run = readJson(file)
    return isRow(run) && run['benchmark'] === name
  })
  return (ofName.length > 0 ? ofName : runs).map(folderOf)
}

/** What a judge said where that scores, else the answers; throws InputError where there are several of that. */
function ownAnswers(
  files: readonly EvalFile[],
  runs: readonly string[],
  {
    benchmark: { name },
    wantsGrades,
  }: { readonly benchmark: Pick<Benchmark, 'name'>; readonly wantsGrades: boolean },
): readonly EvalFile[] {
  const own = files.filter((file) => runs.includes(folderOf(file)))
  const reviews = wantsGrades
    ? own.filter((file) => /^reviews-.*\.jsonl?$/.test(baseName(file)))
    : []
  const answers = own.filter((file) => baseName(file) === 'answers.jsonl')
  const found = reviews.length > 0 ? reviews : answers
  if (found.length === 1) return found.map(withoutErrors)
  throw new InputError(
    'INPUT_ANSWERS_SEVERAL',
    `eval.${name}: the folder should hold one run of llava eval with its answers.jsonl, ${found.length === 0 ? 'there is none' : `there are ${fileNames(found)}`}; name the file that is meant.`,
  )
}

/** A question that could not be asked has no answer. */
function withoutErrors(file: EvalFile): EvalFile {
  if (baseName(file) !== 'answers.jsonl') return file
  const rows = readJsonLines(file).filter((row) => !isErrorLine(row))
  return { ...file, text: rows.map((row) => `${JSON.stringify(row)}\n`).join('') }
}

function folderOf({ name }: EvalFile): string {
  return name.slice(0, -baseName({ name }).length)
}

type TaskFile = { readonly file: EvalFile; readonly task: string; readonly part?: string }

/** Those of the benchmark. Names are of letters, digits, `_` and `-`, and `*` and `#`. */
function taskFiles(
  files: readonly EvalFile[],
  { is, hasParts, before, after }: OutputKind,
  benchmark: TaskNames,
): TaskFile[] {
  const names = namesOf(benchmark).filter((name) => hasParts || !name.includes('*'))
  const patterns = names.map((name) => taskPattern(name, { before, after }))
  return files.filter(is).flatMap((file) => {
    const stem = stemOf(file)
    const found = patterns.map((pattern) => pattern.exec(stem)).find((match) => match !== null)
    const { task, part } = found?.groups ?? {}
    return task === undefined ? [] : [{ file, task, ...(part === undefined ? {} : { part }) }]
  })
}

/**
 * The set of questions that a file's name tells, be it of questions or of answers, as any of these programs names it. Behind the task of a
 * table with predictions there may stand what was made of them; `…_DEV_EN_V11` is a task, not what was made of `…_DEV_EN`.
 */
export function setInName<S extends Pick<OtherSet, 'tasks'>>(
  file: EvalFile,
  sets: readonly S[],
): S | null {
  const parts = { before: '(?:^|_)', after: isPredicted(file) ? '(?:_.+)?$' : SAMPLES_DATE }
  const lengthOf = (name: string) =>
    taskPattern(name, parts).exec(stemOf(file))?.groups?.['task']?.length ?? 0
  const found = sets.map((set) => ({ set, length: Math.max(0, ...set.tasks.map(lengthOf)) }))
  const longest = Math.max(...found.map(({ length }) => length))
  return longest > 0 ? (found.find(({ length }) => length === longest)?.set ?? null) : null
}

function taskPattern(
  name: string,
  { before, after }: Pick<OutputKind, 'before' | 'after'>,
): RegExp {
  const task = name.replace('*', '(?<part>.+?)').replace('#', String.raw`\d[\d.]*`)
  return new RegExp(`${before}(?<task>${task})${after}`, 'i')
}

/** Each with the part that it holds. Throws InputError where a task has two files, or there are several tasks that are no parts of one. */
function oneRun(own: readonly TaskFile[], { name }: Pick<Benchmark, 'name'>): readonly EvalFile[] {
  const tasks = new Set(own.map(({ task }) => task))
  const files = own.map(({ file, part }) => (part === undefined ? file : { ...file, part }))
  const isOfParts = own.every(({ part }) => part !== undefined)
  if (own.length === 1 || (tasks.size === own.length && isOfParts)) return files
  const what = tasks.size < own.length ? 'runs' : 'tasks'
  throw new InputError(
    'INPUT_ANSWERS_SEVERAL',
    `eval.${name}: the folder should hold one run of the benchmark, several ${what} of it lie there (${fileNames(files)}); name the file that is meant.`,
  )
}

/** VLMEvalKit links a run's tables into the folder above it. */
function withoutCopies(files: readonly EvalFile[]): EvalFile[] {
  const content = (file: EvalFile) => JSON.stringify([baseName(file), file.text, file.cells])
  return [...new Map(files.map((file) => [content(file), file])).values()]
}

function namesOf({ name, tasks = [name], otherSets = [] }: TaskNames): readonly string[] {
  const own = otherSets.filter(({ isForeign }) => isForeign !== true)
  return [...tasks, ...own.flatMap((set) => set.tasks)]
}

function stemOf(file: Pick<EvalFile, 'name'>): string {
  return baseName(file).replace(/\.\w+$/, '')
}

/** A table with a prediction for each index, be it the model's or with what was read of it beside. */
function isPredicted(file: EvalFile): boolean {
  const names = headerOf(file)
  return names.includes('index') && names.includes('prediction')
}

/** The columns of a table; a file of another form has none. */
function headerOf({ name, text, cells }: EvalFile): string[] {
  if (cells) return (cells[0] ?? []).map(String)
  if (!/\.[tc]sv$/i.test(name)) return []
  const names = text.slice(0, text.search(/[\r\n]|$/)).split(/[\t,]/)
  return names.map((column) => column.replaceAll('"', ''))
}
