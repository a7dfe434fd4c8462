/**
 * Tables of the hub as the files that the benchmarks' authors released, so that they are asked and scored as those are.
 *
 * huggingface.co/datasets/lmms-lab/POPE: {"id": "0", "question_id": "1", "question": "Is there a snowboard in the image?", "answer": "yes",
 *   "image_source": "COCO_val2014_000000310196", "image": …, "category": "adversarial"}; the folder Full has the same again.
 * lmms-lab/MME: {"question_id": "code_reasoning/0020.png", "image": …, "question": "… Please answer yes or no.", "answer": "Yes", "category":
 *   "code_reasoning"}.
 * lmms-lab/SEED-Bench: {"question_id": "101669", "question": "…", "choice_a": "One", …, "answer": "A", "data_type": "image", "question_type_id": 5,
 *   "image": […]}; of a clip, its frames.
 * VLMEvalKit's tables get the same columns first, and the authors' SEED-Bench.json has them.
 * The prompts are those of LLaVA's question files.
 */
import { readRows, withRowsOf, type EvalFile, type Row } from '../eval-file.ts'
import { OPTION_LETTER, optionLines, SHORT_ANSWER } from '../llava-questions.ts'
import type { ReleasedFiles } from '../question.ts'
import { columnText, type NamedRow } from '../row-columns.ts'
import { withPictures } from '../table-rows.ts'
import { SEED_TYPES } from './seed-types.ts'
import { mmeRow, popeRows, seedRow } from './vlmevalkit-rows.ts'

export function releasedPope(files: readonly EvalFile[]): ReleasedFiles {
  const tables = files.filter(({ name }) => !/(?:^|\/)Full\//.test(name))
  const named = hubRows(tables.length > 0 ? tables : files, [...COLUMNS, 'category'], popeRows)
  const rows = named.map(({ row }) => row)
  const labels = rows.map(({ question, answer, category }): Row => ({
    text: question,
    label: String(answer).toLowerCase(),
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
          text: shortAnswer(row['question']),
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

const COLUMNS = ['question_id', 'question', 'answer']

/** LLaVA's instruction in place of the table's. */
function shortAnswer(question: unknown): string {
  return `${String(question).replace(YES_NO, '').trim()}\n${SHORT_ANSWER}`
}

const YES_NO = 'Please answer yes or no.'

export function releasedMme(files: readonly EvalFile[]): ReleasedFiles {
  const rows = hubRows(files, [...COLUMNS, 'category'], mmeRow).map(({ row }) => row)
  const tasks = [...new Set(rows.map(({ category }) => String(category)))]
  return {
    questions: [
      rowsFile(
        'llava_mme.jsonl',
        rows.map(({ question_id: id, image, question, category }) => ({
          question_id: id,
          image,
          text: shortAnswer(question),
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
  const rows = files
    .map((file) => (isSeedFile(file) ? { ...withRowsOf(file, 'questions') } : file))
    .flatMap((file) => hubRows([file], COLUMNS, seedRow))
    .filter(({ row: { data_type: type } }) => only === undefined || type === only)
  const types = new Map(SEED_TYPES.map((name, i) => [name, i + 1]))
  const truths = rows.map(({ row: { image: _image, ...row } }) => row)
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

/** The authors' SEED-Bench.json, {"question_type": …, "questions": [rows]}. */
export function isSeedFile({ name, text }: EvalFile): boolean {
  return /\.json$/i.test(name) && /"questions"\s*:\s*\[/.test(text)
}

function seedQuestion(one: NamedRow): Row {
  const options = ['a', 'b', 'c', 'd'].map((letter) => columnText(one, `choice_${letter}`))
  const lines = [columnText(one, 'question'), ...optionLines(options), OPTION_LETTER]
  const { question_id: id, image, data_id: name, data_type: type, question_type_id: kind } = one.row
  // The authors' file names pictures as the archive does; of clips LLaVA's script takes a frame.
  const folder = type === 'video' ? 'SEED-Bench-video-image' : 'SEED-Bench-image'
  const file = type === 'video' ? `${String(kind)}_${String(id)}.png` : String(name)
  return { question_id: id, image: image ?? `${folder}/${file}`, text: lines.join('\n') }
}

/** Rows that have these columns. Throws InputError for tables of something else. */
export function hubRows(
  files: readonly EvalFile[],
  columns: readonly string[],
  /** The row, or several, with the hub's columns, where it is of a table of VLMEvalKit. */
  adapt: (row: Row) => Row | readonly Row[] = (row) => row,
): NamedRow[] {
  return files.flatMap((file) =>
    withPictures(readRows(file)).flatMap((row, i) =>
      [adapt(row)].flat().map((own): NamedRow => {
        const named = { id: String(own['question_id'] ?? own['id'] ?? i), row: own, file }
        for (const name of columns) columnText(named, name)
        return named
      }),
    ),
  )
}

/** What it was made from stays its content in the recipe. */
export function rowsFile(name: string, rows: readonly Row[], files: readonly EvalFile[]): EvalFile {
  return { name, text: '', rows, madeFrom: files }
}
