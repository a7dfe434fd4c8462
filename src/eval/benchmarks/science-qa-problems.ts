/** ScienceQA's questions and their truth, from LLaVA's question file or from the dataset's own two. */
import { InputError } from '../../core/errors.ts'
import { ownIds, type Answer } from '../answers.ts'
import {
  fileNames,
  isRow,
  readJson,
  readRows,
  unreadable,
  type EvalFile,
  type Row,
} from '../eval-file.ts'
import { oneFile } from '../one-file.ts'
import type { Named } from '../question.ts'
import { isSample } from '../samples.ts'
import { questionText } from '../table-rows.ts'

export type Problem = {
  readonly id: string
  readonly choices: number
  /** The place of the right choice. */
  readonly answer: number
  /** `null` where only the prompt of the answer tells, as in the official script. */
  readonly hasPicture: boolean | null
  /** The columns of the dataset's table that it counts in: NAT, SOC, LAN; TXT, IMG, NO; G1-6, G7-12. */
  readonly columns: readonly string[]
  /** Where the answer's row says it. */
  readonly question?: string
}

export const COLUMNS = ['NAT', 'SOC', 'LAN', 'TXT', 'IMG', 'NO', 'G1-6', 'G7-12']

export function readProblems(
  questions: readonly EvalFile[],
  labels: readonly EvalFile[],
): Problem[] {
  const { problems, splits } = findProblems(labels)
  const asked = questions.flatMap(fromConversations)
  const split = splits && askedSplit(splits, asked)
  if (problems && split) return withPictures(fromDataset(problems, split), asked)
  if (split && asked.length > 0) return inSplit(asked, split)
  if (labels.length > 0) {
    throw new InputError(
      'INPUT_LABELS_MISSING',
      `eval.scienceqa: labels should be the dataset's two files, of names that end with problems.json and pid_splits.json, or the second beside the question file, ${fileNames(labels)} came; give the folder with both, or leave labels out.`,
    )
  }
  if (questions.length > 0) return asked
  throw new InputError(
    'INPUT_QUESTIONS_MISSING',
    'eval.scienceqa: the truth should come with questions (llava_test_CQM-A.json) or labels (problems.json and pid_splits.json), it did not.',
  )
}

/** The problems and the splits; none unless both are there: LLaVA's own folder may hold one of them. */
export function pickProblems<File extends Named>(files: readonly File[]): readonly File[] {
  const { problems, splits } = findProblems(files)
  return problems && splits ? [problems, splits] : []
}

function findProblems<File extends Named>(files: readonly File[]) {
  return {
    problems: oneFile(files, { names: ['problems.json'], like: /problems\.json$/ }),
    splits: oneFile(files, { names: ['pid_splits.json'], like: /pid_splits\.json$/ }),
  }
}

type AskedSplit = {
  readonly name: string
  readonly ids: readonly string[]
  readonly file: EvalFile
}

/** Of the splits that have all questions the smallest: minitest is a part of test. Where none has, or none came, test. */
function askedSplit(file: EvalFile, asked: readonly Problem[]): AskedSplit {
  const splits = readJson(file)
  const all = Object.entries(isRow(splits) ? splits : {})
    .flatMap(([name, list]) => (Array.isArray(list) ? [{ name, ids: list.map(String), file }] : []))
    .sort((a, b) => a.ids.length - b.ids.length)
  const test = all.find(({ name }) => name === 'test')
  if (!test) throw unreadable(file, 'an object with the list "test"')
  if (asked.length === 0) return test
  return all.find(({ ids }) => hasAll(ids, asked)) ?? test
}

function hasAll(ids: readonly string[], asked: readonly Problem[]): boolean {
  const own = new Set(ids)
  return asked.every(({ id }) => own.has(id))
}

/** The questions that the split has, all of which have to be among them: their file holds the truth. */
function inSplit(asked: readonly Problem[], { name, ids, file }: AskedSplit): Problem[] {
  ownIds(asked.map(({ id }) => id))
  const byId = new Map(asked.map((problem) => [problem.id, problem]))
  const lacking = ids.filter((id) => !byId.has(id))
  if (lacking.length === 0) return ids.flatMap((id) => byId.get(id) ?? [])
  throw new InputError(
    'INPUT_LABELS_FOREIGN',
    `eval.scienceqa: the questions should be all ${ids.length} that ${file.name} has under "${name}", ${lacking.length} are not among them (${lacking.slice(0, 3).join(', ')}); give the whole question file of ${name}, or leave labels out.`,
  )
}

/** Which of them have a picture the questions say, where they came: a question without an answer has one too. */
function withPictures(problems: readonly Problem[], asked: readonly Problem[]): Problem[] {
  const known = new Map(asked.map(({ id, hasPicture }) => [id, hasPicture]))
  return problems.map((one) => ({ ...one, hasPicture: known.get(one.id) ?? one.hasPicture }))
}

function fromDataset(problemsFile: EvalFile, { ids }: AskedSplit): Problem[] {
  const problems = readJson(problemsFile)
  if (!isRow(problems)) throw unreadable(problemsFile, 'an object of problems')
  return ids.map((id) => {
    const problem = problems[id]
    const choices: unknown = isRow(problem) ? problem['choices'] : null
    const answer: unknown = isRow(problem) ? problem['answer'] : null
    if (!Array.isArray(choices) || typeof answer !== 'number') {
      throw unreadable(problemsFile, `problems with choices and answer, ${id} among them`)
    }
    const image = isRow(problem) ? problem['image'] : null
    const hasImage = typeof image === 'string' && image !== ''
    const columns = isRow(problem) ? columnsOf(problem, hasImage) : []
    return { id, choices: choices.length, answer, hasPicture: null, columns }
  })
}

const SUBJECTS: Readonly<Record<string, string>> = {
  'natural science': 'NAT',
  'social science': 'SOC',
  'language science': 'LAN',
}

/** A question with a text and a picture counts under both. Source: lupantech/ScienceQA tools/evaluate_acc.py. */
function columnsOf({ subject, hint, grade }: Row, hasImage: boolean): string[] {
  const hasText = typeof hint === 'string' && hint !== ''
  const year = Number(/^grade(\d+)$/.exec(String(grade))?.[1] ?? Number.NaN)
  const column = SUBJECTS[String(subject)]
  return [
    ...(column === undefined ? [] : [column]),
    ...(hasText ? ['TXT'] : []),
    ...(hasImage ? ['IMG'] : []),
    ...(hasText || hasImage ? [] : ['NO']),
    ...(year <= 6 ? ['G1-6'] : []),
    ...(year > 6 ? ['G7-12'] : []),
  ]
}

/** Of lmms-eval's samples and VLMEvalKit's table, which hold the truth; none of other answers. */
export function ownProblems(answers: readonly Answer[], { name }: EvalFile): Problem[] {
  // The tasks scienceqa_img and VLMEvalKit's ScienceQA_TEST are of the questions with a picture.
  const isOfPictures = /img/i.test(name.split('/').at(-1) ?? name)
  return answers.flatMap(({ id, row }): Problem[] => {
    const truth = row['target'] ?? row['answer']
    const place = typeof truth === 'number' ? truth : 'ABCDE'.indexOf(String(truth ?? '?'))
    if (place < 0 || (!isSample(row) && row['prediction'] === undefined)) return []
    const choices: unknown = row['choices']
    return [
      {
        id,
        choices: Array.isArray(choices) ? choices.length : 5,
        answer: place,
        hasPicture: isOfPictures || !isSample(row),
        columns: [],
        question: questionText(row),
      },
    ]
  })
}

function fromConversations(file: EvalFile): Problem[] {
  return readRows(file).map((row) => {
    const [question, truth] = turnsOf(row)
    const answer = placeOf(truth)
    if (question === undefined || answer < 0) {
      throw unreadable(
        file,
        'conversations of a question and a letter, or a text with "The answer is X."',
      )
    }
    const listed = Array.isArray(row['choices']) ? row['choices'] : question.match(/^[A-E]\. /gm)
    const choices = Math.max(answer + 1, listed?.length ?? 0)
    const hasPicture = row['image'] !== undefined
    // Conversations that were made of the hub's table know what it counts a question as.
    const columns = row['subject'] === undefined ? [] : columnsOf(row, hasPicture)
    return { id: String(row['id']), choices, answer, hasPicture, columns }
  })
}

/** A letter, or what the fine-tune learns to say: a lecture, a solution, and "The answer is B." or "ANSWER: B." Without one −1. */
function placeOf(truth = ''): number {
  const last = [...truth.matchAll(/(?:The answer is|ANSWER:) ([A-E])\./g)].at(-1)
  const letter = isLetter(truth) ? truth : last?.[1]
  return letter === undefined ? -1 : 'ABCDE'.indexOf(letter)
}

export function isLetter(truth: string): boolean {
  return /^[A-E]$/.test(truth)
}

function turnsOf(row: Row): (string | undefined)[] {
  const turns: unknown = row['conversations']
  if (!Array.isArray(turns)) return []
  return turns.map((turn: unknown) => {
    const value = isRow(turn) ? turn['value'] : undefined
    return typeof value === 'string' ? value.trim() : undefined
  })
}
