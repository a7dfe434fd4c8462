/**
 * Whether the questions in the files are those that were answered, where only an id tells which is which.
 *
 * Many ids are places in a file: of the same rows in another order every answer would be scored by another question's truth.
 * Our answer files hold the prompt, as the authors' do: a prompt that is not its question's, and holds another's, is refused.
 */
import { InputError } from '../core/errors.ts'
import type { Benchmark } from './benchmark.ts'
import { isRow, readRows, type EvalFile, type Row } from './eval-file.ts'
import { shownPrompt, truthId, type Question, type ReleasedFiles } from './question.ts'

type Placed = { readonly id: string; readonly lines: readonly string[] }

/** Answers whose question is looked for in another place, at most: of a prompt in other words it is in none. */
const MOST_LOOKED_FOR = 50

/** Throws InputError for an answer to a question that stands in another place. The files are of the authors' form. */
export function checkPlaces(
  { name, ask }: Benchmark,
  files: ReleasedFiles & { readonly answers: readonly EvalFile[] },
): void {
  if (!ask) return
  const answers = files.answers.flatMap(rowsOf).flatMap(promptOf)
  if (answers.length === 0) return
  const asked = files.questions.length > 0 ? files.questions : ask.hasTruth ? files.labels : []
  const places = ownLines(questionsOf(ask.questions, asked))
  const byId = new Map<string, Placed[]>()
  for (const place of places) byId.set(place.id, [...(byId.get(place.id) ?? []), place])
  const strange = answers.filter(({ id, prompt }) => {
    const own = byId.get(id)
    return own !== undefined && !own.some(({ lines }) => isHeld(lines, prompt))
  })
  const looked = strange.slice(0, MOST_LOOKED_FOR).map((answer) => ({
    ...answer,
    other: places.find(({ lines }) => lines.length > 0 && isHeld(lines, answer.prompt)),
  }))
  const [first, ...others] = looked.filter(({ other }) => other !== undefined)
  // A short question may be a part of one that was asked in other words.
  if (first?.other && 2 * (1 + others.length) >= looked.length) {
    throw misplaced(name, first.id, first.other.id)
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

function promptOf(row: Row): { readonly id: string; readonly prompt: string }[] {
  const { question_id: id, prompt } = row
  if (!isRow(row) || typeof prompt !== 'string') return []
  return typeof id === 'string' || typeof id === 'number'
    ? [{ id: String(id), prompt: plain(prompt) }]
    : []
}

/** The lines of each prompt that few others have: instructions and letters tell no question from another. */
function ownLines(questions: readonly Question[]): Placed[] {
  const all = questions.map((question) => ({
    ids: new Set([String(question.id), truthId(question)]),
    lines: [...new Set(shownPrompt(question).split('\n').map(plain))],
  }))
  const counts = new Map<string, number>()
  for (const { lines } of all) {
    for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1)
  }
  const most = Math.max(1, questions.length / 4)
  return all.flatMap(({ ids, lines }) => {
    const own = lines.filter((line) => line.length > 3 && (counts.get(line) ?? 0) <= most)
    return [...ids].map((id) => ({ id, lines: own }))
  })
}

function isHeld(lines: readonly string[], prompt: string): boolean {
  return lines.every((line) => prompt.includes(line))
}

function plain(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim()
}
