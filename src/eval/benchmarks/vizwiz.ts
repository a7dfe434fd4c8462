/**
 * VizWiz: pictures and questions of blind people; some cannot be answered.
 *
 * Paper: arXiv:1802.08218. Data: vizwiz.org (CC BY 4.0). LLaVA's questions, llava_test.jsonl, name the pictures:
 *   {"question_id": 0, "image": "VizWiz_test_00000000.jpg", "text": "What is this? and what color is it?\n…"}
 * val.json has the truth of the validation split: {"image", "question", "answers": [{"answer": "…"}, … ten], …}.
 * Submission (EvalAI challenge 1911): haotian-liu/LLaVA scripts/convert_vizwiz_for_submission.py at c121f04.
 */
import { InputError } from '../../core/errors.ts'
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
  type Benchmark,
  type Counts,
  type Scored,
  type ScoreInput,
} from '../benchmark.ts'
import { readRows, textField, type EvalFile, type Row } from '../eval-file.ts'
import { LLAVA_PROMPT, llavaQuestions } from '../llava-questions.ts'
import { normaliseVqaAnswer } from '../metrics/vqa-normaliser.ts'
import { pythonJson } from '../python-text.ts'
import { isSample } from '../samples.ts'
import { allTableRows, questionText } from '../table-rows.ts'
import { pickAnswered, releasedVizwiz } from './hub-vqa-tables.ts'
import {
  HUMANS,
  humanAnswers,
  judgeVqaAnswer,
  ownHumans,
  withSubmission,
  type HumanTruth,
} from './vqav2.ts'
import { zooRow, januaryRow } from './published-tables.ts'

const SERVER = 'test, by the server'

export const vizwiz: Benchmark = {
  name: 'vizwiz',
  tasks: ['vizwiz_vqa_val', 'vizwiz_vqa_test', 'VizWiz'],
  otherSets: [{ title: 'VizWiz (val, lite)', tasks: ['vizwiz_vqa_val_lite'] }],
  title: 'VizWiz',
  files: {
    answers: "answers, a submission, or lmms-eval's samples",
    questions: 'llava_test.jsonl, which names the pictures; needed where answers do not',
    labels:
      "val.json or the table of the validation split, whose truth is public; without it, and without the truth in lmms-eval's samples, only the submission is written",
  },
  needs: [],
  rule: "EvalAI's normaliser on both sides; soft accuracy over ten human answers",
  missing:
    'no submission is written while a question has no answer: the server takes whole ones alone',
  score: scoreVizwiz,
  ask: {
    questions: llavaQuestions(128),
    pick: pickAnswered,
    fromTables: releasedVizwiz,
    prompt: LLAVA_PROMPT,
    folder: { questions: 'llava_test.jsonl', images: 'test' },
  },
  published: [
    ...zooRow('accuracy', [50.0, 53.6, 47.8, 58.9, 57.5], SERVER),
    ...januaryRow('accuracy', [53.6, 57.6, 60.0, 60.5, 63.8], SERVER),
  ],
}

function scoreVizwiz({ answers: files, questions, labels, asked: limit }: ScoreInput): Scored {
  const broken = { count: 0 }
  const given = readAnswers(files.map(withSubmission), broken)
  const known = questions.flatMap(readQuestions)
  const keyOf = questionOf(known)
  const answers = answersById(given, { key: keyOf })
  const all = known.length > 0 ? known : [...answers].flatMap(ownQuestion)
  if (all.length === 0) throw noQuestions()
  const asked = onlyAsked(all, limit, ({ id }) => id)
  const counts = countAnswers(
    asked.map(({ id }) => id),
    answers,
    broken.count,
  )
  const images = new Map(asked.map(({ id, image }) => [id, image]))
  const imageOfAnswer = (answer: Answer) => images.get(keyOf(answer))
  const truths = byPicture(
    labels.length > 0 ? truthsIn(labels, readTruths(labels)) : ownTruths(given, imageOfAnswer),
  )
  const scores = truths.size > 0 ? accuracies(asked, answers, truths) : []
  return {
    counts,
    outcomes: scores,
    metrics: scores.length > 0 ? [meanScore('accuracy', scores)] : [],
    printed: `total results: ${answers.size}, total split: ${asked.length}, error_line: ${broken.count}\n`,
    ...submission(asked, answers, counts),
  }
}

type Asked = { readonly id: string; readonly image: string }

function readQuestions(file: EvalFile): Asked[] {
  return readRows(file).map((row) => ({
    id: textField(row, 'question_id', file),
    image: ('image' in row && imageOf(row)) || textField(row, 'image', file),
  }))
}

/** A submission names pictures, of which each has one question. */
function questionOf(known: readonly Asked[]): (answer: Answer) => string {
  const byImage = new Map(known.map(({ id, image }) => [image, id]))
  return ({ id, row }) => (row['image'] === id ? (byImage.get(id) ?? id) : id)
}

/** lmms-eval's samples name the picture, and so does a submission. */
function ownQuestion([id, { row }]: readonly [string, Answer]): Asked[] {
  const image = isSample(row) || row['image'] === id ? imageOf(row) : null
  return image === null ? [] : [{ id, image }]
}

/** Questions of the tables at the hub are named as their pictures, without the ending. */
function imageOf({ image, question_id: name }: Row): string | null {
  if (typeof image === 'string') return image
  return typeof name === 'string' ? `${name.replace(/\.jpg$/, '')}.jpg` : null
}

function noQuestions(): InputError {
  return new InputError(
    'INPUT_QUESTIONS_MISSING',
    'eval.vizwiz: questions should come too (llava_test.jsonl, which names the pictures), none did.',
  )
}

/** The server refuses incomplete submissions, and so does the official script: none is written then. */
function submission(
  asked: readonly Asked[],
  answers: ReadonlyMap<string, Answer>,
  { missing }: Counts,
): Pick<Scored, 'written'> {
  if (missing > 0) return {}
  const rows = asked.map(({ id, image }) => ({
    image,
    answer: normaliseVqaAnswer(answers.get(id)?.text ?? ''),
  }))
  return { written: { 'submission.json': pythonJson(rows) } }
}

/** Each picture has one question: truths are named by it. */
type Truths = ReadonlyMap<string, readonly string[]>

function byPicture(truths: readonly HumanTruth[]): Truths {
  const once = truthsById(truths, HUMANS)
  return new Map([...once].map(([image, { humans }]) => [image, humans]))
}

function readTruths(labels: readonly EvalFile[]): HumanTruth[] {
  const rows = allTableRows(labels, {
    id: (row, i) => imageOf(row) ?? String(i),
    split: 'validation',
  })
  return rows.map(({ row, id, file }) => ({
    id: imageOf(row) ?? id,
    humans: humanAnswers(row, file),
    question: questionText(row),
  }))
}

/** lmms-eval's samples with the dataset's row hold the human answers. */
function ownTruths(
  given: readonly Answer[],
  imageOfAnswer: (answer: Answer) => string | undefined,
): HumanTruth[] {
  return given.flatMap((answer) => {
    const id = imageOfAnswer(answer)
    const humans = ownHumans(answer.row)
    return id === undefined || !humans ? [] : [{ id, humans, question: questionText(answer.row) }]
  })
}

function accuracies(asked: readonly Asked[], answers: ReadonlyMap<string, Answer>, truths: Truths) {
  return asked.map(({ id, image }) => {
    const humans = truths.get(image)
    if (!humans) {
      throw new InputError(
        'INPUT_LABELS_FOREIGN',
        `eval.vizwiz: the labels should have every picture of the questions, ${image} is not among them; are they of this split?`,
      )
    }
    const { score, read } = judgeVqaAnswer(answers.get(id), humans)
    return { id, given: answers.get(id)?.text ?? '', read, expected: humans.join(' | '), score }
  })
}
