/**
 * MMBench's questions from its tables, as haotian-liu/LLaVA llava/eval/model_vqa_mmbench.py at c121f04 asks them.
 *
 * Options end at the first that is missing. A picture is base64; later tables have, in rotations, the index of the row that
 * holds it.
 */
import { InputError } from '../../core/errors.ts'
import { readRows, type EvalFile, type Row } from '../eval-file.ts'
import { idField, namedRow, optionLines, pictureField } from '../llava-questions.ts'
import type { Named, Question } from '../question.ts'
import { letterAt } from '../metrics/choice-letter.ts'
import { isMissingCell } from '../python-text.ts'
import { columnText, withoutColumn } from '../row-columns.ts'

/** Rotations of a question have its index plus multiples of this. */
export const ROTATION = 1_000_000

export function readMmbenchQuestions(file: EvalFile, instruction: string): Question[] {
  const rows = readRows(file)
  const byIndex = new Map(rows.map((row) => [String(row['index']), row]))
  return rows.map((row) => {
    const id = idField(row, 'index', file)
    const named = { id: String(id), row, file }
    const letters = optionsOf(row)
    if (letters.length === 0) throw withoutColumn(named, 'options as A, B, C, D')
    const hint = isNone(row['hint']) ? [] : [String(row['hint'])]
    const shown = [...hint, columnText(named, 'question'), ...optionLines(letters)].join('\n')
    return {
      id,
      group: String(Number(id) % ROTATION),
      prompt: `${shown}\n${instruction}`,
      shown,
      images: pictureField(pictureOf(row, byIndex)),
      maxTokens: 1024,
      isVisual: true,
      extra: {
        round_id: 0,
        options: letters,
        option_char: letters.map((_, i) => letterAt(i)),
      },
    }
  })
}

/**
 * Of a folder with tables of several splits and languages, dev's of one language: `mmbench_dev_cn_20231003.tsv`, `MMBench_DEV_CN.tsv`,
 * `cn/dev-00000-of-00001.parquet`.
 */
export function pickMmbench<File extends Named>(
  files: readonly File[],
  language: 'en' | 'cn',
): readonly File[] {
  const of = (form: RegExp) => (list: readonly File[]) => {
    const own = list.filter(({ name }) => form.test(name.replace(/^.*\/(?=[^/]*\/)/, '')))
    return own.length > 0 ? own : list
  }
  const dev = of(/(?:^|[/_-])dev(?:[/_.-]|$)/i)(files)
  const isCn = /(?:^|[/_-])(?:cn|chinese)(?:[/_.-]|$)/i
  if (language === 'cn') return of(isCn)(dev)
  const en = of(/(?:^|[/_-])en(?:[/_.-]|$)/i)(dev)
  const others = en.filter(({ name }) => !isCn.test(name))
  return others.length > 0 ? others : en
}

function optionsOf(row: Row): string[] {
  const columns = [...'ABCD'].map((letter) => row[letter])
  const end = columns.findIndex(isNone)
  return columns.slice(0, end < 0 ? columns.length : end).map(String)
}

/** What pandas reads as no value, and the words that the original takes for none; `Na` is sodium. */
function isNone(value: unknown): boolean {
  if (value === undefined || value === null) return true
  const text = String(value)
  return isMissingCell(text) || /^(?:nan|none)$/i.test(text)
}

function pictureOf(row: Row, byIndex: ReadonlyMap<string, Row>): unknown {
  const { image } = row
  const index = namedRow(image)
  if (index === null) return image
  const other = byIndex.get(index)?.['image']
  if (other !== undefined && namedRow(other) === null) return other
  throw new InputError(
    'INPUT_QUESTIONS_PICTURE',
    `eval.mmbench: the picture of row ${String(row['index'])} should be in row ${index}, it is not; is the table cut off?`,
  )
}
