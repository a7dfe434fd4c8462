/**
 * LLaVA-Bench: open questions; a judge gives the reference and the answer 1 to 10 each, and their ratio is the score.
 *
 * Paper: arXiv:2304.08485 §5.1 (COCO: 90 questions, In-the-Wild: 60); Wilder: LLaVA-NeXT blog 2024-05-10. Data:
 * huggingface.co/datasets/liuhaotian/llava-bench-in-the-wild (no licence named).
 * What scores is the judge's reviews: {"question_id": 0, "category": "llava_bench_conv", "tuple": [8.0, 7.0], "content": "8 7\n…"};
 * the tuple is reference, answer; [-1, -1] where the judge could not be read, counted and left in, as in the original;
 * [-999, -999] where there was no judge, left out, as in lmms-eval. The original knows no question without an answer: here it has 0
 * beside the mean of the references.
 * Official scorer: haotian-liu/LLaVA llava/eval/summarize_gpt_review.py at c121f04. Scores of different judges do not
 * compare: 81.6 with gpt-4-0314 is 72.3 with gpt-4-0613.
 */
import { InputError } from '../../core/errors.ts'
import { answersById, countAnswers } from '../answers.ts'
import {
  publishedRows,
  type PublishedScore,
  type Benchmark,
  type Counts,
  type Metric,
  type OtherSet,
  type Scored,
  type ScoreInput,
  type SetFiles,
  type ShownSet,
} from '../benchmark.ts'
import {
  baseName,
  isRow,
  readRows,
  shownField,
  textField,
  type EvalFile,
  type Row,
} from '../eval-file.ts'
import { LLAVA_PROMPT, llavaQuestions, pictureField } from '../llava-questions.ts'
import { pythonFloat, pythonRound } from '../python-text.ts'
import type { Named, Question } from '../question.ts'
import { columnText } from '../row-columns.ts'
import { reviewedAnswer } from '../samples.ts'
import { releasedLlavaBench } from './hub-llava-bench.ts'
import {
  llavaBenchJudge,
  pickBenchLabels,
  wilderJudge,
  wilderRows,
  type WilderRow,
} from './llava-bench-judge.ts'
import { zooRow, januaryRow, mayRow, oneVisionRow, oneVisionChatRow } from './published-tables.ts'

const MISSING = 'a question without an answer has 0 beside the mean of the references'

const SCORING: Pick<Benchmark, 'files' | 'needs' | 'rule' | 'missing' | 'score'> = {
  files: {
    answers:
      "the judge's reviews, with a tuple of two scores on each line, or a folder of such files; lmms-eval's samples; VLMEvalKit's table with score and gpt4_score",
  },
  needs: [],
  rule: `mean score of the answers over mean score of the references, each rounded to three decimals, in percent; ${MISSING}`,
  missing: MISSING,
  score: scoreLlavaBench,
}

const PAPER = 'arXiv:2304.08485 (judge gpt-4-0314)'
const ZOO = 'haotian-liu/LLaVA docs/MODEL_ZOO.md (judge gpt-4-0314)'
const MEDIUM = 'all of medium'
const WILDER_JUDGE = 'judge gpt-4-vision-preview'
const WILDER_MEDIUM = {
  title: 'LLaVA-Bench (Wilder, medium)',
  tasks: ['llava_wilder_medium'],
  rows: { all: MEDIUM },
}

/** Conversation, detail, complex reasoning, all; with the prefix that reviews of the wild have. */
function groupRows(
  prefix: string,
  source: string,
  models: Readonly<Record<string, readonly number[]>>,
): PublishedScore[] {
  const names = [`${prefix}conv`, `${prefix}detail`, `${prefix}complex`, 'all']
  return names.flatMap((name, i) =>
    Object.entries(models).flatMap(([model, values]) =>
      publishedRows(name, source, { [model]: values[i] as number }),
    ),
  )
}

const IN_THE_WILD = [
  ...publishedRows('all', 'arXiv:2310.03744 (judge gpt-4-0314)', {
    'llava-v1.5-7b': 63.4,
    'llava-v1.5-13b': 70.7,
    'llava-7b-v1': 62.8,
  }),
  ...groupRows('llava_bench_', PAPER, {
    openflamingo: [19.3, 19.0, 19.1, 19.1],
    'blip-2': [54.6, 29.1, 32.9, 38.1],
    'llava-13b-v1': [57.3, 52.5, 81.7, 67.3],
    'llava-13b-v1 (one answer reviewed three times)': [58.8, 49.2, 81.4, 66.7],
  }),
  ...groupRows('llava_bench_', ZOO, {
    'llava-v1-13b-336px (beam 1)': [64.3, 55.9, 81.7, 70.1],
    'llava-v1-13b-336px (beam 5)': [68.4, 59.9, 84.3, 73.5],
    'llava-llama-2-13b-chat': [56.7, 58.6, 80.0, 67.9],
    'llava-llama-2-7b-chat-lora': [51.2, 58.9, 71.6, 62.8],
    'bard-0718': [83.7, 69.7, 78.7, 77.8],
    'bing-chat-0629': [59.6, 52.2, 90.1, 71.5],
  }),
]

/** By what the model was trained on. */
const COCO = groupRows('', PAPER, {
  'llava-13b-v1': [83.1, 75.3, 96.5, 85.1],
  'llava-13b-v1 (detail and complex)': [81.5, 73.3, 90.8, 81.9],
  'llava-13b-v1 (conversation, 5 % detail and 10 % complex)': [81.0, 68.4, 91.5, 80.5],
  'llava-13b-v1 (conversation)': [76.5, 59.8, 84.9, 73.8],
  'llava-13b-v1 (no instructions)': [22.0, 24.0, 18.5, 21.5],
})

export const llavaBench: Benchmark = {
  name: 'llava-bench',
  tasks: ['llava_in_the_wild', 'LLaVABench'],
  title: 'LLaVA-Bench (In-the-Wild)',
  ...SCORING,
  ask: {
    questions: llavaQuestions(1024),
    prompt: LLAVA_PROMPT,
    folder: { questions: 'questions.jsonl', labels: '.', images: 'images' },
    pickLabels: pickBenchLabels,
    fromTables: releasedLlavaBench,
  },
  judge: llavaBenchJudge('llava_bench_'),
  published: [
    ...zooRow('all', [65.4, 72.5, 67.9, 69.5, 72.0], 'judge gpt-4-0314'),
    ...januaryRow('all', [72.5, 81.6, 83.2, 87.3, 89.6], 'judge gpt-4-0314'),
    ...mayRow('all', [90.4, 89.2, 80.1, 88.8, 72.3, 72.3, 71.7, 98.0, 59.6], 'judge gpt-4-0613'),
    ...oneVisionRow('all', [71.2, 74.2, 86.9, 90.7, 93.7, 93.5]),
    ...oneVisionChatRow('all', [100.3, 104.4]),
    ...IN_THE_WILD,
  ],
}

export const llavaBenchCoco: Benchmark = {
  name: 'llava-bench-coco',
  tasks: ['llava_bench_coco'],
  title: 'LLaVA-Bench (COCO)',
  ...SCORING,
  ask: {
    questions: llavaQuestions(1024),
    prompt: LLAVA_PROMPT,
    folder: { questions: 'qa90_questions.jsonl', labels: '.', images: 'val2014' },
    pickLabels: pickBenchLabels,
    fromTables: releasedLlavaBench,
  },
  judge: llavaBenchJudge(''),
  published: COCO,
}

export const llavaWilder: Benchmark = {
  name: 'llava-wilder',
  tasks: ['llava_wilder_small'],
  otherSets: [WILDER_MEDIUM],
  title: 'LLaVA-Bench (Wilder, small)',
  ...SCORING,
  ask: {
    questions: (files) => wilderRows(files).map(wilderQuestion),
    pick: pickSmall,
    pickLabels: pickSmall,
    prompt: 'the question, after the picture; greedy',
    folder: { questions: 'Small' },
    hasTruth: true,
  },
  judge: wilderJudge,
  ofSet: wilderSet,
  published: [
    ...mayRow('all', [70.5, 71.2, 62.5, null, null, null, null, 71.5], WILDER_JUDGE),
    ...oneVisionRow('all', [51.5, 55.0, 69.1, 67.8, 72.9, 72.0]),
    ...oneVisionChatRow('all', [71.6, 75.9]),
    ...publishedRows('all', `LLaVA-NeXT blog 2024-05-10 (${WILDER_JUDGE})`, {
      'claude-3-opus': 68.6,
      'gemini-1.5-pro': 70.5,
      'internvl-1.5': 62.4,
    }),
    ...mayRow(MEDIUM, [72.5, 73.4, 63.1, null, null, null, null, 78.5], WILDER_JUDGE),
    ...publishedRows(MEDIUM, `LLaVA-NeXT blog 2024-05-10 (${WILDER_JUDGE})`, {
      'claude-3-opus': 79.7,
    }),
  ],
}

/**
 * The medium set has rows of its own in the post; what `llava data build-bench` made, by its pictures' names, has none, whatever its
 * file is called. Rows hold question and reference, and come as either.
 */
function wilderSet(
  { questions = [], labels = [] }: SetFiles,
  named: OtherSet | null,
): ShownSet | null {
  const asked = questions.length > 0 ? questions : labels
  const isBuilt = asked.some((file) => readRows(file).some(hasBuiltPicture))
  if (isBuilt) return { title: 'Own questions, asked like LLaVA-Bench (Wilder)' }
  const sizes = new Set(asked.map(sizeOf))
  if (sizes.has('small')) return null
  return sizes.has('medium') ? WILDER_MEDIUM : named
}

/**
 * The size in the name of the file or, nearest first, of its folders: of those below what was named, and of that one's own. Further
 * up are the machine's.
 */
function sizeOf({ name, path = name }: Pick<EvalFile, 'name' | 'path'>): string | undefined {
  const places = path.split(/[/\\]/).slice(-name.split('/').length - 1)
  const sizes = places.flatMap((place) => SIZE.exec(place)?.[1]?.toLowerCase() ?? [])
  return sizes.at(-1)
}

/** `Medium`, `llava_wilder_medium`, `medium-00000-of-00001.parquet`; not `medium-machine`. */
const SIZE = /(?:^|[-_. ])(small|medium)(?:[-_]\d[\w-]*)?(?:\.\w+)*$/i

/** `images/` and the start of its SHA-256. */
function hasBuiltPicture({ image }: Row): boolean {
  const names: unknown[] = Array.isArray(image) ? image : [image]
  return names.some((name) => typeof name === 'string' && /^images\/[\da-f]{16}\.\w+$/.test(name))
}

/** Of the whole repository, which has a folder or a file for each size; of what `llava data build-bench` makes, its questions. */
function pickSmall<File extends Named>(files: readonly File[]): readonly File[] {
  const built = files.filter(({ name }) => /^bench\.jsonl$/.test(name))
  if (built.length > 0) return built
  const small = files.filter((file) => sizeOf(file) === 'small')
  return small.length > 0 ? small : files
}

function wilderQuestion(one: WilderRow): Question {
  return {
    id: one.id,
    prompt: columnText(one, 'Question', 'question'),
    images: pictureField(one.row['image']),
    maxTokens: 4096,
    isVisual: true,
  }
}

type Review = {
  readonly id: string
  readonly category: string | null
  readonly pair: readonly [number, number]
  /** The answer, where the review holds it. */
  readonly given: string
  /** What the judge said. */
  readonly content: string
  /** There was no answer to review. */
  readonly isMissing: boolean
}

/** Several files are several models, each with its own numbers, as the original prints them. */
function scoreLlavaBench({ answers: files }: ScoreInput): Scored {
  const scored = files.map(scoreFile)
  const [first, ...others] = scored
  if (first && others.length === 0) return first
  const prefix = ({ name }: EvalFile) => `${configOf(name)}: `
  const named = scored.map((one, i) => ({ ...one, prefix: prefix(files[i] as EvalFile) }))
  return {
    counts: {
      questions: sumOf(scored, 'questions'),
      answers: sumOf(scored, 'answers'),
      missing: sumOf(scored, 'missing'),
      extra: sumOf(scored, 'extra'),
      unreadable: sumOf(scored, 'unreadable'),
    },
    outcomes: named.flatMap((one) =>
      one.outcomes.map((outcome) => ({ ...outcome, id: one.prefix + outcome.id })),
    ),
    metrics: named.flatMap((one) =>
      one.metrics.map((metric) => ({ ...metric, name: one.prefix + metric.name })),
    ),
    printed: scored.map(({ printed }) => printed ?? '').join(''),
  }
}

function sumOf(scored: readonly Scored[], name: keyof Counts): number {
  return scored.reduce((sum, { counts }) => sum + counts[name], 0)
}

function scoreFile(file: EvalFile): Scored {
  const read = readReviews(file).map((one) => ({ ...one, text: one.pair.join(' ') }))
  const all = [...answersById(read).values()]
  const reviews = all.filter(({ pair }) => !pair.includes(-999))
  const ids = all.map(({ id }) => id)
  const answered = reviews.filter(({ isMissing }) => !isMissing)
  const judged = new Map(answered.map(({ id }) => [id, id]))
  const unreadable = answered.filter(({ pair }) => isUnread(...pair)).length
  const groups = groupsOf(reviews)
  // Where the judge has read nothing at all there is no number: the official one would be 100.
  const isRead = unreadable < answered.length
  return {
    counts: countAnswers(ids, judged, unreadable),
    outcomes: reviews.map(({ id, given, content, pair: [reference, answer] }) => ({
      id,
      given,
      judged: content,
      read: `${reference} ${answer}`,
      expected: '',
      // The official −1 of −1 would be full marks for what no judge has read.
      score: isUnread(reference, answer) ? 0 : shareOf(reference, answer),
    })),
    metrics: isRead ? groups.map((group) => metricOf(group, isTable(file))) : [],
    ...(isRead ? { printed: printGroups(file.name, groups) } : {}),
  }
}

/** Of one question: beside a reference that got nothing, whatever got something has it all. */
function shareOf(reference: number, answer: number): number {
  return reference === 0 ? Math.sign(answer) : answer / reference
}

function isUnread(reference: number, answer: number): boolean {
  return reference === -1 && answer === -1
}

type Group = readonly [name: string, reviews: readonly Review[]]

/** `all` first in our table: it is the number that is published. */
function groupsOf(reviews: readonly Review[]): Group[] {
  const names = [
    ...new Set(reviews.flatMap(({ category }) => (category === null ? [] : [category]))),
  ]
  return [
    ['all', reviews],
    ...names
      .sort()
      .map((name): Group => [name, reviews.filter(({ category }) => category === name)]),
  ]
}

/** VLMEvalKit rounds nothing. */
function metricOf([name, reviews]: Group, isWhole: boolean): Metric {
  const rows = reviews.map(({ pair: [reference, answer] }) => [reference, answer, 1])
  const of = (sums: readonly number[]) =>
    isWhole ? ((sums[1] ?? 0) / (sums[0] ?? 0)) * 100 : means(sums).ratio
  return { name, statistic: { rows, of }, unit: 'percent', digits: 1 }
}

function means([reference = 0, answer = 0, count = 0]: readonly number[]) {
  const first = pythonRound(reference / count, 3)
  const second = pythonRound(answer / count, 3)
  return { first, second, ratio: pythonRound((second / first) * 100, 1) }
}

/** The file's name as the original shows it. */
function configOf(name: string): string {
  return baseName({ name }).replaceAll('gpt4_text_', '').replaceAll('.jsonl', '')
}

function printGroups(name: string, groups: readonly Group[]): string {
  const config = configOf(name)
  const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1))
  const lines = sorted.map(([group, reviews]) => {
    const sums = [0, 1].map((k) => reviews.reduce((sum, { pair }) => sum + (pair[k] ?? 0), 0))
    const { first, second, ratio } = means([...sums, reviews.length])
    const tenfold = [first, second].map((mean) => pythonRound(mean * 10, 1))
    return [group, ...[ratio, ...tenfold].map(pythonFloat)].join(' ')
  })
  return `${[config, ...lines].join('\n')}\n=================================\n`
}

function isTable({ name, cells }: EvalFile): boolean {
  return cells !== undefined || /\.[tc]sv$/i.test(name)
}

function readReviews(file: EvalFile): Review[] {
  return readRows(file).map((row) => {
    const pair = isTable(file) ? tablePair(row) : pairOf(row)
    const [reference, answer] = Array.isArray(pair) ? (pair as readonly unknown[]) : []
    const field = ['question_id', 'doc_id', 'index'].find((name) => name in row)
    const id = textField(row, field ?? 'question_id', file)
    if (typeof reference !== 'number' || typeof answer !== 'number') {
      throw new InputError(
        'INPUT_ANSWERS_FIELD',
        `eval: every review of ${file.name} should have "tuple", two numbers; question ${id} has ${shownField(pair)}. Answers need a judge first: --judge.`,
      )
    }
    const sample = row['gpt_eval_llava_all']
    const category = row['category'] ?? (isRow(sample) ? sample['category'] : null)
    return {
      id,
      category: typeof category === 'string' ? category : null,
      pair: [reference, answer],
      given: reviewedAnswer(row),
      content: typeof row['content'] === 'string' ? row['content'] : '',
      isMissing: row['missing'] === true,
    }
  })
}

/** As the original writes it, or in the samples of lmms-eval. */
function pairOf(row: Row): unknown {
  const sample = row['gpt_eval_llava_all']
  return row['tuple'] ?? row['score'] ?? (isRow(sample) ? sample['scores'] : undefined)
}

/** VLMEvalKit's columns; empty cells are no scores. */
function tablePair({ gpt4_score: reference, score: answer }: Row): unknown {
  const numbers = [reference, answer].map((cell) => (cell === '' ? Number.NaN : Number(cell)))
  return numbers.some(Number.isNaN) ? [reference, answer] : numbers
}
