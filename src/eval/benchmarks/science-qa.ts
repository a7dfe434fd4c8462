/**
 * ScienceQA: multiple-choice questions of school science, about half with a picture.
 *
 * Paper: arXiv:2209.09513. Data: github.com/lupantech/ScienceQA (CC BY-NC-SA 4.0), problems.json and pid_splits.json.
 * Questions of LLaVA-1.5, llava_test_CQM-A.json, hold the truth as well:
 *   {"id": "5", "image": "5/image.png", "conversations": [{"from": "human", "value": "<image>\n…\nA. yes\nB. no"}, {"from": "gpt", "value": "B"}]}
 * Answers: {"question_id": "5", "prompt": "<image>\n…", "text": "B"}, or the official script's two result files.
 * Official scorer: haotian-liu/LLaVA llava/eval/eval_science_qa.py at c121f04.
 */
import {
  answersById,
  countAnswers,
  onlyAsked,
  readAnswers,
  truthsById,
  type Answer,
} from '../answers.ts'
import {
  meanPercent,
  publishedRows,
  type Benchmark,
  type Scored,
  type ScoreInput,
} from '../benchmark.ts'
import { isRow, readJson, readRows, unreadable, type EvalFile, type Row } from '../eval-file.ts'
import { inferredLetter } from '../metrics/inferred-letter.ts'
import { FAILED, optionColumns, scienceQaLetter } from '../metrics/option-letter.ts'
import { OPTION_LETTER, pictureField } from '../llava-questions.ts'
import { PythonFloat, pythonFixed, pythonJson } from '../python-text.ts'
import { isSample } from '../samples.ts'
import type { Question } from '../question.ts'
import { ofFolder, ofSplit } from '../table-rows.ts'
import { releasedScienceQa } from './hub-vqa-tables.ts'
import {
  COLUMNS,
  isLetter,
  ownProblems,
  pickProblems,
  readProblems,
  type Problem,
} from './science-qa-problems.ts'
import { zooRow, januaryRow, juneRow, oneVisionRow } from './published-tables.ts'

const PAPER = 'arXiv:2304.08485 (ScienceQA table)'

const FINE_TUNED = {
  accuracy: 90.92,
  NAT: 90.36,
  SOC: 95.95,
  LAN: 88.0,
  TXT: 89.49,
  IMG: 88.0,
  NO: 90.66,
  'G1-6': 90.93,
  'G7-12': 90.9,
}

export const scienceQa: Benchmark = {
  name: 'scienceqa',
  tasks: ['scienceqa', 'scienceqa_img', 'scienceqa_full', 'ScienceQA_TEST'],
  split: 'test',
  otherSets: [
    {
      title: 'ScienceQA (validation)',
      tasks: ['ScienceQA_VAL', 'llava_val_*'],
      split: 'validation',
    },
    // As LLaVA's converter names its question files by the splits of pid_splits.json.
    ...['minival', 'minitest', 'train', 'minitrain', 'trainval'].map((split) => ({
      title: `ScienceQA (${split})`,
      tasks: [`llava_${split}_*`],
    })),
  ],
  title: 'ScienceQA (test)',
  files: {
    answers:
      "answers, the official script's output or result file, or lmms-eval's samples or VLMEvalKit's table, which hold the truth",
    questions:
      'llava_test_CQM-A.json or, of the fine-tune, llava_test_QCM-LEA.json (truth and pictures)',
    labels:
      'beside questions, for the table by subject, or in place of those of test: the folder with problems.json and pid_splits.json; the second alone, beside questions, says which of them count',
  },
  needs: [],
  rule: 'a letter A–E alone or before ". ", else the only "The answer is X."; the rest is wrong (samples of lmms-eval: alone in either case, or before "."; tables of VLMEvalKit: the letter or option that it infers); accuracy',
  score: scoreScienceQa,
  ask: {
    questions: (files) => files.flatMap(readScienceQuestions),
    pick: (files) => ofSplit(ofFolder(files, 'ScienceQA-FULL'), 'test'),
    fromTables: releasedScienceQa,
    prompt:
      'the released question, after its picture if it has one, and the option-letter instruction, which the fine-tune goes without; greedy',
    folder: { questions: 'llava_test_CQM-A.json', labels: '.', images: 'images/test' },
    pickLabels: pickProblems,
  },
  published: [
    ...zooRow('accuracy IMG', [66.8, 71.6, 68.4, 71.2, 71.0]),
    ...januaryRow('accuracy IMG', [71.6, 70.1, 72.8, 73.6, 81.8]),
    ...oneVisionRow('accuracy IMG', [67.8, 67.2, 96.6, 96.0, 91.3, 90.3]),
    ...juneRow('accuracy IMG', [60.6, 72.63, 77.44]),
    ...Object.entries(FINE_TUNED).flatMap(([column, value]) =>
      publishedRows(column, PAPER, { 'llava-13b (fine-tuned)': value }),
    ),
    ...publishedRows('accuracy', PAPER, {
      'llava-13b (fine-tuned, where gpt-4 fails)': 90.97,
      'llava-13b (fine-tuned, gpt-4 as judge)': 92.53,
      'gpt-4': 82.69,
    }),
  ],
}

const LETTERS = ['A', 'B', 'C', 'D', 'E']

type Judged = {
  readonly problem: Problem
  readonly text: string
  /** `null` of answers whose file holds none. */
  readonly prompt: string | null
  readonly read: string
  /** The letter's place, or −1 if there is no such choice. */
  readonly place: number
  readonly hasPicture: boolean
}

function scoreScienceQa({ answers: files, questions, labels, asked }: ScoreInput): Scored {
  const given = files.map((file) => ({ file, answers: readScienceAnswers(file) }))
  const answers = answersById(given.flatMap((one) => one.answers))
  const hasNone = questions.length === 0 && labels.length === 0
  const own = hasNone ? given.flatMap((one) => ownProblems(one.answers, one.file)) : []
  const all = own.length > 0 ? ownTruths(own) : readProblems(questions, labels)
  const problems = onlyAsked(all, asked, ({ id }) => id)
  const judged = problems.map((problem) => judge(problem, answers.get(problem.id)))
  const read = judged.filter(({ problem }) => answers.has(problem.id))
  const counts = countAnswers(
    problems.map(({ id }) => id),
    answers,
    read.filter((one) => one.read === FAILED).length,
  )
  const pictured = judged.filter(({ hasPicture }) => hasPicture)
  const score = (one: Judged) => (one.place === one.problem.answer ? 1 : 0)
  return {
    counts,
    outcomes: judged.map((one) => ({
      id: one.problem.id,
      given: one.text,
      read: one.read,
      expected: LETTERS[one.problem.answer] ?? '',
      score: score(one),
    })),
    metrics: [
      meanPercent(
        'accuracy IMG',
        pictured.map(score),
        2,
        pictured.map(({ problem }) => problem.id),
      ),
      {
        ...meanPercent('accuracy', judged.map(score)),
        ...(pictured.length === judged.length ? { part: 'questions with pictures alone' } : {}),
      },
      ...COLUMNS.flatMap((column) => {
        const own = judged.filter(({ problem }) => problem.columns.includes(column))
        return own.length > 0 ? [meanPercent(column, own.map(score))] : []
      }),
    ],
    ...official(judged, score),
  }
}

function ownTruths(problems: readonly Problem[]): Problem[] {
  const once = truthsById(problems, {
    id: ({ id }) => id,
    text: ({ answer }) => String(answer),
    question: ({ question = '' }) => question,
  })
  return [...once.values()]
}

/** Samples and tables are read as by the program that wrote them. */
function readLetter({ text, row }: Answer): string {
  if (isSample(row)) return sampleLetter(text)
  const options = optionColumns(row)
  return options ? (inferredLetter(text, options) ?? FAILED) : scienceQaLetter(text)
}

/** The letter alone in either case, or a capital before a full stop. Source: lmms-eval tasks/scienceqa/utils.py. */
function sampleLetter(text: string): string {
  const plain = text.trim()
  if (/^[A-Ea-e]$/.test(plain)) return plain.toUpperCase()
  return /^([A-E])\./.exec(plain)?.[1] ?? FAILED
}

/** A missing answer is the text FAILED to an unknown prompt, as in the official script. */
function judge(problem: Problem, answer: Answer | undefined): Judged {
  const text = answer?.text ?? FAILED
  const own = answer === undefined ? 'Unknown' : answer.row['prompt']
  const prompt = typeof own === 'string' ? own : null
  const read = answer === undefined ? FAILED : readLetter(answer)
  const place = LETTERS.slice(0, problem.choices).indexOf(read)
  const hasPicture = problem.hasPicture ?? prompt?.includes('<image>') ?? false
  return { problem, text, prompt, read, place, hasPicture }
}

function official(judged: readonly Judged[], score: (one: Judged) => number) {
  const isRight = (one: Judged) => score(one) === 1
  const shown = (isMultimodal: (one: Judged) => boolean) => {
    const part = judged.filter(isMultimodal)
    return pythonFixed((part.filter(isRight).length / part.length) * 100, 2)
  }
  // The result file holds no prompts: there the question tells.
  const isAsked = ({ prompt, hasPicture }: Judged) => prompt?.includes('<image>') ?? hasPicture
  const correct = judged.filter(isRight).length
  const analysis = (one: Judged) => ({
    question_id: one.problem.id,
    parsed_ans: one.read,
    ground_truth: LETTERS[one.problem.answer],
    question: one.prompt ?? 'Unknown',
    pred: one.text,
    is_multimodal: isAsked(one),
  })
  const output = {
    correct: judged.filter(isRight).map(analysis),
    incorrect: judged.filter((one) => !isRight(one)).map(analysis),
  }
  const result = {
    acc: new PythonFloat((correct / judged.length) * 100),
    correct,
    count: judged.length,
    results: new Map(judged.map(({ problem, place }) => [problem.id, place])),
    outputs: new Map(judged.map(({ problem, text }) => [problem.id, text])),
  }
  const printed = `Total: ${judged.length}, Correct: ${correct}, Accuracy: ${shown(() => true)}%, IMG-Accuracy: ${shown(isAsked)}%\n`
  return {
    // Where no answer is to a picture the script ends with a division by zero.
    ...(judged.some(isAsked) ? { printed } : {}),
    written: {
      'scienceqa_output.json': pythonJson(output, { indent: 2 }),
      'scienceqa_result.json': pythonJson(result, { indent: 2 }),
    },
  }
}

/** As model_vqa_science.py asks with --single-pred-prompt. */
function readScienceQuestions(file: EvalFile): Question[] {
  return readRows(file).map((row) => {
    const turns: unknown = row['conversations']
    const [value, truth]: unknown[] = Array.isArray(turns)
      ? turns.map((turn: unknown) => (isRow(turn) ? turn['value'] : null))
      : []
    if (typeof value !== 'string')
      throw unreadable(file, 'conversations that begin with a question')
    const question = value.replaceAll('<image>', '').trim()
    // The fine-tune, whose truths are more than a letter, is asked without an instruction.
    const isPlain = typeof truth !== 'string' || isLetter(truth.trim())
    const prompt = isPlain ? `${question}\n${OPTION_LETTER}` : question
    const images = pictureField(row['image'])
    return {
      id: String(row['id']),
      prompt,
      images,
      ...(images.length > 0 ? { shown: `<image>\n${prompt}` } : {}),
      maxTokens: 1024,
    }
  })
}

/** JSON lines, or what the official script wrote: `correct` and `incorrect` with prompts, or `outputs` by id. */
function readScienceAnswers(file: EvalFile): Answer[] {
  if (!/^\s*\{\s*"(?:correct|acc)"/.test(file.text)) return readAnswers([file])
  const whole = readJson(file)
  if (!isRow(whole)) throw unreadable(file, 'answers')
  if (isRow(whole['outputs'])) {
    return Object.entries(whole['outputs']).map(([id, text]) => ({
      id,
      text: String(text),
      row: {},
    }))
  }
  return ['correct', 'incorrect'].flatMap((key) => {
    const list: unknown = whole[key]
    if (!Array.isArray(list) || !list.every(isRow)) throw unreadable(file, `answers under "${key}"`)
    return list.map((row: Row) => ({
      id: String(row['question_id']),
      text: String(row['pred']),
      row: { ...row, prompt: row['question'] },
    }))
  })
}
