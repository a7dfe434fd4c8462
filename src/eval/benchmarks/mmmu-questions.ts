/** MMMU's questions, from its own tables and from VLMEvalKit's. Source: as in mmmu.ts. */
import { readRows, isRow, textField, type EvalFile, type Row } from '../eval-file.ts'
import { OPTION_LETTER, optionLines, pictureField, SHORT_ANSWER } from '../llava-questions.ts'
import { readPythonList } from '../python-dict.ts'
import type { Picture, Question } from '../question.ts'
import { columnText, withoutColumn } from '../row-columns.ts'
import { rowPictures, withPictures } from '../table-rows.ts'

/** As lmms-eval asks: `<image 1>` stays in the text, the pictures that it names stand before it. */
export function readMmmuQuestions(file: EvalFile): Question[] {
  const rows = withPictures(readRows(file)).filter(({ split }) => split !== 'dev')
  return rows.map((row) => {
    const named = { id: textField(row, 'id', file), row, file }
    const question = columnText(named, 'question')
    const isChoice = (row['question_type'] ?? 'multiple-choice') === 'multiple-choice'
    const known = isChoice ? optionsOf(row) : []
    if (!known) throw withoutColumn(named, 'options as options or A, B, C …')
    const options = optionLines(known)
    const instruction = isChoice ? OPTION_LETTER : SHORT_ANSWER
    const prompt = [question, ...options, '', instruction].join('\n')
    const marks = new Set((prompt.match(/<image [1-7]>/g) ?? []).sort())
    const images = [...marks].flatMap((mark) => pictureOf(row, Number(mark.charAt(7))))
    const maxTokens = isChoice ? 16 : 64
    return { id: named.id, prompt, images, maxTokens, isVisual: true }
  })
}

/** In a column of its own; VLMEvalKit's table has all of a row, in their order, in one. */
function pictureOf(row: Row, number: number): readonly Picture[] {
  const own = pictureField(row[`image_${number}`])
  return own.length > 0 ? own : rowPictures(row).slice(number - 1, number)
}

/** Options as a list, as the dataset's text of one, or by letter. */
export function optionsOf(row: Row): string[] | null {
  const byLetter = row['index2ans']
  if (isRow(byLetter)) return Object.values(byLetter).map(String)
  const list = row['options']
  if (Array.isArray(list) && list.length > 0) return list.map(String)
  const printed = typeof list === 'string' ? readPythonList(list) : null
  if (printed && printed.length > 0) return printed
  const columns = [...'ABCDEFGHI'].map((letter) => row[letter])
  const texts = columns.filter((text) => typeof text === 'string' && text !== '').map(String)
  if (texts.length > 0) return texts
  const letters = row['all_choices']
  return Array.isArray(letters) ? letters.map((letter) => `(${String(letter)})`) : null
}
