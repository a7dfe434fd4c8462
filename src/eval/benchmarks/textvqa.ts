/**
 * TextVQA: questions that need the text in the picture read.
 *
 * Paper: arXiv:1904.08920. Data: textvqa.org (CC BY 4.0), TextVQA_0.5.1_val.json:
 *   {"data": [{"image_id": "003a8ae2ef43b901", "question": "what is the brand of this camera?", "answers": [… ten]}, …]}
 * Answers: {"question_id": "003a8ae2ef43b901", "prompt": "What is the brand of this camera?\nReference OCR token: DAKOTA,
 * …\nAnswer the question using a single word or phrase.", "text": "Dakota digital"}: the id is the picture's, the question
 * is read out of the prompt.
 * Official scorer: haotian-liu/LLaVA llava/eval/eval_textvqa.py and m4c_evaluator.py at c121f04. It divides by the answers
 * there are; here questions without one count as wrong, so that `printed` and the metric differ where some are missing.
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
  type OtherSet,
  type Scored,
  type ScoreInput,
} from '../benchmark.ts'
import { textField, withRowsOf, type EvalFile } from '../eval-file.ts'
import { llavaQuestions } from '../llava-questions.ts'
import { pythonFixed } from '../python-text.ts'
import { labelRows } from '../short-answers.ts'
import { allTableRows, ofSplit, questionText } from '../table-rows.ts'
import { releasedTextvqa } from './hub-vqa-tables.ts'
import { HUMANS, humanAnswers, judgeVqaAnswer, ownHumans, type HumanTruth } from './vqav2.ts'
import { zooRow, januaryRow } from './published-tables.ts'

/** By whether the prompt held the tokens that an OCR program read. */
const TITLES = {
  ocr: 'TextVQA (val, with OCR tokens)',
  plain: 'TextVQA (val, without OCR tokens)',
} as const

export const textvqa = textvqaOf({
  name: 'textvqa',
  title: TITLES.ocr,
  prompt: 'the released prompt with its OCR tokens, after the picture; greedy',
  hasTokens: true,
  change: (prompt) => prompt,
  published: [
    ...zooRow('accuracy', [58.2, 61.3, 58.2, 60.2, 62.5], 'with OCR tokens'),
    ...januaryRow('accuracy', [61.3, 64.9, 65.7, 67.1, 69.5], 'with OCR tokens'),
  ],
})

/** The same questions without the tokens that an OCR program read: what lmms-eval asks. */
export const textvqaNoOcr = textvqaOf({
  name: 'textvqa-no-ocr',
  title: TITLES.plain,
  prompt: 'the released prompt without its line of OCR tokens, after the picture; greedy',
  hasTokens: false,
  change: (prompt) => prompt.replace(/\nReference OCR token:[^\n]*/, ''),
  published: [],
})

type Variant = Pick<Benchmark, 'name' | 'title' | 'published'> & {
  readonly prompt: string
  readonly hasTokens: boolean
  readonly change: (prompt: string) => string
}

function textvqaOf({ prompt, hasTokens, change, ...variant }: Variant): Benchmark {
  return {
    ...variant,
    ...setsOf(hasTokens),
    files: {
      answers: "answers, lmms-eval's samples, or VLMEvalKit's table",
      labels: "TextVQA_0.5.1_val.json or the dataset's table; needed where answers hold no truth",
    },
    needs: [],
    rule: "EvalAI's normaliser on both sides; soft accuracy over ten human answers",
    score: scoreTextvqa,
    ask: {
      questions: llavaQuestions(128, (question) => ({
        ...question,
        prompt: change(question.prompt),
        truth: `${question.id} ${textvqaQuestion(question.prompt)}`,
      })),
      pick: (files) => ofSplit(files, 'validation'),
      fromTables: (tables) => releasedTextvqa(tables, hasTokens),
      prompt,
      folder: {
        questions: 'llava_textvqa_val_v051_ocr.jsonl',
        labels: 'TextVQA_0.5.1_val.json',
        images: 'train_images',
      },
    },
  }
}

/** lmms-eval and VLMEvalKit ask without the tokens, unless the prompts beside the answers tell another. */
function setsOf(hasTokens: boolean): Pick<Benchmark, 'tasks' | 'otherSets' | 'ofSet'> {
  const tasks = ['textvqa_val']
  const other: OtherSet = {
    title: hasTokens ? TITLES.plain : TITLES.ocr,
    tasks: hasTokens ? tasks : [],
  }
  const splits: readonly OtherSet[] = [
    { title: 'TextVQA (test)', tasks: ['textvqa_test', 'TextVQA_#_test'], split: 'test' },
    { title: 'TextVQA (val, lite)', tasks: ['textvqa_val_lite'] },
  ]
  return {
    tasks: hasTokens ? [] : tasks,
    otherSets: [other, ...splits],
    ofSet: ({ answers = [] }, named) => {
      const prompts = promptsOf(answers)
      if (prompts.length === 0 || splits.some((set) => set === named)) return named
      return prompts.some(holdsTokens) === hasTokens ? null : other
    },
  }
}

/** LLaVA's answers have their prompt, lmms-eval's samples its `input`. */
function promptsOf(answers: readonly EvalFile[]): string[] {
  const texts = readAnswers(answers).map(({ row }) => row['prompt'] ?? row['input'])
  return texts.filter((text) => typeof text === 'string')
}

function holdsTokens(prompt: string): boolean {
  return prompt.startsWith('OCR tokens: ') || prompt.includes('Reference OCR token:')
}

function scoreTextvqa({ answers: files, labels, asked }: ScoreInput): Scored {
  const given = readAnswers(files)
  const byPrompt = given.some(({ row }) => typeof row['prompt'] === 'string')
  const answers = answersById(given, byPrompt ? { key: keyOf } : {})
  const all =
    labels.length > 0
      ? truthsIn(labels, readTruths(labels, answers, byPrompt))
      : given.flatMap(ownTruth)
  if (all.length === 0) throw noTruth()
  const truths = onlyAsked([...truthsById(all, HUMANS).values()], asked, ({ id }) => id)
  const counts = countAnswers(
    truths.map(({ id }) => id),
    answers,
  )
  const outcomes = truths.map(({ id, humans }) => {
    const { score, read } = judgeVqaAnswer(answers.get(id), humans)
    return { id, given: answers.get(id)?.text ?? '', read, expected: humans.join(' | '), score }
  })
  const total = outcomes.reduce((sum, { score }) => sum + score, 0)
  const scored = counts.questions - counts.missing
  const [name = ''] = (files[0]?.name ?? '').split('/').slice(-1)
  return {
    counts,
    outcomes,
    metrics: [meanScore('accuracy', outcomes)],
    printed: `${name.replace(/\.[^.]*$/, '')}\nSamples: ${scored}\nAccuracy: ${pythonFixed((100 * total) / scored, 2)}%\n\n`,
  }
}

function keyOf({ id, row }: Answer): string {
  return typeof row['prompt'] === 'string' ? `${id} ${textvqaQuestion(row['prompt'])}` : id
}

/** The question in a prompt, in lower case. Throws InputError where the prompt has none of the three known forms. */
export function textvqaQuestion(prompt: string): string {
  const lines = prompt.split('\n')
  if (prompt.startsWith('OCR tokens: ')) {
    const question = /Question: ([\s\S]*?) Short answer:/.exec(prompt)?.[1]
    if (question !== undefined) return question.toLowerCase()
  } else if (prompt.includes('Reference OCR token: ') && lines.length === 3) {
    return (lines[prompt.startsWith('Reference OCR token:') ? 1 : 0] ?? '').toLowerCase()
  } else if (lines.length === 2) return (lines[0] ?? '').toLowerCase()
  throw new InputError(
    'INPUT_ANSWERS_PROMPT',
    `eval.textvqa: a prompt should be the question, with or without OCR tokens, and the instruction, "${prompt.slice(0, 60)}" came; score answers to llava_textvqa_val_v051_ocr.jsonl.`,
  )
}

/** Named by picture and question as LLaVA's answers are, else by the number of the question. */
function readTruths(
  files: readonly EvalFile[],
  answers: ReadonlyMap<string, Answer>,
  byPrompt: boolean,
): HumanTruth[] {
  // TextVQA_0.5.1_val.json holds its rows as `data`.
  const opened = files.map((file) => withRowsOf(file, 'data'))
  const rows = allTableRows(opened, { split: 'validation' })
  const named =
    byPrompt || answers.size === 0 ? rows : labelRows(rows, answers, { benchmark: 'textvqa' })
  return named.map(({ id, row, file }) => {
    const question = () => textField(row, 'question', file).toLowerCase()
    const name = named === rows ? `${textField(row, 'image_id', file)} ${question()}` : id
    return { id: name, humans: humanAnswers(row, file), question: questionText(row) }
  })
}

/** lmms-eval's samples, with the dataset's row or with their score, and VLMEvalKit's table. */
function ownTruth(answer: Answer): HumanTruth[] {
  const humans = ownHumans(answer.row)
  return humans ? [{ id: keyOf(answer), humans, question: questionText(answer.row) }] : []
}

function noTruth(): InputError {
  return new InputError(
    'INPUT_LABELS_MISSING',
    "eval.textvqa: labels should come too (TextVQA_0.5.1_val.json), or the human answers or lmms-eval's score in every row, neither did.",
  )
}
