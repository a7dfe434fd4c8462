/**
 * How a judge is asked for MM-Vet: a table with the last cell open, which the judge fills with 0.0 to 1.0.
 *
 * Source: yuweihao/MM-Vet mm-vet_evaluator.ipynb; lmms-eval tasks/mmvet/utils.py. What is no grade is asked again at higher
 * temperatures, as there.
 */
import { InputError } from '../../core/errors.ts'
import { isRow, readJson, unreadable, type EvalFile, type Row } from '../eval-file.ts'
import { MM_VET_PREFIX } from '../judge-prompts.ts'
import type { JudgeInput, JudgeSpec, JudgeTask } from '../judge-spec.ts'
import { parsePythonFloat } from '../python-text.ts'

export const mmVetJudge: JudgeSpec = {
  model: 'gpt-4-0613',
  temperature: 0,
  maxTokens: 128,
  retryTemperatures: [0.5, 1, 1.5],
  tasks,
  read: readGrade,
  collect: (reviews) =>
    Object.fromEntries(reviews.map(({ id, score, ...rest }) => [String(id), { ...rest, score }])),
}

/** The first word, a number from 0 to 1. */
function readGrade(reply: string): Row | null {
  const grade = parsePythonFloat(reply.trim().split(' ')[0] ?? '')
  return grade !== null && grade >= 0 && grade <= 1 ? { score: [grade] } : null
}

function tasks({ answers, labels }: JudgeInput): JudgeTask[] {
  const questions = new Map(labels.flatMap(readTruths))
  if (questions.size === 0) {
    throw new InputError(
      'INPUT_LABELS_MISSING',
      'eval.mm-vet: the judge needs the truth; give mm-vet.json as labels.',
    )
  }
  return answers.flatMap(({ id, text }) => {
    const truth = questions.get(`v1_${id}`)
    if (!truth) return []
    const answer = truth.answer.replaceAll('<AND>', ' <AND> ').replaceAll('<OR>', ' <OR> ')
    const content = `${MM_VET_PREFIX}\n${truth.question} | ${answer} | ${text} |`
    return [
      {
        id,
        answer: text,
        messages: [{ role: 'user' as const, content }],
        fields: { id: `v1_${id}` },
        unread: { score: [0], unread: true },
      },
    ]
  })
}

function readTruths(
  file: EvalFile,
): [string, { readonly question: string; readonly answer: string }][] {
  const whole = readJson(file)
  if (!isRow(whole)) throw unreadable(file, 'an object keyed by question')
  return Object.entries(whole).map(([id, row]) => {
    const question = isRow(row) ? row['question'] : null
    const answer = isRow(row) ? row['answer'] : null
    if (typeof question === 'string' && typeof answer === 'string')
      return [id, { question, answer }]
    throw unreadable(file, `questions with their answers, ${id} among them`)
  })
}
