/**
 * GQA: compositional questions about scene graphs; short answers, compared exactly.
 *
 * Paper: arXiv:1902.09506. Data: cs.stanford.edu/people/dorarad/gqa (CC BY 4.0), testdev_balanced_questions.json:
 *   {"201307251": {"question": "Is it overcast?", "answer": "no", "imageId": "n161313", …}, …}
 * Answers: {"question_id": "201307251", "prompt": "Is it overcast?\nAnswer the question using …", "text": "No"}
 * Submission: haotian-liu/LLaVA scripts/convert_gqa_for_eval.py at c121f04; official scorer: the dataset's eval.py, accuracy.
 */
import {
  answersById,
  countAnswers,
  onlyAsked,
  readAnswers,
  truthsById,
  truthsIn,
  type Answer,
} from '../answers.ts'
import {
  meanScore,
  partScores,
  type Benchmark,
  type Metric,
  type Outcome,
  type Scored,
  type ScoreInput,
} from '../benchmark.ts'
import { isRow, readJson, unreadable, type EvalFile, type Row } from '../eval-file.ts'
import { LLAVA_PROMPT, llavaQuestions } from '../llava-questions.ts'
import { exactMatchOfSamples } from '../metrics/exact-match.ts'
import { pythonJson, pythonStrip } from '../python-text.ts'
import { formOf } from '../samples.ts'
import { acceptedAnswers, questionText, tableRows } from '../table-rows.ts'
import { pickGqa, releasedGqa } from './hub-vqa-tables.ts'
import { zooRow, januaryRow } from './published-tables.ts'

export const gqa: Benchmark = {
  name: 'gqa',
  tasks: ['gqa', 'GQA_TestDev_Balanced'],
  split: 'testdev',
  otherSets: [
    { title: 'GQA (testdev balanced, lite)', tasks: ['gqa_lite'] },
    { title: 'GQA (val)', tasks: [], split: 'validation' },
  ],
  title: 'GQA (testdev balanced)',
  files: {
    answers: "answers, lmms-eval's samples or VLMEvalKit's table",
    labels:
      'testdev_balanced_questions.json; without it, and without the truth in the answers, only the submission is written',
  },
  needs: [],
  rule: 'lower case without full stops at the end; exact match',
  score: scoreGqa,
  ask: {
    questions: llavaQuestions(128),
    pick: pickGqa,
    fromTables: releasedGqa,
    prompt: LLAVA_PROMPT,
    folder: {
      questions: 'llava_gqa_testdev_balanced.jsonl',
      labels: 'data/testdev_balanced_questions.json',
      images: 'data/images',
    },
  },
  published: [
    ...zooRow('accuracy', [62.0, 63.3, 63.0, 63.3, 64.7]),
    ...januaryRow('accuracy', [63.3, 64.2, 64.8, 65.4, 67.1]),
  ],
}

type Truth = { readonly id: string; readonly answer: string; readonly question: string }

function scoreGqa({ answers: files, labels, asked }: ScoreInput): Scored {
  const given = readAnswers(files)
  const answers = answersById(given)
  const all =
    labels.length > 0 ? truthsIn(labels, labels.flatMap(readTruths)) : given.flatMap(truthOf)
  const own = truthsById(all, {
    id: ({ id }) => id,
    text: ({ answer }) => answer,
    question: ({ question }) => question,
  })
  const known = onlyAsked([...own.values()], asked, ({ id }) => id)
  const truths = new Map(known.map(({ id, answer }) => [id, answer]))
  const outcomes = [...truths].map(([id, expected]) => {
    const answer = answers.get(id)
    const read = answer === undefined ? '' : gqaAnswer(answer.text)
    return { id, given: answer?.text ?? '', read, expected, score: scoreOf(answer, expected) }
  })
  const submission = [...answers.values()].map(({ id, row, text }) => ({
    questionId: row['question_id'] ?? id,
    prediction: gqaAnswer(text),
  }))
  return {
    counts: countAnswers(truths.size > 0 ? [...truths.keys()] : [...answers.keys()], answers),
    outcomes,
    metrics: truths.size > 0 ? metricsOf(outcomes, labels) : [],
    written: { 'testdev_balanced_predictions.json': pythonJson(submission) },
  }
}

/** And as the dataset's eval.py prints it, by the types of questions: open are those that query, the others binary. */
function metricsOf(outcomes: readonly Outcome[], labels: readonly EvalFile[]): Metric[] {
  const types = new Map(labels.flatMap(readTypes))
  const typesOf = outcomes.map(({ id }) => types.get(id) ?? [])
  return [meanScore('accuracy', outcomes), ...partScores(outcomes, typesOf)]
}

/** `{"types": {"structural": "query", "semantic": "rel", …}}` of each question, where the file has them. */
function readTypes(file: EvalFile): [string, string[]][] {
  return readQuestions(file).map(([id, { types }]) => {
    const { structural, semantic } = isRow(types) ? types : {}
    if (typeof structural !== 'string' || typeof semantic !== 'string') return [id, []]
    return [id, [structural === 'query' ? 'open' : 'binary', structural, semantic]]
  })
}

/** lmms-eval passes over case and all marks, VLMEvalKit over case and spaces at the ends. */
function scoreOf(answer: Answer | undefined, expected: string): number {
  if (answer === undefined) return 0
  const form = formOf(answer.row)
  if (form === 'lmms-eval') return exactMatchOfSamples(answer.text, expected)
  const plain = (text: string) => pythonStrip(text).toLowerCase()
  const isSame =
    form === 'vlmevalkit'
      ? plain(answer.text) === plain(expected)
      : gqaAnswer(answer.text) === expected
  return isSame ? 1 : 0
}

/** lmms-eval's samples and VLMEvalKit's table hold the truth; an empty cell is none. */
function truthOf({ id, row }: Answer): Truth[] {
  const answer = row['target'] ?? (row['prediction'] === undefined ? undefined : row['answer'])
  return typeof answer === 'string' && answer !== ''
    ? [{ id, answer, question: questionText(row) }]
    : []
}

function gqaAnswer(text: string): string {
  return text.replace(/\.+$/, '').toLowerCase()
}

function isTable({ rows, text }: EvalFile): boolean {
  return rows !== undefined || /^\s*\[/.test(text)
}

function readTruths(file: EvalFile): Truth[] {
  return readQuestions(file).map(([id, row]) => {
    const { answer } = row
    if (typeof answer === 'string') return { id, answer, question: questionText(row) }
    throw unreadable(file, `questions with an answer, ${id} among them`)
  })
}

/** The dataset's object of questions, or the table of the hub; beside it lies one of pictures. */
function readQuestions(file: EvalFile): [string, Row][] {
  if (isTable(file)) {
    return tableRows(file)
      .filter(({ row }) => row['image'] === undefined || row['question'] !== undefined)
      .map((one) => [one.id, { ...one.row, answer: acceptedAnswers(one)[0] }])
  }
  const questions = readJson(file)
  if (!isRow(questions)) throw unreadable(file, 'an object of questions')
  return Object.entries(questions).map(([id, question]) => [id, isRow(question) ? question : {}])
}
