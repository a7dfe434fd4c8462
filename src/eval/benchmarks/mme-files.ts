/** MME's files: the truth of every task, answers to LLaVA's questions, and the official result files. */
import { InputError } from '../../core/errors.ts'
import { answersById, readAnswers, truthsById, truthsIn, type Answer } from '../answers.ts'
import { baseName, readRows, textField, type EvalFile } from '../eval-file.ts'
import { questionKeys } from '../question.ts'
import { isSample } from '../samples.ts'
import { questionText } from '../table-rows.ts'

export const PERCEPTION = [
  'existence',
  'count',
  'position',
  'color',
  'posters',
  'celebrity',
  'scene',
  'landmark',
  'artwork',
  'OCR',
]
export const COGNITION = [
  'commonsense_reasoning',
  'numerical_calculation',
  'text_translation',
  'code_reasoning',
]
export const MME_TASKS = [...PERCEPTION, ...COGNITION]

export type MmeCase = {
  readonly id: string
  readonly task: string
  readonly picture: string
  readonly truth: 'yes' | 'no'
  readonly given: string | null
  /** The question that was answered, as `questionKeys` names it. */
  readonly asked?: string
  /** Whose reading: of the official result files their own script's. */
  readonly form: 'mme' | 'lmms-eval' | 'vlmevalkit'
}

export type MmeCases = {
  readonly cases: readonly MmeCase[]
  /** TASK.txt as the official scorer reads it; none if that was the input. */
  readonly results: Readonly<Record<string, string>> | null
}

/** Of `questions`, where they came, all tasks count; else those that are answered. */
export function readMmeCases(
  answers: readonly EvalFile[],
  { labels, questions }: { labels: readonly EvalFile[]; questions: readonly EvalFile[] },
): MmeCases {
  // Other files may lie in the folder, and a single file may have any name.
  const ofTasks = answers.filter(
    ({ name }) => name.endsWith('.txt') && MME_TASKS.includes(taskOf(name)),
  )
  if (ofTasks.length > 0 || answers.every(({ name }) => name.endsWith('.txt'))) {
    const results = ofTasks.length > 0 ? ofTasks : answers
    checkOneModel(results)
    return { cases: results.flatMap(fromResults), results: null }
  }
  const given = readAnswers(answers)
  const isWhole = given.length > 0 && given.every(({ row }) => 'answer' in row || isSample(row))
  if (labels.length === 0 && isWhole) {
    return { cases: casesOnce(given), results: null }
  }
  if (labels.length === 0) {
    throw new InputError(
      'INPUT_LABELS_MISSING',
      'eval.mme: the truth should come with answers: give the folder MME_Benchmark_release_version as labels, or result files as answers.',
    )
  }
  const asked = questions.flatMap((file) =>
    readRows(file).map((row) => taskOfId(textField(row, 'question_id', file))),
  )
  return fromAnswers(given, readTruths(labels), new Set(asked))
}

/** `code_reasoning/0020.png` */
function taskOfId(id: string): string {
  return id.split('/')[0] ?? id
}

/** The official tool keeps a folder of each model's results. */
function checkOneModel(results: readonly EvalFile[]): void {
  const tasks = results.map(({ name }) => taskOf(name))
  const twice = results.filter(({ name }, i) => tasks.indexOf(taskOf(name)) !== i)
  if (twice.length === 0) return
  throw new InputError(
    'INPUT_ANSWERS_DUPLICATE',
    `eval.mme: the answers should be of one model, ${twice[0]?.name} is not the only file of its task; give the folder of one.`,
  )
}

/** The only case of each question. Throws InputError where two of one id have questions, truths or answers that differ. */
function casesOnce(given: readonly Answer[]): MmeCase[] {
  const own = given.map((answer) => ({ ...fromSample(answer), text: answer.text, row: answer.row }))
  const once = truthsById(own, {
    id: ({ id }) => id,
    text: ({ truth }) => truth,
    question: ({ row }) => questionText(row),
  })
  answersById(own)
  return [...once.values()]
}

/** The samples of lmms-eval and VLMEvalKit's tables hold task, picture and truth. */
function fromSample({ id, text, row }: Answer): MmeCase {
  const { category: task, question } = row
  const picture = row['image_path'] ?? row['question_id']
  const truth = String(row['answer'] ?? row['target'])
    .trim()
    .replaceAll('.', '')
    .toLowerCase()
  if (
    typeof task !== 'string' ||
    typeof picture !== 'string' ||
    (truth !== 'yes' && truth !== 'no')
  ) {
    throw new InputError(
      'INPUT_ANSWERS_FIELD',
      `eval.mme: rows should have category, question_id or image_path, and yes or no as answer, ${id} has not; give labels.`,
    )
  }
  return {
    // A sample's own number: newer ones have no question.
    id: isSample(row) ? id : `${task}/${picture}/${String(question)}`,
    task,
    picture: `${task}/${picture}`,
    truth,
    given: text,
    form: isSample(row) ? 'lmms-eval' : 'vlmevalkit',
  }
}

function fromResults(file: EvalFile): MmeCase[] {
  const task = taskOf(file.name)
  return linesOf(file).map(([picture = '', , truth = '', given, ...rest], i) => {
    const label = truth.toLowerCase()
    const isTruth = label === 'yes' || label === 'no'
    const isWhole = given !== undefined && rest.every((field) => field.trim() === '')
    if (!isWhole || !isTruth) throw badLine(file, i, 4)
    return {
      id: `${task}/${picture}/${i}`,
      task,
      picture: `${task}/${picture}`,
      truth: label,
      given,
      form: 'mme',
    }
  })
}

type Truth = Pick<MmeCase, 'id' | 'task' | 'picture' | 'truth'> & { readonly label: string }

/** By task, picture and question. */
function readTruths(labels: readonly EvalFile[]): Map<string, Truth> {
  const all = truthsIn(labels, labels.flatMap(truthsOf))
  return truthsById(all, { id: ({ id }) => id, text: ({ truth }) => truth })
}

/**
 * From TASK/NAME.txt, or the lists TASK.txt of picture, question and truth that come with the
 * official scorer. Other texts in the folder are passed over.
 */
function truthsOf(file: EvalFile): Truth[] {
  if (!file.name.endsWith('.txt')) return []
  const parts = file.name.split('/').filter((part) => part !== 'questions_answers_YN')
  const [name = '', folder = ''] = parts.reverse()
  const isList = MME_TASKS.includes(taskOf(name))
  const task = isList ? taskOf(name) : folder
  if (!MME_TASKS.includes(task)) return []
  return linesOf(file).map((fields, i) => {
    const [question = '', label = ''] = fields.slice(-2)
    const truth = label.toLowerCase()
    if (fields.length !== (isList ? 3 : 2) || (truth !== 'yes' && truth !== 'no')) {
      throw badLine(file, i, isList ? 3 : 2)
    }
    const own = isList ? `${(fields[0] ?? '').replace(/\.[^.]*$/, '')}.txt` : name
    return { id: keyOf(task, own, question), task, picture: `${task}/${own}`, truth, label }
  })
}

function fromAnswers(
  answers: readonly Answer[],
  truths: ReadonlyMap<string, Truth>,
  askedTasks: ReadonlySet<string>,
): MmeCases {
  const given = new Map<string, { readonly text: string; readonly asked: string }>()
  const lines = new Map<string, string[]>()
  for (const { id, text, row } of answers) {
    const { prompt } = row
    if (typeof prompt !== 'string') throw withoutPrompt(id)
    const task = taskOfId(id)
    const name = `${id.split('/').at(-1)?.split('.')[0] ?? ''}.txt`
    const question = questionOf(prompt, (form) => truths.has(keyOf(task, name, form)))
    const key = keyOf(task, name, question ?? '')
    const truth = truths.get(key)
    const before = given.get(key)
    if (before?.text === text) continue
    if (question === null || !truth || before) {
      throw new InputError(
        before ? 'INPUT_ANSWERS_DUPLICATE' : 'INPUT_ANSWERS_FOREIGN',
        `eval.mme: every answer should be to one of the labels' questions, once; "${prompt.slice(0, 60)}" of ${id} ${before ? 'came with two answers' : 'is not among them'}.`,
      )
    }
    const [asked = ''] = questionKeys([{ id, prompt }])
    given.set(key, { text, asked })
    lines.set(task, [
      ...(lines.get(task) ?? []),
      `${[name, question, truth.label, text].join('\t')}\n`,
    ])
  }
  // Tasks that nobody asked or answered are another run's; within a task, a question without an answer is wrong.
  const cases = [...truths.values()]
    .filter(({ task }) => lines.has(task) || askedTasks.has(task))
    .map((truth): MmeCase => {
      const { text = null, asked } = given.get(truth.id) ?? {}
      return { ...truth, given: text, form: 'mme', ...(asked === undefined ? {} : { asked }) }
    })
  const results = Object.fromEntries([...lines].map(([task, own]) => [`${task}.txt`, own.join('')]))
  return { cases, results }
}

function withoutPrompt(id: string): InputError {
  return new InputError(
    'INPUT_ANSWERS_FIELD',
    `eval.mme: every answer should have "prompt", which tells the two questions of a picture apart, an answer to ${id} has no text there; give the answers as they were written.`,
  )
}

const SHORT_ANSWER = 'Answer the question using a single word or phrase.'
const YES_NO = ' Please answer yes or no.'

/** The prompt as the data has it: some questions stand two spaces before their instruction. */
function questionOf(prompt: string, isKnown: (question: string) => boolean): string | null {
  const plain = prompt.includes(SHORT_ANSWER) ? prompt.replaceAll(SHORT_ANSWER, '').trim() : prompt
  const forms = plain.includes(YES_NO.trim())
    ? [plain]
    : [`${plain}${YES_NO}`, `${plain} ${YES_NO}`]
  return forms.find(isKnown) ?? null
}

function keyOf(task: string, name: string, question: string): string {
  return `${task}/${name}/${question}`
}

function taskOf(name: string): string {
  return baseName({ name }).replace(/\.txt$/, '')
}

function linesOf(file: EvalFile): string[][] {
  return file.text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .map((line) => line.split('\t').map((field, i) => (i < 3 ? field.trim() : field)))
}

function badLine(file: EvalFile, i: number, fields: number): InputError {
  return new InputError(
    'INPUT_ANSWERS_BROKEN',
    `eval.mme: line ${i + 1} of ${file.name} should be ${fields} fields with tabs between, yes or no as truth; is it another file?`,
  )
}
