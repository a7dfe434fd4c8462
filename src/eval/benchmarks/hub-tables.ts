/**
 * Tables of the hub as the files that the benchmarks' authors released, so that they are asked and scored as those are.
 *
 * huggingface.co/datasets/lmms-lab/POPE: {"id": "0", "question_id": "1", "question": "Is there a snowboard in the image?", "answer": "yes",
 *   "image_source": "COCO_val2014_000000310196", "image": …, "category": "adversarial"}; the folder Full has the same again.
 * lmms-lab/MME: {"question_id": "code_reasoning/0020.png", "image": …, "question": "… Please answer yes or no.", "answer": "Yes", "category":
 *   "code_reasoning"}.
 * lmms-lab/SEED-Bench: {"question_id": "101669", "question": "…", "choice_a": "One", …, "answer": "A", "data_type": "image", "question_type_id": 5,
 *   "image": […]}; of a clip, its frames.
 * The prompts are those of LLaVA's question files.
 */
import { readRows, textField, type EvalFile, type Row } from '../eval-file.ts'
import { OPTION_LETTER, optionLines, SHORT_ANSWER } from '../llava-questions.ts'
import type { ReleasedFiles } from '../question.ts'

export function releasedPope(files: readonly EvalFile[]): ReleasedFiles {
  const tables = files.filter(({ name }) => !/(?:^|\/)Full\//.test(name))
  const rows = rowsOf(tables.length > 0 ? tables : files)
  const labels = rows.map(({ question, answer, category }): Row => ({
    text: question,
    label: answer,
    category,
  }))
  const categories = [...new Set(labels.map(({ category }) => String(category)))]
  return {
    questions: [
      rowsFile(
        'llava_pope_test.jsonl',
        rows.map((row) => ({
          // Ids repeat from category to category.
          question_id: `${String(row['category'])}/${String(row['question_id'])}`,
          image: row['image'],
          text: `${String(row['question']).trim()}\n${SHORT_ANSWER}`,
          category: row['category'],
        })),
        files,
      ),
    ],
    labels: categories.map((name) =>
      rowsFile(
        `coco_pope_${name}.json`,
        labels.filter(({ category }) => category === name),
        files,
      ),
    ),
  }
}

const YES_NO = 'Please answer yes or no.'

export function releasedMme(files: readonly EvalFile[]): ReleasedFiles {
  const rows = rowsOf(files)
  const tasks = [...new Set(rows.map(({ category }) => String(category)))]
  return {
    questions: [
      rowsFile(
        'llava_mme.jsonl',
        rows.map(({ question_id: id, image, question, category }) => ({
          question_id: id,
          image,
          text: `${String(question).replace(YES_NO, '').trim()}\n${SHORT_ANSWER}`,
          category,
        })),
        files,
      ),
    ],
    labels: tasks.map((task) => ({
      name: `${task}.txt`,
      text: rows
        .filter(({ category }) => category === task)
        .map(({ question_id: id, question, answer }) =>
          [String(id).split('/').at(-1), question, answer].join('\t'),
        )
        .join('\n'),
    })),
  }
}

export function releasedSeed(files: readonly EvalFile[], only?: 'image' | 'video'): ReleasedFiles {
  const rows = rowsOf(files).filter(({ data_type: type }) => only === undefined || type === only)
  const types = new Map(SEED_TYPES.map((name, i) => [name, i + 1]))
  const truths = rows.map(({ image: _image, ...row }) => row)
  return {
    questions: [rowsFile('llava-seed-bench.jsonl', rows.map(seedQuestion), files)],
    labels: [
      {
        name: 'SEED-Bench.json',
        text: JSON.stringify({ question_type: Object.fromEntries(types), questions: truths }),
      },
    ],
  }
}

function seedQuestion(row: Row): Row {
  const options = ['a', 'b', 'c', 'd'].map((letter) => String(row[`choice_${letter}`]))
  const lines = [String(row['question']), ...optionLines(options), OPTION_LETTER]
  return { question_id: row['question_id'], image: row['image'], text: lines.join('\n') }
}

/** By their number, from 1. */
export const SEED_TYPES = [
  'Scene Understanding',
  'Instance Identity',
  'Instance Attributes',
  'Instance Location',
  'Instances Counting',
  'Spatial Relation',
  'Instance Interaction',
  'Visual Reasoning',
  'Text Understanding',
  'Action Recognition',
  'Action Prediction',
  'Procedure Understanding',
]

function rowsOf(files: readonly EvalFile[]): Row[] {
  return hubRows(files, ['question_id', 'question', 'answer'])
}

/** Rows that have these columns. Throws InputError for tables of something else. */
export function hubRows(files: readonly EvalFile[], columns: readonly string[]): Row[] {
  return files.flatMap((file) => {
    const rows = readRows(file)
    for (const row of rows) for (const name of columns) textField(row, name, file)
    return rows
  })
}

/** What it was made from stays its content in the recipe. */
export function rowsFile(name: string, rows: readonly Row[], files: readonly EvalFile[]): EvalFile {
  const sha256 = files.map((file) => file.sha256 ?? '').join(' ')
  return { name, text: '', rows, sha256 }
}
