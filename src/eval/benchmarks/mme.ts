/**
 * MME: two yes-or-no questions about each picture, one of each answer, in fourteen tasks.
 *
 * Paper: arXiv:2306.13394. Data: github.com/BradyFU/Awesome-Multimodal-Large-Language-Models (research use, on request):
 * MME_Benchmark_release_version/TASK[/questions_answers_YN]/NAME.txt, two lines of question, tab, answer.
 * Answers: {"question_id": "code_reasoning/0020.png", "prompt": "… Answer the question using a single word or phrase.",
 * "text": "Yes"}, or the official results: TASK.txt with lines of picture, question, truth and answer, tabs between.
 * Official scorer: eval_tool/calculation.py of the data's repository; the results are written as LLaVA's
 * convert_answer_to_mme.py does. A task scores accuracy + accuracy of pictures with both right, 200 at most. The script takes
 * each two lines for one picture; we go by the picture's name, so that lines may come in any order, and by lines where a name
 * stands for several pictures.
 */
import { InputError } from '../../core/errors.ts'
import { countAnswers, onlyAsked } from '../answers.ts'
import {
  publishedRows,
  type Benchmark,
  type Metric,
  type Outcome,
  type Scored,
  type ScoreInput,
} from '../benchmark.ts'
import { LLAVA_PROMPT, llavaQuestions } from '../llava-questions.ts'
import { mmeAnswer, yesOrNo } from '../metrics/yes-no.ts'
import { pythonFloat } from '../python-text.ts'
import { releasedMme } from './hub-tables.ts'
import { COGNITION, MME_TASKS, PERCEPTION, readMmeCases, type MmeCase } from './mme-files.ts'
import { zooRow, januaryRow, mayRow, oneVisionRow } from './published-tables.ts'

export const mme: Benchmark = {
  name: 'mme',
  tasks: ['mme'],
  title: 'MME',
  files: {
    answers: 'answers, or the folder of official result files (TASK.txt)',
    questions: 'llava_mme.jsonl, where tasks without any answer count too',
    labels: 'the folder MME_Benchmark_release_version; needed with answers',
  },
  needs: [],
  rule: 'exactly yes or no, else what the first four letters hold, else wrong; accuracy plus accuracy of whole pictures, summed over tasks',
  score: scoreMme,
  ask: {
    sharesId: () => true,
    questions: llavaQuestions(128, (question) => ({ ...question, group: String(question.id) })),
    fromTables: releasedMme,
    prompt: LLAVA_PROMPT,
    folder: {
      questions: 'llava_mme.jsonl',
      labels: 'MME_Benchmark_release_version',
      images: 'MME_Benchmark_release_version',
    },
  },
  published: [
    ...zooRow('perception', [1510.7, 1531.3, 1476.9, 1541.7, 1500.1]),
    ...januaryRow('perception', [1531, 1519, 1498, 1575, 1631]),
    ...mayRow(
      'perception',
      [1746.5, 1699.3, 1603.7, 1633.2, 1575.1, 1519.3, 1500.9, 1409.4, 1510.8],
    ),
    ...oneVisionRow('perception', [1217, 1238, 1626, 1580, 1706, 1682]),
    ...publishedRows('perception', 'arXiv:2310.03744', { 'llava-7b-v1': 809.6 }),
    ...januaryRow('cognition', [295, 332, 321, 326, 397]),
    ...mayRow('cognition', [453.9, 459.6, 367.8, 397.1, 316.8, 322.5, 323.9, 517.1, 348.2]),
    ...oneVisionRow('cognition', [272, 240, 483, 418, 563, 579]),
  ],
}

type Picture = {
  readonly name: string
  readonly task: string
  readonly scores: readonly number[]
}

function scoreMme({ answers, labels, questions, asked }: ScoreInput): Scored {
  const { cases: all, results } = readMmeCases(answers, { labels, questions })
  // Truths are of pictures' texts, questions of their files: `OCR/0001.txt` and `OCR/0001.jpg`.
  const pictureIds = asked && new Set([...asked].map(stem))
  const cases = onlyAsked(all, pictureIds, ({ picture }) => stem(picture))
  const outcomes = cases.map(outcomeOf)
  const given = new Map(cases.flatMap(({ id, given: text }) => (text === null ? [] : [[id, text]])))
  const unreadable = outcomes.filter(({ read }) => read === 'other' || read === 'unknown').length
  const pictures = picturesOf(cases, outcomes)
  return {
    counts: countAnswers(
      cases.map(({ id }) => id),
      given,
      unreadable,
    ),
    outcomes,
    metrics: metricsOf(pictures),
    printed: printed(pictures),
    ...(results ? { written: results } : {}),
  }
}

/** `OCR/images/0001.jpg` and `OCR/0001.txt` are one picture. */
function stem(picture: string): string {
  const parts = picture.replace(/\.[^./]*$/, '').split('/')
  return `${parts[0]}/${parts.at(-1)}`
}

function outcomeOf({ id, truth, given, form, asked }: MmeCase): Outcome {
  const read = given === null ? '' : form === 'vlmevalkit' ? yesOrNo(given) : mmeAnswer(given, form)
  const score = read === truth ? 1 : 0
  const key = asked === undefined ? {} : { asked }
  return { id, given: given ?? '', read, expected: truth, score, ...key }
}

function picturesOf(cases: readonly MmeCase[], outcomes: readonly Outcome[]): Picture[] {
  const pictures = new Map<string, { name: string; task: string; scores: number[] }>()
  cases.forEach(({ task, picture }, i) => {
    const one = pictures.get(picture) ?? { name: picture, task, scores: [] }
    one.scores.push(outcomes[i]?.score ?? 0)
    pictures.set(picture, one)
  })
  const odd = [...pictures].filter(([, { scores }]) => scores.length % 2 !== 0)
  if (odd.length > 0) {
    throw new InputError(
      'INPUT_ANSWERS_PAIRS',
      `eval.mme: every picture should have two questions, ${odd.length} have not (${odd[0]?.[0]} has ${odd[0]?.[1].scores.length}); are lines missing?`,
    )
  }
  return [...pictures.values()].flatMap(({ name, task, scores }) =>
    scores.flatMap((score, i) =>
      i % 2
        ? []
        : [
            {
              name: i === 0 ? name : `${name} ${i / 2 + 1}`,
              task,
              scores: [score, scores[i + 1] ?? 0],
            },
          ],
    ),
  )
}

/** What the official script prints, of each half that has all its tasks: without one of them it fails. */
function printed(pictures: readonly Picture[]): string {
  const halves = Object.entries({ Perception: PERCEPTION, Cognition: COGNITION })
  const texts = halves.flatMap(([name, tasks]) => {
    const scores = tasks.map((task) => taskScore(pictures.filter((one) => one.task === task)))
    if (scores.some(Number.isNaN)) return []
    const total = scores.reduce((sum, score) => sum + score, 0)
    const lines = tasks.map((task, i) => `\t ${task}  score: ${pythonFloat(scores[i] ?? 0)}`)
    return [
      `=========== ${name} ===========`,
      `total score: ${pythonFloat(total)} \n`,
      ...lines,
      '\n',
    ]
  })
  return texts.map((line) => `${line}\n`).join('')
}

function taskScore(pictures: readonly Picture[]): number {
  const right = pictures.reduce((sum, { scores: [a = 0, b = 0] }) => sum + a + b, 0)
  const both = pictures.reduce((sum, { scores: [a = 0, b = 0] }) => sum + a * b, 0)
  return (right / (2 * pictures.length)) * 100 + (both / pictures.length) * 100
}

function metricsOf(pictures: readonly Picture[]): Metric[] {
  const present = MME_TASKS.filter((task) => pictures.some((picture) => picture.task === task))
  const sums = (tasks: readonly string[]) => {
    const own = tasks.filter((task) => present.includes(task))
    return own.length > 0 ? [own] : []
  }
  return [
    ...sums(PERCEPTION).map((tasks) => halfOf('perception', tasks, PERCEPTION, pictures)),
    ...sums(COGNITION).map((tasks) => halfOf('cognition', tasks, COGNITION, pictures)),
    ...present.map((task) => sumOf(task, [task], pictures)),
  ]
}

/** A sum over some of the tasks is another number than the published one. */
function halfOf(
  half: string,
  tasks: readonly string[],
  { length }: readonly string[],
  pictures: readonly Picture[],
): Metric {
  const part = tasks.length < length ? { part: `${tasks.length} of ${length} tasks` } : {}
  return { ...sumOf(half, tasks, pictures), ...part, isHeadline: true }
}

/** Pictures are drawn, not questions: both of a picture are right or wrong together more often than by chance. */
function sumOf(name: string, tasks: readonly string[], pictures: readonly Picture[]): Metric {
  const own = pictures.filter(({ task }) => tasks.includes(task))
  const rows = own.map(({ task, scores: [a = 0, b = 0] }) =>
    tasks.flatMap((other) => (other === task ? [a + b, a * b, 1] : [0, 0, 0])),
  )
  const of = (counts: readonly number[]) =>
    tasks.reduce((total, _, i) => {
      const [right = 0, both = 0, count = 0] = counts.slice(3 * i, 3 * i + 3)
      return total + (right / (2 * count) + both / count) * 100
    }, 0)
  const statistic = { rows, of, units: own.map((picture) => picture.name) }
  return { name, statistic, unit: 'points', digits: 1, questions: 2 * own.length }
}
