/**
 * POPE: is this object in the picture? Three ways of choosing absent objects; hallucination shows as false yes.
 *
 * Paper: arXiv:2305.10355. Data: github.com/AoiDragon/POPE (MIT), output/coco/coco_pope_{random,popular,adversarial}.json.
 * Questions and answers of LLaVA-1.5 are one file for all three; the nth question of a category has the nth label:
 *   {"question_id": 1, "image": "COCO_val2014_000000310196.jpg", "text": "Is there a snowboard in the image?\n…", "category": "adversarial"}
 *   {"question_id": 1, "image": "COCO_val2014_000000310196.jpg", "text": "Is there a snowboard in the image?", "label": "yes"}
 * Official scorer: haotian-liu/LLaVA llava/eval/eval_pope.py at c121f04. It pairs answers with labels by place in the answer
 * file; we pair by question, so that an answer that is missing or in another place moves no other.
 */
import { InputError } from '../../core/errors.ts'
import {
  answersById,
  countAnswers,
  onlyAsked,
  ownIds,
  readAnswers,
  truthsById,
  type Answer,
} from '../answers.ts'
import {
  publishedRows,
  type Benchmark,
  type Metric,
  type Outcome,
  type Scored,
  type ScoreInput,
} from '../benchmark.ts'
import {
  fileNames,
  readRows,
  shownField,
  textField,
  type EvalFile,
  type Row,
} from '../eval-file.ts'
import { LLAVA_PROMPT, llavaQuestions } from '../llava-questions.ts'
import { releasedPope } from './hub-tables.ts'
import { rowsByUnit, sumsOf, type Statistic } from '../metrics/intervals.ts'
import { exactlyYesOrNo, popeAnswer, yesOrNo } from '../metrics/yes-no.ts'
import { pythonFixed, pythonFloat } from '../python-text.ts'
import { withoutColumn, type NamedRow } from '../row-columns.ts'
import { isSample } from '../samples.ts'
import { questionText } from '../table-rows.ts'
import { zooRow, januaryRow } from './published-tables.ts'

/** The splits, of v1, 1.5 in two sizes and 1.5-HD. */
function detail(metric: string, [v1 = 0, small = 0, large = 0, hd = 0]: readonly number[]) {
  return publishedRows(metric, 'arXiv:2310.03744 (detail)', {
    'llava-v1.5-7b': small,
    'llava-v1.5-13b': large,
    'llava-v1.5-hd-13b': hd,
    'llava-7b-v1': v1,
  })
}

export const pope: Benchmark = {
  name: 'pope',
  tasks: ['pope', 'pope_*'],
  title: 'POPE',
  files: {
    answers:
      "answers of all categories, lmms-eval's samples, or VLMEvalKit's table, which hold the truth",
    questions: 'llava_pope_test.jsonl',
    labels:
      'the folder with coco_pope_random.json, coco_pope_popular.json, coco_pope_adversarial.json',
  },
  needs: [],
  rule: 'No, not or no as a word before the first full stop is no, everything else yes (samples of lmms-eval and tables of VLMEvalKit: as these read); F1 of yes by category, its mean, and where these two programs wrote the file that of all rows',
  score: scorePope,
  ask: {
    questions: llavaQuestions(128),
    fromTables: releasedPope,
    prompt: LLAVA_PROMPT,
    folder: { questions: 'llava_pope_test.jsonl', labels: 'coco', images: 'val2014' },
  },
  published: [
    ...zooRow('F1 mean', [85.9, 85.9, 86.4, 86.7]),
    ...januaryRow('F1 mean', [85.93, 86.53, 86.73, 86.23, 87.73]),
    ...detail('F1 random', [76.3, 87.3, 87.1, 87.5]),
    ...detail('F1 popular', [72.2, 86.1, 86.2, 86.4]),
    ...detail('F1 adversarial', [70.1, 84.2, 84.5, 85.0]),
  ],
}

type Case = {
  readonly id: string
  readonly category: string
  readonly label: 'yes' | 'no'
  /** Where rows do not name it, what is asked: a positive question is the same one in all three splits. */
  readonly picture: string
}

function scorePope({ answers: files, questions, labels, asked }: ScoreInput): Scored {
  const isWhole = questions.length === 0 && labels.length === 0
  const given = isWhole ? readAnswers(files).flatMap(byCategory) : readAnswers(files)
  const answers = answersById(given)
  const all = isWhole ? ownCases(given) : readCases(questions, labels)
  const cases = onlyAsked(all, asked, ({ id }) => id)
  const outcomes = cases.map(({ id, label }): Outcome => {
    const answer = answers.get(id)
    const read = answer === undefined ? '' : readerOf(answer, isWhole)(answer.text)
    return { id, given: answer?.text ?? '', read, expected: label, score: read === label ? 1 : 0 }
  })
  const parts = [...new Set(cases.map(({ category }) => category))]
  const counts = countAnswers(
    cases.map(({ id }) => id),
    answers,
    outcomes.filter(({ read }) => read === 'other' || read === 'unknown').length,
  )
  const drawn = drawnRows(cases, outcomes, parts)
  // Of all rows together too, as lmms-eval and VLMEvalKit (a row of several categories in each) print them.
  const isPooled = isWhole && parts.length > 1
  const metrics = [
    ...metricsOf(parts, drawn),
    ...(isPooled ? ratesOf('overall', drawn, pooled) : []),
  ]
  return { counts, outcomes, metrics, ...printAll(parts, drawn) }
}

/** Samples and tables are read as by the program that wrote them, so that its number comes out. */
function readerOf({ row }: Answer, isWhole: boolean): (text: string) => string {
  if (isSample(row)) return exactlyYesOrNo
  return isWhole ? yesOrNo : popeAnswer
}

/** The tasks of lmms-eval that are one category. */
const PARTS: Readonly<Record<string, string>> = { adv: 'adversarial', pop: 'popular' }

/**
 * lmms-eval's samples and VLMEvalKit's tables hold category and truth; ids repeat from category to category. A table's row is
 * of several, `adversarial,popular`, where they ask the same; newer samples do not say of which, unless each has a file.
 */
function byCategory({ id, text, row, part = 'all' }: Answer): Answer[] {
  const { category } = row
  const names =
    typeof category === 'string' && category !== '' ? category.split(',') : [PARTS[part] ?? part]
  const place = row[isSample(row) ? 'doc_id' : 'question_id']
  return names.map((name) => ({
    id: `${name}/${String(place ?? id)}`,
    text,
    row: { ...row, category: name },
  }))
}

function ownCases(given: readonly Answer[]): Case[] {
  const own = given.map((answer) => ({ ...caseOfSample(answer), row: answer.row }))
  const once = truthsById(own, {
    id: ({ id }) => id,
    text: ({ label }) => label,
    question: ({ row }) => questionText(row),
  })
  return [...once.values()]
}

function caseOfSample({ id, row }: Answer): Case {
  const label = truthIn(row['answer'] ?? row['target'])
  if (label !== null)
    return { id, category: String(row['category']), label, picture: pictureOf(row, id) }
  throw new InputError(
    'INPUT_LABELS_MISSING',
    `eval.pope: the truth should come with questions and labels, or as answer, yes or no, in every row, ${id} has neither; give both.`,
  )
}

/** In any case; null of anything else, which the official script takes for yes. */
function truthIn(value: unknown): Case['label'] | null {
  const word = String(value).trim().toLowerCase()
  return word === 'yes' || word === 'no' ? word : null
}

function pictureOf(row: Row, id: string): string {
  const name = row['image'] ?? row['image_source'] ?? row['image_path']
  return typeof name === 'string' ? name : id.replace(/^\w+\//, '')
}

/** In the order of the label files, which the official script takes from the folder's listing. */
function readCases(questions: readonly EvalFile[], labels: readonly EvalFile[]): Case[] {
  if (questions.length === 0 || labels.length === 0) {
    throw new InputError(
      `INPUT_${questions.length === 0 ? 'QUESTIONS' : 'LABELS'}_MISSING`,
      'eval.pope: questions (llava_pope_test.jsonl) and labels (coco_pope_*.json) should come together, one did.',
    )
  }
  const asked = questions.flatMap((file) =>
    readRows(file).map((row) => ({
      row,
      file,
      id: textField(row, 'question_id', file),
      category: textField(row, 'category', file),
    })),
  )
  ownIds(asked.map(({ id }) => id))
  return labelFiles(labels).flatMap((file) => {
    const category = CATEGORY.exec(file.name)?.[1] ?? file.name
    const rows = readRows(file)
    const own = asked.filter((question) => question.category === category)
    if (own.length !== rows.length) {
      throw new InputError(
        'INPUT_LABELS_FOREIGN',
        `eval.pope: ${file.name} should have a label for each of the ${own.length} ${category} questions, it has ${rows.length}; are the labels those of this question file?`,
      )
    }
    const named = rows.filter(({ text }) => text !== undefined)
    const byQuestion = truthsById(named, { id: questionKey, text: (row) => String(row['label']) })
    for (const question of own) checkFields(question, rows)
    return own.map(({ id, row }, i) => {
      const inPlace = rows[i] ?? {}
      // Labels say what they are about: in another order they are found all the same.
      const label = isAbout(inPlace, row) ? inPlace : byQuestion.get(questionKey(row))
      if (label === undefined) throw foreignLabel(row, inPlace, file, i)
      const truth = truthIn(label['label'])
      if (truth === null) throw noTruth(label, file, rows.indexOf(label))
      return { id, category, label: truth, picture: pictureOf(row, id) }
    })
  })
}

const ORDER = ['random', 'popular', 'adversarial']
const CATEGORY = /coco_pope_(\w+)\.json$/

/** Other files may lie beside them. */
function labelFiles(files: readonly EvalFile[]): EvalFile[] {
  const place = ({ name }: EvalFile) => ORDER.findIndex((category) => name.includes(category))
  const own = files.filter(({ name }) => CATEGORY.test(name))
  if (own.length > 0) return own.sort((a, b) => place(a) - place(b))
  throw new InputError(
    'INPUT_LABELS_MISSING',
    `eval.pope: labels should be files coco_pope_CATEGORY.json, as their names tell the category, ${fileNames(files)} came; name them so.`,
  )
}

/** What labels are matched by, a question should have. */
function checkFields(question: NamedRow, labels: readonly Row[]): void {
  for (const name of ['text', 'image']) {
    const isKnown = question.row[name] !== undefined
    if (!isKnown && labels.some((label) => label[name] !== undefined))
      throw withoutColumn(question, `"${name}", by which its label is found`)
  }
}

/** Label files of other releases list other questions: pairing by place would score noise. */
function isAbout(label: Row, question: Row): boolean {
  const { image, text } = label
  return (
    (image === undefined || image === question['image']) &&
    (typeof text !== 'string' || String(question['text']).startsWith(text))
  )
}

/** Picture and question, without the instruction that follows on the next line. */
function questionKey({ image, text }: Row): string {
  return `${String(image)} ${lineOf(text)}`
}

function lineOf(text: unknown): string {
  return String(text).split('\n')[0] ?? ''
}

function foreignLabel(question: Row, label: Row, file: EvalFile, place: number): InputError {
  return new InputError(
    'INPUT_LABELS_FOREIGN',
    `eval.pope: ${file.name} should have a label for the question "${lineOf(question['text'])}" of ${String(question['image'])}, it has none, and in its place (line ${place + 1}) "${lineOf(label['text'])}" of ${String(label['image'])}; take the labels of the question file's release.`,
  )
}

function noTruth({ label, text }: Row, { name }: EvalFile, place: number): InputError {
  return new InputError(
    'INPUT_LABELS_MISSING',
    `eval.pope: label ${place + 1} of ${name} ("${lineOf(text)}") should be yes or no, ${shownField(label)} came; take the file as its authors publish it.`,
  )
}

/**
 * [true positive, false positive, true negative, false negative, questions]; a missing answer is whichever is wrong. What is
 * neither yes nor no to lmms-eval is in none of the four; what VLMEvalKit does not know is no yes.
 */
function confusionRow({ read, expected }: Outcome): number[] {
  if (read === 'other') return [0, 0, 0, 0, 1]
  if (expected === 'yes') return read === 'yes' ? [1, 0, 0, 0, 1] : [0, 0, 0, 1, 1]
  if (read === 'unknown') return [0, 0, 0, 0, 1]
  return read === 'no' ? [0, 0, 1, 0, 1] : [0, 1, 0, 0, 1]
}

const WIDTH = 5

type Drawn = Required<Pick<Statistic, 'rows' | 'units'>>

/**
 * A row for each picture, the counts of part p at 5p … 5p+4. The splits ask about the same pictures, and the same positive questions:
 * drawn one by one they would look like three times as many.
 */
function drawnRows(
  cases: readonly Case[],
  outcomes: readonly Outcome[],
  parts: readonly string[],
): Drawn {
  const rows = outcomes.map((outcome, i) =>
    parts.flatMap((part) =>
      part === cases[i]?.category ? confusionRow(outcome) : Array.from({ length: WIDTH }, () => 0),
    ),
  )
  return rowsByUnit(
    rows,
    cases.map(({ picture }) => picture),
  )
}

/** The five counts of a part among the sums over all parts. */
function countsOf(place: number) {
  return (sums: readonly number[]) => sums.slice(WIDTH * place, WIDTH * (place + 1))
}

function pooled(sums: readonly number[]): number[] {
  return Array.from({ length: WIDTH }, (_, k) =>
    sums.reduce((sum, count, i) => (i % WIDTH === k ? sum + count : sum), 0),
  )
}

const RATES = {
  F1: ([tp = 0, fp = 0, , fn = 0]: readonly number[]) => f1(share(tp, tp + fp), share(tp, tp + fn)),
  accuracy: ([tp = 0, , tn = 0, , all = 0]: readonly number[]) => (tp + tn) / all,
  precision: ([tp = 0, fp = 0]: readonly number[]) => share(tp, tp + fp),
  recall: ([tp = 0, , , fn = 0]: readonly number[]) => share(tp, tp + fn),
  'yes ratio': ([tp = 0, fp = 0, , , all = 0]: readonly number[]) => (tp + fp) / all,
}

function f1(precision: number, recall: number): number {
  return share(2 * precision * recall, precision + recall)
}

/** Of nothing it is 0, as lmms-eval and VLMEvalKit have it: a model that never says yes has an F1. */
function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}

function metricsOf(parts: readonly string[], drawn: Drawn): Metric[] {
  const mean = (sums: readonly number[]) =>
    (parts.reduce((sum, _, p) => sum + RATES.F1(countsOf(p)(sums)), 0) / parts.length) * 100
  const first: Metric = {
    name: 'F1 mean',
    unit: 'percent',
    digits: 2,
    statistic: { ...drawn, of: mean },
    ...partOf(parts),
  }
  return [first, ...parts.flatMap((part, p) => ratesOf(part, drawn, countsOf(p)))]
}

/** The published mean is of three splits; a table without splits has all of them. */
function partOf(parts: readonly string[]): Pick<Metric, 'part'> {
  const isSplit = parts.every((part) => ORDER.includes(part))
  return isSplit && parts.length < ORDER.length ? { part: `${parts.join(', ')} alone` } : {}
}

function ratesOf(
  part: string,
  drawn: Drawn,
  counts: (sums: readonly number[]) => readonly number[],
): Metric[] {
  const [, , , , questions = 0] = counts(sumsOf(drawn.rows))
  return Object.entries(RATES).map(([name, rate]) => ({
    name: `${name} ${part}`,
    unit: 'percent',
    digits: 2,
    questions,
    statistic: { ...drawn, of: (sums: readonly number[]) => rate(counts(sums)) * 100 },
  }))
}

/** Where no yes of a category is right the script ends with a division by zero. */
function printAll(parts: readonly string[], { rows }: Drawn): Pick<Scored, 'printed'> {
  const counts = parts.map((_, p) => countsOf(p)(sumsOf(rows)))
  if (counts.some(([tp = 0]) => tp === 0)) return {}
  return { printed: parts.map((part, p) => printPart(part, counts[p] ?? [])).join('') }
}

function printPart(part: string, sums: readonly number[]): string {
  const rates = Object.values(RATES).map((rate) => rate(sums))
  const [F1 = 0, accuracy = 0, precision = 0, recall = 0, yes = 0] = rates
  return [
    `Category: ${part}, # samples: ${sums[4]}`,
    'TP\tFP\tTN\tFN\t',
    sums.slice(0, 4).join('\t'),
    `Accuracy: ${pythonFloat(accuracy)}`,
    `Precision: ${pythonFloat(precision)}`,
    `Recall: ${pythonFloat(recall)}`,
    `F1 score: ${pythonFloat(F1)}`,
    `Yes ratio: ${pythonFloat(yes)}`,
    rates.map((rate) => pythonFixed(rate, 3)).join(', '),
    '====================================\n',
  ].join('\n')
}
