/**
 * How a judge is asked for LLaVA-Bench: the reference as Assistant 1, the answer as Assistant 2, a pair of scores on the
 * first line.
 *
 * Source: haotian-liu/LLaVA llava/eval/eval_gpt_review_bench.py (In-the-Wild) and eval_gpt_review_visual.py (COCO) at
 * c121f04; lmms-eval tasks/llava_wilder/utils.py (Wilder).
 */
import { InputError } from '../../core/errors.ts'
import type { Answer } from '../answers.ts'
import { baseName, isRow, readRows, textField, type EvalFile, type Row } from '../eval-file.ts'
import { LLAVA_BENCH_RULES, LLAVA_BENCH_SYSTEM, WILDER_RULE } from '../judge-prompts.ts'
import type { JudgeInput, JudgeSpec, JudgeTask } from '../judge-spec.ts'
import { pictureField } from '../llava-questions.ts'
import { parsePythonFloat, pythonFloat } from '../python-text.ts'
import { oneFile } from '../one-file.ts'
import type { Named } from '../question.ts'
import { columnText } from '../row-columns.ts'

/** `prefix` stands before a category in the table of rules. */
export function llavaBenchJudge(prefix: '' | 'llava_bench_'): JudgeSpec {
  return {
    model: 'gpt-4-0314',
    temperature: 0.2,
    maxTokens: 1024,
    tasks: (input) => benchTasks(input, prefix),
    read: (reply) => readPair(reply),
    missing: nothingBesideMean,
  }
}

export const wilderJudge: JudgeSpec = {
  model: 'gpt-4-vision-preview',
  temperature: 0,
  maxTokens: 1024,
  tasks: wilderTasks,
  read: (reply) => readPair(reply),
  missing: nothingBesideMean,
}

/** A question without an answer: no points beside the mean of the references, which leaves the score the answered questions' share of it. */
function nothingBesideMean(verdicts: readonly Row[]): Row | null {
  const references = verdicts.flatMap(({ tuple }) =>
    Array.isArray(tuple) ? [Number(tuple[0])] : [],
  )
  if (references.length === 0) return null
  return { tuple: [references.reduce((sum, one) => sum + one, 0) / references.length, 0] }
}

/** Two numbers on the first line, 1 to 10 as the prompt asks; what is outside is no verdict. */
export function readPair(reply: string): Row | null {
  const words = (reply.split('\n')[0] ?? '').trim().replaceAll(',', ' ').split(' ')
  const pair = words.map(parsePythonFloat)
  const isPair =
    pair.length === 2 && pair.every((score) => score !== null && score >= 0 && score <= 10)
  return isPair ? { tuple: pair } : null
}

function benchTasks({ answers, questions, labels }: JudgeInput, prefix: string): JudgeTask[] {
  const contexts = new Map(rowsOf(labels, 'context', CONTEXT).map((row) => [contextKey(row), row]))
  const references = new Map(
    rowsOf(labels, 'GPT-4 answer', REFERENCES).map((row) => [String(row['question_id']), row]),
  )
  const asked = questions.flatMap((file) => readRows(file).map((row) => ({ row, file })))
  const byId = new Map(answers.map((answer) => [answer.id, answer]))
  return asked.flatMap(({ row, file }) => {
    const id = textField(row, 'question_id', file)
    const answer = byId.get(id)
    if (!answer) return []
    const category = `${prefix}${String(row['category'])}`
    const rule = LLAVA_BENCH_RULES[category]
    const context =
      contexts.get(contextKey({ image: row['image'] })) ??
      contexts.get(contextKey({ question_id: id }))
    const reference = references.get(id)?.['text']
    if (rule === undefined || !hasCaption(context) || typeof reference !== 'string') {
      throw new InputError(
        'INPUT_LABELS_FOREIGN',
        `eval.llava-bench: question ${id} should have a known category, a context and a reference answer, it has not (category ${category}); give context.jsonl and answers_gpt4.jsonl of this benchmark as labels.`,
      )
    }
    const content =
      `[Context]\n${contextText(context)}\n\n[Question]\n${textField(row, 'text', file)}\n\n` +
      `${pairText(reference, answer.text)}[System]\n${rule}\n\n`
    const fields = { question_id: row['question_id'], category }
    return [{ ...taskOf(id, content, fields, LLAVA_BENCH_SYSTEM), answer: answer.text }]
  })
}

/** A judge that is told nothing of the picture judges by the reference alone. */
function hasCaption(context: Row | undefined): context is Row {
  const captions = context?.['captions'] ?? context?.['caption']
  return Array.isArray(captions)
    ? captions.length > 0
    : typeof captions === 'string' && captions !== ''
}

/** Contexts are of pictures; where these have no names, of questions. */
function contextKey({ image, question_id: id }: Row): string {
  return typeof image === 'string' ? `picture ${image}` : `question ${String(id)}`
}

function wilderTasks({ answers, labels, questions }: JudgeInput): JudgeTask[] {
  const rows = wilderRows(labels.length > 0 ? labels : questions)
  const byId = new Map(answers.map((answer: Answer) => [answer.id, answer]))
  return rows.flatMap((one) => {
    const { row, id } = one
    // Before answers are there: a question without a reference is no question for a judge.
    const reference = referenceOf(one)
    const answer = byId.get(id)
    if (!answer) return []
    const content =
      `[Question]\n${columnText(one, 'Question', 'question')}\n\n` +
      `${pairText(reference, answer.text)}[System]\n${WILDER_RULE}\n\n`
    const category = typeof row['Category'] === 'string' ? { category: row['Category'] } : {}
    return [
      {
        ...taskOf(id, content, { question_id: id, ...category }),
        answer: answer.text,
        images: pictureField(row['image']),
      },
    ]
  })
}

function referenceOf(one: Parameters<typeof columnText>[0]): string {
  const { id, row, file } = one
  if ((row['Answer'] ?? row['answer']) !== '') return columnText(one, 'Answer', 'answer')
  throw new InputError(
    'INPUT_REFERENCES_MISSING',
    `eval.llava-wilder: every question of ${file.name} should have a reference answer as Answer, ${id} has none; write it into review.jsonl and run llava data build-bench again, with a model or --engine that answers.`,
  )
}

export type WilderRow = { readonly id: string; readonly row: Row; readonly file: EvalFile }

/** Rows of the small and medium sets have no id in some releases: they are counted then, through all files of the set. */
export function wilderRows(files: readonly EvalFile[]): WilderRow[] {
  const rows = files.flatMap((file) => readRows(file).map((row) => ({ row, file })))
  return rows.map(({ row, file }, i) => {
    return { id: String(row['question_id'] ?? row['id'] ?? i), row, file }
  })
}

function taskOf(
  id: string,
  content: string,
  fields: Row,
  system?: string,
): Omit<JudgeTask, 'answer'> {
  return {
    id,
    messages: [
      ...(system === undefined ? [] : [{ role: 'system' as const, content: system }]),
      { role: 'user', content },
    ],
    fields,
    unread: { tuple: [-1, -1] },
  }
}

function pairText(reference: string, answer: string): string {
  return (
    `[Assistant 1]\n${reference}\n\n[End of Assistant 1]\n\n` +
    `[Assistant 2]\n${answer}\n\n[End of Assistant 2]\n\n`
  )
}

/** Captions; of COCO also the boxes, after an empty line. */
function contextText(context: Row): string {
  const captions = context['captions'] ?? context['caption']
  const text = Array.isArray(captions) ? captions.map(String).join('\n') : String(captions ?? '')
  const instances = context['instances']
  if (!Array.isArray(instances)) return text
  const boxes = instances.map((one: unknown) =>
    isRow(one) ? `${String(one['category'])}: ${pythonList(one['bbox'])}` : '',
  )
  return `${text}\n\n${boxes.join('\n')}`
}

/** Boxes are shares of the picture: 1 and 0 are floats too. */
function pythonList(value: unknown): string {
  if (!Array.isArray(value)) return String(value)
  const isShare = value.every((one: unknown) => typeof one === 'number' && one >= 0 && one <= 1)
  return `[${value.map((one) => (isShare ? pythonFloat(one as number) : String(one))).join(', ')}]`
}

const CONTEXT = {
  names: ['context.jsonl', 'caps_boxes_coco2014_val_80.jsonl'],
  like: /context|caps_boxes/,
}
const REFERENCES = {
  names: ['answers_gpt4.jsonl', 'qa90_gpt4_answer.jsonl'],
  like: /answers?_gpt4|gpt4_answers?/,
}

/** Of a folder those two files. */
export function pickBenchLabels<File extends Named>(files: readonly File[]): readonly File[] {
  return files.filter((file) => {
    const name = baseName(file)
    return CONTEXT.like.test(name) || REFERENCES.like.test(name)
  })
}

/** The rows of the file of that name. */
function rowsOf(files: readonly EvalFile[], what: string, wanted: typeof CONTEXT): Row[] {
  const file = oneFile(files, wanted)
  if (file) return readRows(file)
  throw new InputError(
    'INPUT_LABELS_MISSING',
    `eval.llava-bench: the judge needs the benchmark's context and GPT-4's answers as labels (context.jsonl and answers_gpt4.jsonl; of COCO caps_boxes_coco2014_val_80.jsonl and qa90_gpt4_answer.jsonl), no file of ${what} came.`,
  )
}
