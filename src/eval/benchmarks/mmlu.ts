/**
 * MMLU: multiple choice over 57 subjects, text alone; the likeliest letter counts, nothing is generated.
 *
 * Paper: arXiv:2009.03300. Data: huggingface.co/datasets/cais/mmlu (MIT), test and, for examples, dev:
 *   {"question": "Find all c in Z_3 such that Z_3[x]/(x^2 + c) is a field.", "subject": "abstract_algebra", "choices": ["0", "1", "2", "3"],
 *    "answer": 1}
 * or the original's test/<subject>_test.csv and dev/<subject>_dev.csv without a header: question, four options, letter.
 * Official scorer: hendrycks/test evaluate.py at 4450500, in the form of lm-evaluation-harness tasks/mmlu/default at 4e7e0d4: the sum
 * of log-probabilities of " A" to " D" after "Answer:". The mean is over questions. It needs no chat template, and asks with none.
 * Where examples and question are more than the context, the last examples are left out, as evaluate.py does; the harness cuts
 * text off in front. evaluate.py writes two spaces before the subject, and pandas' `nan` for a choice "None"; neither is done here.
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
  partScores,
  type Benchmark,
  type Scored,
  type ScoreInput,
} from '../benchmark.ts'
import { readRows, type EvalFile, type Row } from '../eval-file.ts'
import type { Named, Question } from '../question.ts'
import { parsePythonFloat, pythonStrip } from '../python-text.ts'
import { isSample, sampleFields } from '../samples.ts'
import { questionText } from '../table-rows.ts'
import { areaOf } from './mmlu-subjects.ts'

const LETTERS = ['A', 'B', 'C', 'D']

export const mmlu = mmluOf('mmlu', 'MMLU (no examples)', 0)
export const mmlu5 = mmluOf('mmlu-5', 'MMLU (five examples)', 5)

function mmluOf(name: string, title: string, shots: number): Benchmark {
  return {
    name,
    tasks: ['mmlu', 'mmlu_*'],
    title,
    files: {
      answers: 'letters by id, or samples of lm-evaluation-harness or lmms-eval',
      labels: 'the test tables; needed where answers hold no truth',
    },
    needs: [],
    rule: 'the likeliest of " A", " B", " C" and " D"; mean over questions',
    score: scoreMmlu,
    ask: {
      questions: (files) => questionsOf(files, shots),
      pick: (files) => [...testFiles(files), ...(shots > 0 ? files.filter(isDev) : [])],
      prompt: `${shots} solved examples of the subject${shots > 0 ? ', fewer where the context is too small' : ''}, question, options by letter, "Answer:"; log-probabilities of the letters`,
      folder: { questions: '.' },
      hasTruth: true,
    },
    published: [],
  }
}

type Item = {
  readonly id: string
  readonly subject: string
  readonly question: string
  readonly choices: readonly string[]
  readonly answer: string
}

function scoreMmlu({ answers: files, labels, asked }: ScoreInput): Scored {
  const samples = files.flatMap(readSamples)
  const answers = answersById(samples.length > 0 ? samples.map(answerOf) : readAnswers(files))
  const all: readonly Pick<Item, 'id' | 'subject' | 'answer'>[] =
    samples.length > 0 ? samplesOnce(samples) : labelItems(labels)
  const items = onlyAsked(all, asked, ({ id }) => id)
  const outcomes = items.map(({ id, answer }) => {
    const given = answers.get(id)?.text
    const read = given?.trim() ?? ''
    return { id, given: given ?? '', read, expected: answer, score: read === answer ? 1 : 0 }
  })
  const subjects = items.map(({ subject }) => [subject])
  const areas = items.map(({ subject }) => areaOf(subject))
  return {
    counts: countAnswers(
      items.map(({ id }) => id),
      answers,
    ),
    outcomes,
    metrics: [
      meanScore('accuracy', outcomes, 1),
      ...[areas, subjects].flatMap((parts) =>
        new Set(parts.flat()).size > 1 ? partScores(outcomes, parts, 1) : [],
      ),
    ],
  }
}

type Sample = Pick<Item, 'id' | 'subject' | 'answer' | 'question'> & { readonly likeliest: string }

/**
 * Samples of lm-evaluation-harness and lmms-eval, a file for each subject: `DATE_samples_mmlu_anatomy_DATE.jsonl` with lines
 *   {"doc_id": 0, "target": "2", "filtered_resps": [["-2.3", "False"], ["-1.9", "True"], …], …}
 */
function readSamples(file: EvalFile): Sample[] {
  const own = /samples_mmlu_(?:[a-z]+shot_)?(.+?)(?:_\d{4}-\d\d-.*)?\.jsonl$/.exec(file.name)?.[1]
  return readRows(file)
    .filter(isSample)
    .map((sample): Sample => {
      const row = sampleFields(sample)
      const subject = typeof row['subject'] === 'string' ? row['subject'] : (own ?? file.name)
      const list: unknown = row['filtered_resps'] ?? row['resps']
      const totals = (Array.isArray(list) ? list : []).map((one: unknown) =>
        Array.isArray(one) ? totalOf(one.flat()[0]) : Number.NaN,
      )
      if (totals.length !== LETTERS.length || totals.some(Number.isNaN)) throw noTotals(file, list)
      const best = totals.indexOf(Math.max(...totals))
      const answer = LETTERS[Number(row['target'] ?? row['answer'])] ?? String(row['target'])
      const id = `${subject}/${String(row['doc_id'])}`
      return { id, subject, answer, question: questionText(row), likeliest: LETTERS[best] ?? '' }
    })
}

/** A number, or its text as Python writes it: `-inf` is of a letter that could not come. */
function totalOf(value: unknown): number {
  return typeof value === 'number' ? value : (parsePythonFloat(String(value)) ?? Number.NaN)
}

function samplesOnce(samples: readonly Sample[]): Sample[] {
  const truths = truthsById(samples, {
    id: ({ id }) => id,
    text: ({ answer }) => answer,
    question: ({ question }) => question,
  })
  return [...truths.values()]
}

function answerOf({ id, likeliest }: Sample): Answer {
  return { id, text: likeliest, row: {} }
}

function noTotals({ name }: EvalFile, list: unknown): InputError {
  return new InputError(
    'INPUT_ANSWERS_FIELD',
    `eval.mmlu: every sample of ${name} should have the log-probabilities of four letters, one has ${JSON.stringify(list)?.slice(0, 40) ?? 'no responses'}; name the samples of a task that is scored by them, not of one that generates.`,
  )
}

function labelItems(labels: readonly EvalFile[]): readonly Item[] {
  if (labels.length > 0) return truthsIn(labels, testFiles(labels).flatMap(readItems))
  throw new InputError(
    'INPUT_LABELS_MISSING',
    'eval.mmlu: labels should come too (the test tables), or samples with log-probabilities and target as answers, neither did.',
  )
}

function questionsOf(files: readonly EvalFile[], shots: number): Question[] {
  const examples = shots > 0 ? files.filter(isDev).flatMap(readItems) : []
  return testFiles(files)
    .flatMap(readItems)
    .map((item) => {
      const own = examples.filter(({ subject }) => subject === item.subject).slice(0, shots)
      if (own.length < shots) {
        throw new InputError(
          'INPUT_QUESTIONS_MISSING',
          `eval.mmlu: there should be ${shots} examples of ${item.subject} in a file named dev, there are ${own.length}; give the dev tables too.`,
        )
      }
      const heading = `The following are multiple choice questions (with answers) about ${item.subject.replaceAll('_', ' ')}.\n\n`
      const promptWith = (count: number) =>
        heading +
        own
          .slice(0, count)
          .map((one) => `${promptOf(one)} ${one.answer}\n\n`)
          .join('') +
        promptOf(item)
      return {
        id: item.id,
        prompt: promptWith(shots),
        ...(shots > 0
          ? { shorter: (dropped: number) => (dropped > shots ? null : promptWith(shots - dropped)) }
          : {}),
        images: [],
        maxTokens: 1,
        choices: LETTERS.map((letter) => ` ${letter}`),
      }
    })
}

function promptOf({ question, choices }: Item): string {
  const options = choices.map((choice, i) => `${LETTERS[i] ?? ''}. ${choice}`)
  return [pythonStrip(question), ...options, 'Answer:'].join('\n')
}

/** The whole repository has every question twice: in `all/`, and in the folder of its subject. */
function testFiles<File extends Named>(files: readonly File[]): readonly File[] {
  const tests = files.filter(isTest)
  const whole = tests.filter(({ name }) => /(?:^|\/)all\/[^/]+$/.test(name))
  return whole.length > 0 ? whole : tests
}

/** Not the examples, which are in files or folders called dev; nor the other splits. */
function isTest({ name }: Named): boolean {
  return !/(?:^|[/_.-])(?:dev|val|validation|auxiliary_train|train)(?:[/_.-])/.test(name)
}

function isDev({ name }: Named): boolean {
  return /(?:^|[/_.-])dev[/_.-]/.test(name)
}

function readItems(file: EvalFile): Item[] {
  if (/_(?:test|dev|val)\.csv$/.test(file.name)) return fromCsv(file)
  return readRows(file).map((row, i) => itemOf(row, i, file))
}

function itemOf(row: Row, i: number, file: EvalFile): Item {
  const { question, choices, answer, subject } = row
  const letter = typeof answer === 'number' ? LETTERS[answer] : String(answer)
  const isItem = typeof question === 'string' && Array.isArray(choices) && choices.length === 4
  if (!isItem || letter === undefined || !LETTERS.includes(letter)) throw broken(file, i)
  const name = typeof subject === 'string' && subject !== '' ? subject : subjectOf(file)
  return {
    id: `${name}/${i}`,
    subject: name,
    question,
    choices: choices.map(String),
    answer: letter,
  }
}

/** A table without a header: the first row is a question, so columns are named here. */
function fromCsv(file: EvalFile): Item[] {
  const headed = { name: file.name, text: `question,A,B,C,D,answer\n${file.text}` }
  const subject = subjectOf(file)
  return readRows(headed).map((row, i) => {
    const answer = String(row['answer'])
    const choices = LETTERS.map((letter) => String(row[letter] ?? ''))
    if (!LETTERS.includes(answer) || row['question'] === '') throw broken(file, i)
    return { id: `${subject}/${i}`, subject, question: String(row['question']), choices, answer }
  })
}

function subjectOf({ name }: EvalFile): string {
  const parts = name.split('/')
  const file = (parts.at(-1) ?? name).replace(/_(?:test|dev|val)\.csv$/, '')
  return file === parts.at(-1) && parts.length > 1 ? (parts.at(-2) as string) : file
}

function broken({ name }: EvalFile, i: number): InputError {
  return new InputError(
    'INPUT_QUESTIONS_BROKEN',
    `eval.mmlu: row ${i + 1} of ${name} should be a question, four choices and an answer A to D; is it another table?`,
  )
}
