/**
 * NExT-QA: why, how and when of everyday clips; five options, or a short answer.
 *
 * Paper: arXiv:2105.08276. Data: huggingface.co/datasets/lmms-lab/NExTQA (MIT), MC and OE, test:
 *   {"video": "4882821564", "question": "why did the boy pick up one present from the group of them and move to the sofa", "answer": 1,
 *    "qid": 6, "type": "CW", "a0": "share with the girl", "a1": "approach lady sitting there", …}
 *   {"video": …, "question": …, "answer": "unwrap it", "type": "CW", "additional_ref_answer": null}
 * Official scorer: doc-doc/NExT-QA eval_mc.py; of open answers doc-doc/NExT-OE metrics.py; both in the form of lmms-eval
 * tasks/nextqa/utils.py. Options are read as MMMU reads them, drawn where none is named.
 */
import { publishedRows, type Benchmark } from '../benchmark.ts'
import type { Rng } from '../../core/rng.ts'
import { isRow, readJson, type EvalFile, type Row } from '../eval-file.ts'
import { optionLines } from '../llava-questions.ts'
import { letterAt } from '../metrics/choice-letter.ts'
import { mmmuChoice, mmmuLetter } from '../metrics/mmmu-answer.ts'
import { columnText } from '../row-columns.ts'
import { isSample } from '../samples.ts'
import { shortAnswerBenchmark } from '../short-answers.ts'
import { askTable, type TableForm, type TableRow } from '../table-rows.ts'
import { scoreNextQaOpen } from './nextqa-open.ts'
import { aprilRow, juneRow, oneVisionRow } from './published-tables.ts'

const OPTIONS = ['a0', 'a1', 'a2', 'a3', 'a4']

/** A video's questions are counted. */
const form: TableForm = {
  id: ({ video, qid }, i) => `${String(video)}_${String(qid ?? i)}`,
  split: 'test',
}

const video = (one: TableRow) => `${columnText(one, 'video')}.mp4`

export const nextqaMc = shortAnswerBenchmark({
  name: 'nextqa-mc',
  tasks: ['nextqa_mc_test'],
  otherSets: [{ title: 'NExT-QA (multiple choice, val)', tasks: [], split: 'validation' }],
  title: 'NExT-QA (multiple choice, test)',
  rule: 'the option named last, drawn where none is named; accuracy',
  form,
  judge: (answer, [target = ''], row, { rng, given }) => {
    const letter = /^\d$/.test(target) ? String.fromCharCode(65 + Number(target)) : target
    const read = readChoice(answer, row, rng)
    // lmms-eval's newer samples hold no options, and whether what it read or drew was right.
    const known = row['a0'] === undefined && isSample(given) ? given['exact_match'] : undefined
    const isRight = typeof known === 'boolean' ? known : read === letter
    return { score: isRight ? 1 : 0, read }
  },
  // The official script counts questions about before (TP) with those about after (TN).
  part: ({ type }) => (typeof type === 'string' ? type.replace('TP', 'TN') : null),
  unpack: unpackResults,
  ask: {
    prompt: (one) => {
      const options = OPTIONS.map((name) => columnText(one, name).trim())
      return [columnText(one, 'question').trim(), ...optionLines(options)].join('\n')
    },
    about: 'question and options A to E, after the clip',
    maxTokens: 16,
    file: 'MC',
    images: () => [],
    video,
    folder: 'videos',
  },
  published: [
    ...oneVisionRow('overall', [53.6, 57.2, 61.6, 79.4, 67.2, 80.2]),
    ...publishedRows('overall', 'LLaVA-NeXT docs (0716)', { 'llava-next-video-32b-qwen': 77.31 }),
    ...juneRow('overall', [59.5, 78.2, 79.1, 77.9]),
  ],
})

export const nextqaOe: Benchmark = {
  name: 'nextqa-oe',
  tasks: ['nextqa_oe_test'],
  split: 'test',
  otherSets: [
    { title: 'NExT-QA (open-ended, val)', tasks: ['nextqa_oe_val'], split: 'validation' },
  ],
  title: 'NExT-QA (open-ended, test)',
  files: {
    answers: "answers, the official result file, or lmms-eval's samples, which hold the truth",
    labels:
      'the OE table, or the folder of test.csv and add_reference_answer_test.json; needed where answers hold no truth',
  },
  needs: [],
  rule: 'WUPS: words without stop words, the best Wu-Palmer similarity of each in WordNet, their product, the lesser of both directions; exact match for DB and DC; mean',
  usesWordNet: true,
  score: scoreNextQaOpen,
  ask: askTable(
    {
      prompt: (one) =>
        `${columnText(one, 'question').trim()}\nAnswer a question using a short phrase or sentence.`,
      about: 'question and "Answer a question using a short phrase or sentence.", after the clip',
      maxTokens: 64,
      file: 'OE',
      images: () => [],
      video,
      folder: 'videos',
    },
    form,
  ),
  published: aprilRow(
    'WUPS@0',
    // One cell for each column: those of other models come last.
    [
      26.0,
      26.88,
      27.33,
      26.9,
      26.92,
      28.2,
      28.33,
      27.34,
      27.3,
      null,
      null,
      null,
      null,
      21.03,
      null,
      28.0,
      29.9,
      26.7,
    ],
  ),
}

/** Of options that nobody knows, as in lmms-eval's newer samples, only letters are read and none is drawn. */
function readChoice(answer: string, row: Row, rng: Rng): string {
  if (row['a0'] !== undefined) return mmmuChoice(answer, optionsOf(row), rng).letter
  return (
    mmmuLetter(
      answer,
      ['A', 'B', 'C', 'D', 'E'].map((letter) => `(${letter})`),
    ) ?? ''
  )
}

/** The official result file: {"4924794333_4": {"prediction": 2, "answer": 2}, …}. */
function unpackResults(file: EvalFile): readonly Row[] | null {
  if (!/^\s*\{\s*"\d+_\d+"\s*:\s*\{/.test(file.text)) return null
  const whole = readJson(file)
  return Object.entries(isRow(whole) ? whole : {}).map(([id, value]) => {
    const { prediction, answer } = isRow(value) ? value : {}
    return { question_id: id, prediction: letterAt(Number(prediction)), answer: String(answer) }
  })
}

function optionsOf(row: Row): string[] {
  return OPTIONS.map((name) => String(row[name] ?? '').trim())
}
