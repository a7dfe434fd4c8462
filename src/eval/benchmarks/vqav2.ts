/**
 * VQAv2: short questions about COCO pictures, ten human answers each.
 *
 * Paper: arXiv:1612.00837. Data: visualqa.org (CC BY 4.0). LLaVA answers test-dev; the server wants all of test2015:
 *   llava_vqav2_mscoco_test2015.jsonl: {"question_id": 262144000, "image": "COCO_test2015_000000262144.jpg", "text": "…"}
 * v2_mscoco_val2014_annotations.json has the truth of the validation split: {"annotations": [{"question_id", "answers":
 * [{"answer": "…"}, … ten]}]}.
 * Submission (EvalAI challenge 830): haotian-liu/LLaVA scripts/convert_vqav2_for_submission.py at c121f04: every id of
 * test2015, an empty answer where there is none.
 */
import { InputError } from '../../core/errors.ts'
import {
  answersById,
  countAnswers,
  onlyAsked,
  ownIds,
  readAnswers,
  truthsById,
  truthsIn,
  type Answer,
  type TruthKeys,
} from '../answers.ts'
import { meanScore, type Benchmark, type Scored, type ScoreInput } from '../benchmark.ts'
import {
  isJsonLines,
  isRow,
  readRows,
  textField,
  unreadable,
  withRowsOf,
  type EvalFile,
  type Row,
} from '../eval-file.ts'
import { LLAVA_PROMPT, llavaQuestions } from '../llava-questions.ts'
import { vqaAccuracy } from '../metrics/vqa-accuracy.ts'
import { normaliseTableAnswer, normaliseVqaAnswer } from '../metrics/vqa-normaliser.ts'
import { readPythonList } from '../python-dict.ts'
import { pythonJson } from '../python-text.ts'
import { formOf, isSample } from '../samples.ts'
import { labelRows } from '../short-answers.ts'
import { allTableRows, questionText } from '../table-rows.ts'
import { pickAnswered, releasedVqav2 } from './hub-vqa-tables.ts'
import { zooRow, januaryRow } from './published-tables.ts'

const SERVER = 'test-dev, by the server'

export const vqav2: Benchmark = {
  name: 'vqav2',
  tasks: ['vqav2_val', 'vqav2_test', 'vqav2'],
  otherSets: [{ title: 'VQAv2 (val, lite)', tasks: ['vqav2_val_lite'] }],
  title: 'VQAv2',
  files: {
    answers: "answers, a submission, or lmms-eval's samples",
    questions: 'llava_vqav2_mscoco_test2015.jsonl: every id of the submission',
    labels:
      'v2_mscoco_val2014_annotations.json or the table of the validation split, whose truth is public',
  },
  needs: [],
  rule: "EvalAI's normaliser on both sides; soft accuracy over ten human answers",
  score: scoreVqav2,
  ask: {
    questions: llavaQuestions(128),
    pick: pickAnswered,
    fromTables: releasedVqav2,
    prompt: LLAVA_PROMPT,
    folder: {
      questions: 'llava_vqav2_mscoco_test-dev2015.jsonl',
      images: 'test2015',
      submission: 'llava_vqav2_mscoco_test2015.jsonl',
    },
  },
  published: [
    ...zooRow('accuracy', [78.5, 80.0, 79.1, 80.0, 81.8], SERVER),
    ...januaryRow('accuracy', [80.0, 81.8, 82.2, 82.8, 83.7], SERVER),
  ],
}

function scoreVqav2({ answers: files, questions, labels, asked: limit }: ScoreInput): Scored {
  const broken = { count: 0 }
  const given = readAnswers(files.map(withSubmission), broken)
  const answers = answersById(given)
  const asked = questions.flatMap((file) =>
    readRows(file).map((row) => ({ row, id: textField(row, 'question_id', file) })),
  )
  ownIds(asked.map(({ id }) => id))
  const all =
    labels.length > 0 ? truthsIn(labels, readTruths(labels, answers)) : given.flatMap(ownTruth)
  const own = [...truthsById(all, HUMANS).values()]
  const truths = new Map(
    onlyAsked(own, limit, ({ id }) => id).map(({ id, humans }) => [id, humans]),
  )
  if (asked.length === 0 && truths.size === 0) {
    throw new InputError(
      'INPUT_QUESTIONS_MISSING',
      'eval.vqav2: questions (llava_vqav2_mscoco_test2015.jsonl, for a submission) or labels (for a score) should come too, neither did.',
    )
  }
  const outcomes = [...truths].map(([id, humans]) => outcomeOf(id, humans, answers.get(id)))
  const submission = asked.map(({ id, row }) => ({
    question_id: row['question_id'],
    answer: normaliseVqaAnswer(answers.get(id)?.text ?? ''),
  }))
  const ids =
    truths.size > 0
      ? [...truths.keys()]
      : onlyAsked(asked, limit, ({ id }) => id).map(({ id }) => id)
  return {
    counts: countAnswers(ids, answers, broken.count),
    outcomes,
    metrics: truths.size > 0 ? [meanScore('accuracy', outcomes)] : [],
    printed: `total results: ${answers.size}, total split: ${asked.length}, error_line: ${broken.count}\n`,
    ...(asked.length > 0 ? { written: { 'submission.json': pythonJson(submission) } } : {}),
  }
}

function outcomeOf(id: string, humans: readonly string[], answer: Answer | undefined) {
  const { score, read } = judgeVqaAnswer(answer, humans)
  return { id, given: answer?.text ?? '', read, expected: humans.join(' | '), score }
}

/**
 * The soft accuracy of an answer, and what was read. Newer samples of lmms-eval hold their score, which its tasks make in
 * different ways; of VLMEvalKit's tables its own normaliser does.
 */
export function judgeVqaAnswer(answer: Answer | undefined, humans: readonly string[]) {
  if (answer === undefined) return { score: 0, read: '' }
  const { text, row } = answer
  const form = formOf(row)
  const normalise = form === 'vlmevalkit' ? normaliseTableAnswer : normaliseVqaAnswer
  const known = form === 'lmms-eval' ? row['exact_match'] : undefined
  const score = typeof known === 'number' ? known : vqaAccuracy(text, humans, normalise)
  return { score, read: normalise(text) }
}

/** A submission's rows, `{"question_id", "answer"}` or `{"image", "answer"}`, as answers. */
export function withSubmission(file: EvalFile): EvalFile {
  if (isJsonLines(file) || file.cells || !/^\s*\[/.test(file.text)) return file
  const rows = readRows(file)
  const isOwn = ({ answer, ...rest }: Row) =>
    typeof answer === 'string' && Object.keys(rest).every((name) => SUBMITTED.includes(name))
  if (rows.length === 0 || !rows.every(isOwn)) return file
  const answers = rows.map(({ answer, ...row }) => ({
    question_id: row['image'],
    ...row,
    text: answer,
  }))
  return { ...file, rows: answers }
}

const SUBMITTED = ['question_id', 'image']

/** The human answers of a row: texts, or objects with `answer`, as both challenges write them. */
export function humanAnswers(row: Row, file: EvalFile): string[] {
  const texts = ownHumans(row)
  if (texts) return texts
  throw unreadable(file, 'rows with "answers", a list of texts')
}

/** The same where the row has them, be it as VLMEvalKit prints a list into `answer`; none where only their score is known; else null. */
export function ownHumans(row: Row): string[] | null {
  const { answers, answer } = row
  if (isSample(row) && typeof row['exact_match'] === 'number' && !Array.isArray(answers)) return []
  const printed = typeof answers === 'string' ? answers : answer
  const list = Array.isArray(answers)
    ? answers.map((item: unknown) => (isRow(item) ? item['answer'] : item))
    : typeof printed === 'string' && row['prediction'] !== undefined
      ? readPythonList(printed)
      : null
  if (!list || list.length === 0 || !list.every((text) => typeof text === 'string')) return null
  return list
}

/** Samples of lmms-eval hold the human answers, or newer ones their score. */
function ownTruth({ id, row }: Answer): HumanTruth[] {
  const humans = ownHumans(row)
  return humans ? [{ id, humans, question: questionText(row) }] : []
}

/** Of the dataset's file of annotations, or of the rows of its table. */
function readTruths(files: readonly EvalFile[], answers: ReadonlyMap<string, Answer>) {
  const opened = files.map((file) => withRowsOf(file, 'annotations'))
  const rows = labelRows(allTableRows(opened, { split: 'validation' }), answers, {
    benchmark: 'vqav2',
  })
  return rows.map(({ id, row, file }): HumanTruth => {
    return { id, humans: humanAnswers(row, file), question: questionText(row) }
  })
}

/** What people answered to a question. */
export type HumanTruth = {
  readonly id: string
  readonly humans: readonly string[]
  readonly question: string
}

export const HUMANS: TruthKeys<HumanTruth> = {
  id: ({ id }) => id,
  text: ({ humans }) => humans.join('\n'),
  question: ({ question }) => question,
}
