/** The judges' part of a run: every answer reviewed by each, reviews written down, the first judge's scored. */
import { join } from 'node:path'
import { InputError } from '../core/errors.ts'
import { writeFileWhole } from '../core/write-file-whole-node.ts'
import { answersById, ownIds, readAnswers, type Answer } from './answers.ts'
import type { Benchmark } from './benchmark.ts'
import type { EvalFile } from './eval-file.ts'
import { judgeAgreement, type Agreement } from './judge-agreement.ts'
import { JudgeBudget, type JudgeLimits } from './judge-budget.ts'
import { judgeNames, type JudgeName } from './judge-names.ts'
import type { JudgeSpec, JudgeTask } from './judge-spec.ts'
import { MediaFolder } from './media-node.ts'
import type { Picture } from './question.ts'
import { readMedium } from './read-medium-node.ts'
import { hashBytes } from './recipe-hash.ts'
import type { RunState } from './run-questions.ts'
import { reviewText, runJudge, type Judge, type JudgeCache, type Judged } from './judge.ts'

/** Who judges, what may be spent on it, and where its files are. */
export type JudgingRequest = {
  readonly benchmark: Benchmark
  readonly questions: readonly EvalFile[]
  readonly labels: readonly EvalFile[]
  /** The folder of the pictures that rows name, for judges that see them. */
  readonly mediaFolder?: string | undefined
  /** The first one's verdicts are the score; a second one is compared with it. */
  readonly judges?: readonly Judge[]
  readonly judgeCache?: JudgeCache
  /** Of all judges together. */
  readonly judgeLimits?: JudgeLimits
  /** In place of limits: what several benchmarks may take together. */
  readonly judgeBudget?: JudgeBudget
  readonly judgeConcurrency?: number
  /** Where what each judge said is written down; nowhere without it. */
  readonly out?: string | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: (stage: 'answers' | 'reviews', state: RunState) => void
}

export type JudgedFacts = Pick<
  Judged,
  | 'calls'
  | 'cached'
  | 'cost'
  | 'versions'
  | 'repliesOf'
  | 'isOwnTemperature'
  | 'nonsense'
  | 'suspicious'
> & {
  readonly judge: string
  /** Of answers: a question without one has none. */
  readonly reviews: number
}

export type JudgedAll = {
  readonly reviews: EvalFile | null
  /** Answers whose truth did not come: no judge was asked about them. */
  readonly extra: number
  readonly facts: readonly JudgedFacts[]
  /** Who judged, with what their replies tell of it: for the recipe. */
  readonly identities: readonly Judge['identity'][]
  readonly agreement: Agreement | null
}

/** Nothing where the benchmark needs no judge or none came. Of `errors`, questions without an answer, no judge is asked. */
export async function judgeAll(
  request: JudgingRequest,
  answers: readonly EvalFile[],
  errors: readonly string[],
): Promise<JudgedAll> {
  const { benchmark, judges = [], judgeCache, out } = request
  const spec = benchmark.judge
  if (!spec || judges.length === 0 || !judgeCache)
    return { reviews: null, extra: 0, facts: [], identities: [], agreement: null }
  const unanswered = new Set(errors)
  const { about, extra } = judgeTasks(spec, request, answersOf(spec, answers), errors)
  const place = located(request, about)
  const tasks = about
    .map((task) => (isAbout(task, unanswered) ? { ...task, isMissing: true } : task))
    .map((task) => (task.images ? { ...task, images: task.images.map(place) } : task))
  const budget = request.judgeBudget ?? new JudgeBudget(request.judgeLimits)
  const names = await judgeNames(judges)
  const hashPicture = pictureHashes()
  const runs: {
    readonly judge: string
    readonly judged: Judged
    readonly reviews: EvalFile
    readonly identity: Judge['identity']
  }[] = []
  for (const [i, judge] of judges.entries()) {
    const judged = await runJudge({
      spec,
      tasks,
      judge,
      cache: judgeCache,
      budget,
      concurrency: request.judgeConcurrency ?? 4,
      signal: request.signal,
      hashPicture,
      onProgress: (done, total) =>
        request.onProgress?.('reviews', { done, total, errors: 0, secondsLeft: null }),
    })
    const { shown, file } = names[i] as JudgeName
    const reviews = {
      name: `reviews-${file}.${spec.collect ? 'json' : 'jsonl'}`,
      text: reviewText(spec, judged.reviews),
    }
    if (out !== undefined) writeFileWhole(join(out, reviews.name), reviews.text)
    const { isOwnTemperature, versions } = judged
    const identity = {
      ...judge.identity,
      ...(versions.length > 0 ? { versions } : {}),
      ...(isOwnTemperature ? { isOwnTemperature } : {}),
    }
    runs.push({ judge: shown, judged, reviews, identity })
  }
  const [first, second] = runs
  return {
    reviews: first?.reviews ?? null,
    extra,
    facts: runs.map(({ judge, judged: { reviews, ...facts } }) => ({
      judge,
      reviews: reviews.filter(({ task }) => task.isMissing !== true).length,
      ...facts,
    })),
    identities: runs.map(({ identity }) => identity),
    agreement: first && second ? judgeAgreement(first.judged.reviews, second.judged.reviews) : null,
  }
}

/**
 * What a judge would be asked about the answers and the questions without one, and how many answers it would be asked nothing about: their
 * truth did not come. Throws InputError where that is so of all, and for what else would only show after it was paid.
 */
export function judgeTasks(
  spec: JudgeSpec,
  { benchmark, questions, labels }: Pick<JudgingRequest, 'benchmark' | 'questions' | 'labels'>,
  answers: readonly Answer[],
  errors: readonly string[] = [],
): { readonly about: JudgeTask[]; readonly extra: number } {
  const failed = errors.map((id) => ({ id, text: '', row: {} }))
  const about = spec.tasks({ answers: [...answers, ...failed], questions, labels })
  ownIds(about.map(({ id }) => id))
  const judged = new Set(about.flatMap(questionsOf))
  const extra = answers.filter(({ id }) => !judged.has(id)).length
  if (extra === answers.length) throw foreign(benchmark.name)
  return { about, extra }
}

/**
 * As the benchmark's official scripts write them, or in any form that answers have; each once. Throws InputError where a question
 * has two that differ.
 */
export function answersOf(spec: JudgeSpec, files: readonly EvalFile[]): Answer[] {
  const all = files.flatMap((file) => spec.answers?.(file) ?? readAnswers([file]))
  return [...answersById(all).values()]
}

/** By path, each file read once. */
function pictureHashes(): (path: string) => Promise<string> {
  const hashes = new Map<string, Promise<string>>()
  return (path) => {
    const hash = hashes.get(path) ?? readPicture(path).then(hashBytes)
    hashes.set(path, hash)
    return hash
  }
}

async function readPicture(path: string): Promise<Uint8Array> {
  try {
    return await readMedium(path)
  } catch (cause) {
    throw new InputError(
      'INPUT_PICTURE_MISSING',
      `eval: the judge should see the picture ${path}, there is no such file that can be read; name the folder of the pictures with --images.`,
      { cause },
    )
  }
}

/** Pictures that rows name are where the questions' are. */
function located({ mediaFolder }: JudgingRequest, tasks: readonly JudgeTask[]) {
  const pictures = tasks.flatMap(({ images = [] }) => images)
  const names = pictures.filter((picture) => typeof picture === 'string')
  const media = new MediaFolder(mediaFolder, names)
  const place = (name: string) => media.find(name) ?? name
  return (picture: Picture): Picture => {
    if (typeof picture === 'string') return place(picture)
    if (typeof picture !== 'function') return picture
    return async () => {
      const found = await picture()
      return typeof found === 'string' ? place(found) : found
    }
  }
}

/** Of a pair of answers, one is nothing to judge. */
function isAbout(task: JudgeTask, ids: ReadonlySet<string>): boolean {
  return questionsOf(task).some((question) => ids.has(question))
}

function questionsOf({ id, questions = [id] }: JudgeTask): readonly string[] {
  return questions
}

function foreign(name: string): InputError {
  return new InputError(
    'INPUT_ANSWERS_FOREIGN',
    `eval.${name}: answers should be to questions of the files that came, none is; give the benchmark's questions and labels, and the answers to them.`,
  )
}
