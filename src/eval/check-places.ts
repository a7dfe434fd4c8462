/**
 * Whether the questions in the files are those that were answered, where only an id or a place tells which is which.
 *
 * Many ids are places in a file: of the same rows in another order every answer would be scored by another question's truth.
 * Our answer files hold the prompt, as the authors' do, and lmms-eval's samples theirs: a prompt that is not its question's, and holds
 * another's, is refused.
 */
import { InputError } from '../core/errors.ts'
import type { Benchmark } from './benchmark.ts'
import { readRows, type EvalFile, type Row } from './eval-file.ts'
import { shownPrompt, truthId, type Question, type ReleasedFiles } from './question.ts'
import { isSample } from './samples.ts'

/** An answer with the prompt that it is to. */
type Prompted = { readonly id: string; readonly prompt: string }

/** A question with what answers may call it: an id, a place. */
type Place = { readonly ids: readonly string[]; readonly prompt: string }
type Placed = { readonly ids: readonly string[]; readonly lines: readonly string[] }

/** Answers whose question is looked for in another place, at most: of a prompt in other words it is in none. */
const MOST_LOOKED_FOR = 50

/** Throws InputError for an answer to a question that stands in another place. The files are of the authors' form. */
export function checkPlaces(
  { name, ask }: Benchmark,
  files: ReleasedFiles & { readonly answers: readonly EvalFile[] },
): void {
  if (!ask) return
  const rows = files.answers.flatMap(rowsOf).filter((row) => isFirst(row) && promptOf(row) !== null)
  if (rows.length === 0) return
  for (const asked of [files.questions, ask.hasTruth ? files.labels : []]) {
    const questions = questionsOf(ask.questions, asked)
    // Samples say the place: where questions have other ids, theirs are matched by `labelRows`.
    const isCounted = questions.every(({ id }, i) => String(id) === String(i))
    refuseMisplaced(
      name,
      rows.filter((row) => isCounted || !isSample(row)),
      questions.map((question) => {
        return { ids: [String(question.id), truthId(question)], prompt: shownPrompt(question) }
      }),
    )
  }
}

/** Throws InputError where the prompts of answers are those of questions in other places. */
export function refuseMisplaced(
  benchmark: string,
  answers: readonly Row[],
  questions: readonly Place[],
): void {
  const places = ownLines(questions)
  const byId = new Map<string, Placed[]>()
  for (const place of places)
    for (const id of new Set(place.ids)) byId.set(id, [...(byId.get(id) ?? []), place])
  const asked = answers.flatMap((row) => promptOf(row) ?? [])
  const strange = asked.filter(({ id, prompt }) => {
    const own = byId.get(id)
    return own !== undefined && !own.some(({ lines }) => isHeld(lines, prompt))
  })
  const looked = strange.slice(0, MOST_LOOKED_FOR).map((answer) => ({
    ...answer,
    other: places.find(({ lines }) => lines.length > 0 && isHeld(lines, answer.prompt)),
  }))
  const found = looked.filter(({ other }) => other !== undefined)
  // A short question may be a part of one, or of all, that were asked in other words; rows in another order have each its own.
  const others = new Set(found.map(({ other }) => other)).size
  const [first] = found
  if (first?.other && others > 1 && 2 * others >= looked.length) {
    throw misplaced(benchmark, first.id, first.other.ids[0] ?? '')
  }
}

function misplaced(name: string, id: string, other: string): InputError {
  return new InputError(
    'INPUT_LABELS_FOREIGN',
    `eval.${name}: answer ${id} should be of the question in that place, its prompt is that of ${other}; give the files that were asked, with their rows in the same order.`,
  )
}

/** None where the files are labels alone. */
function questionsOf(
  read: (files: readonly EvalFile[]) => Question[],
  files: readonly EvalFile[],
): Question[] {
  if (files.length === 0) return []
  try {
    return read(files)
  } catch (error) {
    if (error instanceof InputError) return []
    throw error
  }
}

function rowsOf(file: EvalFile): Row[] {
  try {
    return readRows(file)
  } catch (error) {
    if (error instanceof InputError) return []
    throw error
  }
}

/** MMBench asks a question several times, and a later round has the options of another row. */
function isFirst({ round_id: round }: Row): boolean {
  return typeof round !== 'number' || round === 0
}

/** A sample's prompt is its input. */
function promptOf(row: Row): Prompted | null {
  const [id, prompt] = isSample(row)
    ? [row['doc_id'], row['input']]
    : [row['question_id'], row['prompt']]
  if (typeof prompt !== 'string') return null
  if (typeof id !== 'string' && typeof id !== 'number') return null
  return { id: String(id), prompt: plain(prompt) }
}

/** The lines of each prompt that few others have: instructions and letters tell no question from another. */
function ownLines(questions: readonly Place[]): Placed[] {
  const all = questions.map(({ ids, prompt }) => ({
    ids,
    lines: [...new Set(prompt.split('\n').map(plain))],
  }))
  const counts = new Map<string, number>()
  for (const { lines } of all) {
    for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1)
  }
  const most = Math.max(1, questions.length / 4)
  return all.map(({ ids, lines }) => ({
    ids,
    lines: lines.filter((line) => line.length > 3 && (counts.get(line) ?? 0) <= most),
  }))
}

function isHeld(lines: readonly string[], prompt: string): boolean {
  return lines.every((line) => prompt.includes(line))
}

function plain(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim()
}
