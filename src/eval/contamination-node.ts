/** A benchmark's questions against the data that a model was trained on: pictures and texts in both, and what they scored. */
import type { Dataset, DatasetProgress } from '../data/dataset.ts'
import { findContamination, type Contamination } from '../data/contamination.ts'
import type { PrintStore } from '../data/print-store.ts'
import type { Benchmark, Outcome } from './benchmark.ts'
import type { EvalFile } from './eval-file.ts'
import { InputError } from '../core/errors.ts'
import { OPTION_LETTER, SHORT_ANSWER } from './llava-questions.ts'
import { MediaFolder } from './media-node.ts'
import { pythonFixed } from './python-text.ts'
import {
  namedMedia,
  questionFinder,
  questionKeys,
  truthId,
  type Picture,
  type Question,
} from './question.ts'

export type ContaminationRequest = {
  readonly benchmark: Benchmark
  readonly questions: readonly EvalFile[]
  readonly mediaFolder?: string | undefined
  /** What the model was trained on. */
  readonly mixture: Dataset
  readonly prints: PrintStore
  readonly onProgress?: (state: DatasetProgress) => void
  readonly signal?: AbortSignal | undefined
}

/** What a result says of its training data. */
export type ResultContamination = Omit<Contamination, 'overlaps'> & {
  /** Questions with a picture or a text of the training data. */
  readonly overlapping: readonly string[]
  /** Mean scores of the other questions and of these, 0 to 1; null of none. */
  readonly scores: { readonly clean: number | null; readonly overlapping: number | null }
}

/** Throws InputError for a benchmark that is only scored, and what reading its questions throws. */
export async function checkContamination(request: ContaminationRequest): Promise<Contamination> {
  const { benchmark, mediaFolder, mixture, prints, onProgress, signal } = request
  if (!benchmark.ask) {
    throw new InputError(
      'INPUT_BENCHMARK_UNASKED',
      `eval.${benchmark.name}: this benchmark is only scored; it has no questions to compare.`,
    )
  }
  const questions = benchmark.ask.questions(request.questions)
  const ids = idsOf(questions)
  const media = new MediaFolder(mediaFolder, namedMedia(questions))
  const items = questions.map(({ prompt, images }, i) => ({
    id: ids[i] as string,
    text: prompt,
    pictures: async () => (await Promise.all(images.map((one) => opened(one, media)))).flat(),
  }))
  return findContamination(items, mixture, {
    prints,
    ignoredLines: INSTRUCTIONS,
    ...(onProgress ? { onProgress } : {}),
    signal,
  })
}

/** As the data's recipes ask for short answers, beside what a benchmark's own questions share. */
const INSTRUCTIONS = [
  SHORT_ANSWER,
  OPTION_LETTER,
  'Please answer yes or no.',
  'Provide a one-sentence caption for the provided image.',
]

/** Several questions of a benchmark may share an id; then they are counted. */
function idsOf(questions: readonly Question[]): string[] {
  const keys = questionKeys(questions.map((question) => ({ id: truthId(question), prompt: '' })))
  return questions.map((question, i) => {
    const repeat = /#(\d+)$/.exec(keys[i] ?? '')?.[1]
    return repeat === undefined ? truthId(question) : `${truthId(question)}#${repeat}`
  })
}

/** A picture that is not there is compared with nothing; the run itself tells of it. */
async function opened(picture: Picture, media: MediaFolder): Promise<(string | Uint8Array)[]> {
  try {
    const bytes = await media.open(picture)
    return bytes === null ? [] : [bytes]
  } catch (error) {
    if (error instanceof InputError) return ['']
    throw error
  }
}

/** The part of the check that stands in a result; `questions` are those of the check. */
export function resultContamination(
  { overlaps, ...rest }: Contamination,
  outcomes: readonly Outcome[],
  questions: readonly Question[],
): ResultContamination {
  const found = new Set(overlaps.map(({ id }) => id))
  const ids = idsOf(questions)
  const overlapping = questions.filter((_, i) => found.has(ids[i] ?? ''))
  const isOverlapping = isAmong(overlapping, questions)
  const mean = (part: readonly Outcome[]) =>
    part.length === 0 ? null : part.reduce((sum, { score }) => sum + score, 0) / part.length
  return {
    ...rest,
    overlapping: [...new Set(overlapping.map(truthId))],
    scores: {
      clean: mean(outcomes.filter((one) => !isOverlapping(one))),
      overlapping: mean(outcomes.filter(isOverlapping)),
    },
  }
}

/** Outcomes are named by the truth, which may know a question by another name. */
function isAmong(some: readonly Question[], all: readonly Question[]) {
  const find = questionFinder(all)
  const own = new Set(some)
  return (outcome: Outcome): boolean => {
    const question = find(outcome)
    return question !== undefined && own.has(question)
  }
}

/** In one line, for terminal, page and card. */
export function contaminationText({
  items,
  pictures,
  texts,
  both,
  scores,
}: ResultContamination): string {
  const score = (value: number | null) => (value === null ? '–' : pythonFixed(100 * value, 1))
  return (
    `in the training data: ${pictures.equal + pictures.near} pictures (${pictures.equal} equal), ${texts.equal + texts.near} texts (${texts.equal} equal), ` +
    `${both} both, of ${items} questions; mean score ${score(scores.overlapping)} of those, ${score(scores.clean)} of the others`
  )
}
