/**
 * The mini model's held-out tasks: pictures that we may pass on or draw ourselves, questions with certain answers.
 *
 * Data: `llava data` builds it; licences are in the model's card. A file for each task, test/<task>.jsonl:
 *   {"id": "color-00004", "image": "images/drawn/test/color-00004.png", "task": "color", "question": "What color is the star?
 *    \nAnswer the question using a single word or phrase.", "answer": "Red"}
 * Several pictures are a list; a clip is `video`, a file or a folder of frames. There is no other scorer. Yes/no tasks are
 * POPE's (F1 of yes), boxes count from an overlap of one half, and beside every number stands what always giving the commonest
 * answer of the test would score.
 */
import { answersById, countAnswers, onlyAsked, readAnswers } from '../answers.ts'
import type { Benchmark, Metric, Outcome, Scored, ScoreInput } from '../benchmark.ts'
import { meanOfParts, ratioPercent } from '../benchmark.ts'
import { baseName, readRows, textField, type EvalFile } from '../eval-file.ts'
import {
  formOf,
  readInForm,
  type AnswerForm,
  type FormReading,
  type Truth,
} from '../metrics/mini-answer.ts'
import type { Named, Question } from '../question.ts'
import { columnText } from '../row-columns.ts'

/** Answers are short: lists of shapes in JSON are the longest. */
const LONGEST = 96

/** `quick`, `mini`, or `mini-<task>`: the same scorer over all tasks that its files hold. */
export function miniBenchmark(name: string): Benchmark {
  const pick = tasksOnly(/^mini-(.+)$/.exec(name)?.[1])
  return {
    name,
    title: name === 'quick' ? 'Quick set of the mini model' : `Held-out tasks (${name})`,
    files: { answers: 'answers', labels: 'the question files, which hold the truth' },
    needs: ['labels'],
    rule: 'by the form of the task’s truths: yes or no, letter, number, box (overlap of one half), JSON (equal content), text (equal but for case and a full stop); mean over questions',
    score: scoreMini,
    ask: {
      questions: (files) => files.flatMap(readQuestions),
      prompt: 'the question, which holds its instruction, after its pictures; greedy',
      pick,
      pickLabels: pick,
      folder: { questions: 'test', images: '.' },
      hasTruth: true,
    },
    published: [],
  }
}

/** Beside the tasks lie the records to train on and what was counted; of one task its own file, if there is one. */
function tasksOnly(task: string | undefined) {
  return <File extends Named>(files: readonly File[]): readonly File[] => {
    const lines = files.filter(({ name }) => /\.jsonl$/i.test(name))
    const own = lines.filter((file) => baseName(file) === `${task}.jsonl`)
    return own.length > 0 ? own : lines
  }
}

type Task = { readonly name: string; readonly form: AnswerForm; readonly items: readonly Item[] }
type Item = Truth & { readonly id: string; readonly task: string }
type Read = Item & { readonly given: string | null; readonly reading: FormReading }

function scoreMini({ answers: files, labels, asked }: ScoreInput): Scored {
  const answers = answersById(readAnswers(files))
  const items = onlyAsked(labels.flatMap(readItems), asked, ({ id }) => id)
  const tasks = tasksOf(items)
  const read = tasks.map((task) => ({
    task,
    items: task.items.map((item) => readItem(item, task.form)),
  }))
  const all = read.flatMap((one) => one.items)
  function readItem(item: Item, form: AnswerForm): Read {
    const given = answers.get(item.id)?.text ?? null
    const reading = given === null ? NOTHING : readInForm(form, given, item)
    return { ...item, given, reading }
  }
  return {
    counts: countAnswers(
      items.map(({ id }) => id),
      answers,
      all.filter(({ given, reading }) => given !== null && !reading.isValid).length,
    ),
    outcomes: all.map(outcomeOf),
    metrics: [
      percent('overall', all, weightedMajority(tasks)),
      ...(read.length > 1 ? [meanOfTasks(read.map((one) => one.items))] : []),
      ...read.flatMap((one) => taskMetrics(one.task, one.items)),
    ],
  }
}

const NOTHING: FormReading = { score: 0, read: '', isValid: false, overlap: 0 }

function tasksOf(items: readonly Item[]): Task[] {
  const names = [...new Set(items.map(({ task }) => task))].sort()
  return names.map((name) => {
    const own = items.filter(({ task }) => task === name)
    return { name, form: formOf(own), items: own }
  })
}

function outcomeOf({ id, given, answer, reading }: Read): Outcome {
  return { id, given: given ?? '', read: reading.read, expected: answer, score: reading.score }
}

function percent(name: string, items: readonly Read[], baseline: number): Metric {
  const rows = items.map(({ reading }) => [reading.score, 1])
  return {
    name,
    statistic: { rows, of: ratioPercent },
    unit: 'percent',
    digits: 1,
    baseline: { name: 'commonest answer', value: baseline },
  }
}

function meanOfTasks(tasks: readonly (readonly Read[])[]): Metric {
  const scores = tasks.map((items) => items.map(({ reading }) => reading.score))
  return meanOfParts(scores, { name: 'mean of tasks' })
}

function taskMetrics(task: Task, items: readonly Read[]): Metric[] {
  const own = percent(task.name, items, majority(task))
  if (task.form === 'yes-no') return [own, f1(task.name, items)]
  if (task.form === 'box') {
    const rows = items.map(({ reading }) => [reading.overlap ?? 0, 1])
    const statistic = { rows, of: ratioPercent }
    return [own, { name: `${task.name} mean overlap`, statistic, unit: 'percent', digits: 1 }]
  }
  if (task.form !== 'json') return [own]
  const rows = items.map(({ reading }) => [reading.isValid ? 1 : 0, 1])
  const statistic = { rows, of: ratioPercent }
  return [own, { name: `${task.name} valid`, statistic, unit: 'percent', digits: 1 }]
}

/** F1 of yes, in percent. */
function f1(task: string, items: readonly Read[]): Metric {
  const rows = items.map(({ answer, reading }) => {
    const [truth, said] = [answer.toLowerCase() === 'yes', reading.read === 'yes']
    return [Number(truth && said), Number(said && !truth), Number(truth && !said)]
  })
  const of = ([tp = 0, fp = 0, fn = 0]: readonly number[]) => (200 * tp) / (2 * tp + fp + fn)
  return { name: `${task} F1`, statistic: { rows, of }, unit: 'percent', digits: 1 }
}

/** What the commonest truth of the task would score as the answer to all of it; of boxes, the mean box. */
function majority({ form, items }: Task): number {
  const answer = form === 'box' ? meanBox(items) : commonest(items.map((item) => item.answer))
  const right = items.reduce((sum, item) => sum + readInForm(form, answer, item).score, 0)
  return (right / items.length) * 100
}

function weightedMajority(tasks: readonly Task[]): number {
  const count = tasks.reduce((sum, { items }) => sum + items.length, 0)
  return tasks.reduce((sum, task) => sum + majority(task) * task.items.length, 0) / count
}

function commonest(texts: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1)
  return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best), ['', 0])[0]
}

function meanBox(items: readonly Item[]): string {
  const boxes = items.map(({ answer }) => JSON.parse(answer) as number[])
  const means = [0, 1, 2, 3].map(
    (k) => boxes.reduce((sum, box) => sum + (box[k] ?? 0), 0) / boxes.length,
  )
  return JSON.stringify(means)
}

function readItems(file: EvalFile): Item[] {
  return readRows(file).map((row) => ({
    id: textField(row, 'id', file),
    task: textField(row, 'task', file),
    answer: textField(row, 'answer', file),
    choices: Array.isArray(row['choices']) ? row['choices'].map(String) : [],
  }))
}

function readQuestions(file: EvalFile): Question[] {
  return readRows(file).map((row) => {
    const id = textField(row, 'id', file)
    const image: unknown = row['image'] ?? []
    const video = row['video'] === undefined ? {} : { video: textField(row, 'video', file) }
    return {
      id,
      prompt: columnText({ id, row, file }, 'question'),
      images: (Array.isArray(image) ? image : [image]).map(String),
      ...video,
      maxTokens: LONGEST,
      extra: { task: row['task'] },
    }
  })
}
