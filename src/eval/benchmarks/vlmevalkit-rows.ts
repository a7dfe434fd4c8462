/**
 * Rows of VLMEvalKit's tables with the columns that the same benchmark has at the hub.
 *
 * Its columns are index, image (base64, several as Python prints a list, or another row's index), question, answer, hint, category,
 * and options A, B, C …; the hub's own names win where a row has them.
 * Source: open-compass/VLMEvalKit vlmeval/dataset at e8e78f0 (ImageMCQDataset, ImageYORNDataset, ImageVQADataset).
 */
import type { Row } from '../eval-file.ts'
import { knownOptions } from '../row-columns.ts'
import { readPythonList } from '../python-dict.ts'
import { SEED_TYPES } from './seed-types.ts'

/** POPE: a row is of several categories, `adversarial,popular`, where they ask the same. */
export function popeRows(row: Row): Row[] {
  if (row['index'] === undefined) return [row]
  const names = String(row['category'] ?? '').split(',')
  return names.map((category) => ({ question_id: row['index'], ...row, category }))
}

/** MME: pictures are named by their task and their last part. */
export function mmeRow(row: Row): Row {
  const { image_path: path, category } = row
  if (row['index'] === undefined || typeof path !== 'string') return row
  return { question_id: `${String(category)}/${path.split('/').at(-1) ?? path}`, ...row }
}

/** SEED-Bench: a table of pictures, whose types of question are named. */
export function seedRow(row: Row): Row {
  if (row['index'] === undefined) return row
  const type = SEED_TYPES.indexOf(String(row['category'])) + 1
  const choices = ['a', 'b', 'c', 'd'].map((letter) => [
    `choice_${letter}`,
    row[letter.toUpperCase()],
  ])
  return {
    question_id: row['index'],
    data_type: 'image',
    question_type_id: type,
    ...Object.fromEntries(choices),
    ...row,
  }
}

/** TextVQA: the answers are printed, and a picture has no name. */
export function textvqaRow(row: Row): Row {
  const { index, answer } = row
  if (index === undefined) return row
  const answers = typeof answer === 'string' ? readPythonList(answer) : null
  return { image_id: index, ...(answers ? { answers } : {}), ...row }
}

/** ScienceQA: options in columns, the answer a letter. */
export function scienceRow(row: Row): Row {
  const { answer, choices } = row
  const options = choices === undefined ? knownOptions(row) : null
  const place = typeof answer === 'string' ? 'ABCDE'.indexOf(answer.trim()) : -1
  return {
    ...row,
    ...(options ? { choices: options } : {}),
    ...(place >= 0 && /^[A-E]$/.test(String(answer).trim()) ? { answer: place } : {}),
  }
}

/** MM-Vet: capabilities are a category. */
export function mmVetRow(row: Row): Row {
  const { index, category } = row
  return index === undefined ? row : { question_id: index, capability: category, ...row }
}
