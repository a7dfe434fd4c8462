/**
 * Asks all questions that have no answer yet, several at once, of one engine or several. Every answer is written down when it
 * comes.
 */
import { anySignal } from '../core/any-signal.ts'
import { CapacityError, InputError } from '../core/errors.ts'
import type { ContentPart, Message } from '../serve/messages.ts'
import type { AnswerEngine, EngineAnswer, EngineRequest } from './answer-engine.ts'
import type { Row } from './eval-file.ts'
import { QuestionQueue } from './question-queue.ts'
import { questionKeys, shownPrompt, type Picture, type Question } from './question.ts'

/** Where answers are kept. An append is on the disk when its promise is fulfilled. */
export type Journal = {
  /** Keys of the questions that were answered before. */
  readonly answered: ReadonlySet<string>
  append(entries: readonly JournalEntry[]): Promise<void>
}

export type JournalEntry = { readonly key: string; readonly line: Row }

export type RunRequest = {
  readonly questions: readonly Question[]
  readonly engines: readonly AnswerEngine[]
  readonly journal: Journal
  /** Questions that an engine answers at the same time. */
  readonly batch: number
  /** The picture as an engine takes it. Throws InputError where it is not there. */
  readonly openPicture: (picture: Picture) => Promise<string | Uint8Array | null>
  readonly openVideo: (name: string) => string
  /** Asks without pictures: what can be answered blindly. */
  readonly isBlind?: boolean
  readonly maxTokens?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: (state: RunState) => void
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number
}

export type RunState = {
  readonly done: number
  readonly total: number
  readonly errors: number
  /** Null until something was answered in this run. */
  readonly secondsLeft: number | null
}

/** So many times `batch` questions may fail in a row by no fault of theirs; then the engine is taken for gone. */
const MOST_FAILURES = 3

/**
 * A question that one engine cannot answer is asked of the others; an engine that is gone leaves its share to them. Throws the
 * signal's reason when aborted, CapacityError where no engine answers any more, and InputError where not one question can be asked.
 */
export async function runQuestions(run: RunRequest): Promise<RunState> {
  const { questions, journal } = run
  const keys = questionKeys(questions)
  const open = questions
    .map((question, i): Open => ({ question, key: keys[i] as string, fault: '' }))
    .filter(({ key }) => !journal.answered.has(key))
  const state = { done: questions.length - open.length, errors: 0, start: run.now() }
  const progress = (): RunState =>
    stateOf(state, { open: open.length, total: questions.length, now: run.now() })
  run.onProgress?.(progress())
  const keep = async (entry: JournalEntry) => {
    await journal.append([entry])
    state.done++
    if (isErrorLine(entry.line)) state.errors++
    run.onProgress?.(progress())
  }
  const stop = new AbortController()
  const signal = anySignal(run.signal, stop.signal)
  const queue = new QuestionQueue<Open, AnswerEngine>(open)
  const shared = { queue, run: { ...run, signal }, keep, gone: new Set<AnswerEngine>(), asked: 0 }
  const workers = run.engines.flatMap((engine) => workersOf(engine, shared))
  try {
    await Promise.all(workers)
  } catch (error) {
    stop.abort(error)
    queue.close()
    await Promise.allSettled(workers)
    throw error
  }
  const model = run.engines[0]?.name ?? ''
  for (const { item } of queue.drain()) await keep(entryOf(item, { error: item.fault }, model))
  // Where some were answered before, those that nobody can answer do not keep the others from their score.
  if (questions.length > 0 && state.errors === questions.length)
    throw nothingAnswered(open, shared.asked, model)
  return progress()
}

type Open = { readonly question: Question; readonly key: string; fault: string }

type Shared = {
  readonly queue: QuestionQueue<Open, AnswerEngine>
  readonly run: RunRequest
  readonly keep: (entry: JournalEntry) => Promise<void>
  readonly gone: Set<AnswerEngine>
  /** Questions that came to an engine: the others lack a picture. */
  asked: number
}

function workersOf(engine: AnswerEngine, shared: Shared): Promise<void>[] {
  const { batch } = shared.run
  const health = { failures: 0 }
  // One by one means one.
  const ahead = batch > 1 ? (engine.ahead ?? 0) : 0
  return Array.from({ length: batch + ahead }, () => work(engine, health, shared))
}

async function work(
  engine: AnswerEngine,
  health: { failures: number },
  shared: Shared,
): Promise<void> {
  const { queue, run, gone } = shared
  while (!gone.has(engine)) {
    const waiting = await queue.take(engine)
    if (!waiting) return
    if (gone.has(engine)) return queue.giveBack(waiting)
    run.signal?.throwIfAborted()
    const { item } = waiting
    const request = await requestOf(item.question, run)
    const isAskable = !('error' in request)
    if (isAskable) shared.asked++
    const answer = isAskable ? await engine.answer(request, run.signal) : request
    run.signal?.throwIfAborted()
    const isFailure = isAskable && 'error' in answer
    if ('error' in answer) item.fault = answer.error
    if (isFailure) waiting.refusedBy.add(engine)
    const isForOthers =
      isFailure && run.engines.some((one) => !waiting.refusedBy.has(one) && !gone.has(one))
    if (isForOthers) queue.giveBack(waiting)
    else {
      await shared.keep(entryOf(item, answer, engine.name))
      queue.done()
    }
    // All of a part may be too long, as all clips that are cut by seconds are for a server.
    if (!isAskable || ('error' in answer && answer.isOfQuestion === true)) continue
    health.failures = isFailure ? health.failures + 1 : 0
    if (health.failures >= MOST_FAILURES * run.batch) {
      gone.add(engine)
      if (gone.size === run.engines.length)
        throw engineDown(engine.name, health.failures, item.fault)
    }
  }
}

async function requestOf(
  question: Question,
  run: RunRequest,
): Promise<EngineRequest | Extract<EngineAnswer, { error: string }>> {
  try {
    return {
      messages: await messagesOf(question, run),
      maxTokens: Math.min(question.maxTokens, run.maxTokens ?? Number.POSITIVE_INFINITY),
      ...(question.choices ? { choices: question.choices } : {}),
      ...(question.shorter ? { shorter: question.shorter } : {}),
    }
  } catch (error) {
    // A picture that is not there concerns one question; it is on record with its reason.
    return { error: error instanceof Error ? error.message : String(error) }
  }
}

async function messagesOf(question: Question, run: RunRequest): Promise<Message[]> {
  const { prompt, video } = question
  if (run.isBlind) return [{ role: 'user', content: prompt.replaceAll('<image>', '').trim() }]
  const opened = await Promise.all(question.images.map(run.openPicture))
  const images = opened
    .filter((image) => image !== null)
    .map((image): ContentPart => ({ type: 'image', image }))
  const isBare = images.length === 0 && video === undefined
  if (isBare && (question.isVisual === true || opened.length > 0)) {
    throw new InputError(
      'INPUT_PICTURE_MISSING',
      `eval: question ${question.id} should have a picture, its row has none.`,
    )
  }
  const clips = video === undefined ? [] : [clipPart(run.openVideo(video), question)]
  const media = [...clips, ...images]
  if (media.length === 0) return [{ role: 'user', content: prompt }]
  const content = question.isInterleaved
    ? interleave(prompt, media)
    : [...media, { type: 'text' as const, text: prompt }]
  return [{ role: 'user', content }]
}

function clipPart(path: string, { seconds }: Question): ContentPart {
  const part = { type: 'video' as const, video: path }
  if (!seconds || path.split(/[\\/]/).includes(seconds.cutIn)) return part
  const { cutIn: _cutIn, ...shown } = seconds
  return { ...part, ...shown }
}

/** Pictures where the prompt says, those without a place in front. */
function interleave(prompt: string, media: readonly ContentPart[]): ContentPart[] {
  const texts = prompt.split('<image>')
  const unplaced = Math.max(0, media.length - (texts.length - 1))
  const parts: ContentPart[] = media.slice(0, unplaced)
  texts.forEach((text, i) => {
    if (text !== '') parts.push({ type: 'text', text })
    const picture = media[unplaced + i]
    if (i < texts.length - 1 && picture) parts.push(picture)
  })
  return parts
}

function entryOf({ question, key }: Open, answer: EngineAnswer, model: string): JournalEntry {
  return { key, line: answerLine(question, answer, model) }
}

/** A line of the original's answer files; what went wrong stands in its metadata. */
export function answerLine(question: Question, answer: EngineAnswer, model: string): Row {
  const { id, extra } = question
  const head = { question_id: id, ...extra, prompt: shownPrompt(question) }
  if ('error' in answer) {
    return { ...head, text: '', model_id: model, metadata: { error: answer.error } }
  }
  const { text, ...metadata } = answer
  return { ...head, text: text.trim(), model_id: model, metadata }
}

/** Whether a line says that its question could not be answered. */
export function isErrorLine(line: Row): boolean {
  const metadata = line['metadata']
  return typeof metadata === 'object' && metadata !== null && 'error' in metadata
}

function stateOf(
  { done, errors, start }: { done: number; errors: number; start: number },
  { open, total, now }: { readonly open: number; readonly total: number; readonly now: number },
): RunState {
  const answered = done - (total - open)
  const seconds = (now - start) / 1000
  const secondsLeft = answered === 0 ? null : (seconds / answered) * (total - done)
  return { done, total, errors, secondsLeft }
}

function engineDown(name: string, failures: number, fault: string): CapacityError {
  return new CapacityError(
    'CAPACITY_ENGINE_DOWN',
    `eval: ${name} should answer questions, ${failures} in a row failed (${fault}); mend it and run the same command again, it goes on where it ended.`,
  )
}

/** Not one question: the engine is gone, or no question came as far as an engine. */
function nothingAnswered(open: readonly Open[], asked: number, model: string): Error {
  const fault = open.at(-1)?.fault ?? ''
  if (asked > 0) return engineDown(model, asked, fault)
  return new InputError(
    'INPUT_QUESTIONS_UNASKED',
    `eval: at least one question should be one that can be asked, none of ${open.length} is (${fault}); are these the question file and its pictures?`,
  )
}
