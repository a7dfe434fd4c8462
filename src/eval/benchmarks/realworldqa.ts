/**
 * RealWorldQA: questions about everyday scenes, multiple choice and short answers mixed; the question says which.
 *
 * Source: x.ai, Grok-1.5 Vision (2024). Data: huggingface.co/datasets/lmms-lab/RealWorldQA (CC BY-ND 4.0), 765 questions:
 *   {"question": "In which direction is the front wheel … facing?\n\nA. Left\nB. Straight\nC. Right\nPlease answer …", "answer": "C"}
 * Official scorer: lmms-eval tasks/realworldqa at 75571cf: a letter where the truth is one, else lower case without full stops.
 */
import { inferredLetter, mentionedLetter } from '../metrics/inferred-letter.ts'
import { optionLines } from '../llava-questions.ts'
import { optionColumns } from '../metrics/option-letter.ts'
import { pythonStrip } from '../python-text.ts'
import { formOf } from '../samples.ts'
import { columnText, knownOptions } from '../row-columns.ts'
import { shortAnswerBenchmark } from '../short-answers.ts'
import type { TableRow } from '../table-rows.ts'
import { mayRow, oneVisionRow } from './published-tables.ts'

const LETTERS = [...'ABCD']

export const realWorldQa = shortAnswerBenchmark({
  name: 'realworldqa',
  tasks: ['realworldqa'],
  title: 'RealWorldQA (test)',
  rule: 'where the truth is a letter, the letter in the most telling of its forms (of tables of VLMEvalKit the letter or option that it infers); else equal but for case and full stops at the end',
  form: { split: 'test' },
  judge: (answer, [truth = ''], row, { given }) => {
    const target = pythonStrip(truth)
    const options = formOf(given) === 'vlmevalkit' ? optionColumns(row) : null
    if (options || LETTERS.includes(target.toUpperCase())) {
      const letter = options
        ? (inferredLetter(answer, options) ?? '')
        : mentionedLetter(answer, LETTERS)
      return { score: letter === target.toUpperCase() ? 1 : 0, read: letter }
    }
    const read = pythonStrip(answer.toLowerCase()).replace(/\.+$/, '')
    return { score: read === target.toLowerCase() ? 1 : 0, read }
  },
  ask: {
    prompt: promptOf,
    about:
      'the question, which holds its instruction, after the picture; of options in columns these and the same instruction',
    maxTokens: 16,
    file: 'test',
  },
  published: [
    ...mayRow('overall', [63.1, 65.4, 60.0, 61.0, null, null, 54.4, 61.4, null]),
    ...mayRow('overall', [63.2, null, null, 61.7], 'full tables'),
    ...oneVisionRow('overall', [53.7, 55.6, 65.5, 66.3, 73.8, 71.9]),
  ],
})

/** VLMEvalKit's table has the options in columns, and no instruction: both as the dataset's own questions have them. */
function promptOf(row: TableRow): string {
  const question = columnText(row, 'question').trim()
  const options = knownOptions(row.row)
  if (!options || /^A\. /m.test(question)) return question
  const instruction =
    'Please answer directly with only the letter of the correct option and nothing else.'
  return [question, '', ...optionLines(options), instruction].join('\n')
}
