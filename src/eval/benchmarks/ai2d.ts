/**
 * AI2D: multiple choice about diagrams of school science.
 *
 * Paper: arXiv:1603.07396. Data: huggingface.co/datasets/lmms-lab/ai2d (CC BY-SA), test, 3,088 questions:
 *   {"question": "which of these define dairy item", "options": ["c", "D", "b", "a"], "answer": "1", "image": …}
 * Official scorer: lmms-eval tasks/ai2d: the letter before a full stop at the start, else the whole answer; equal but for
 * case and marks.
 */
import { exactMatch, exactMatchOfSamples } from '../metrics/exact-match.ts'
import { inferredLetter } from '../metrics/inferred-letter.ts'
import { optionColumns } from '../metrics/option-letter.ts'
import { OPTION_LETTER, optionLines } from '../llava-questions.ts'
import { columnOptions, columnText } from '../row-columns.ts'
import { formOf } from '../samples.ts'
import { shortAnswerBenchmark } from '../short-answers.ts'
import { mayRow, juneRow, oneVisionRow } from './published-tables.ts'

export const ai2d = shortAnswerBenchmark({
  name: 'ai2d',
  tasks: ['ai2d', 'AI2D_TEST'],
  otherSets: [
    { title: 'AI2D (test, lite)', tasks: ['ai2d_lite'] },
    // Labels in the diagram are not covered by the options' letters.
    { title: 'AI2D (test, no mask)', tasks: ['ai2d_no_mask', 'AI2D_TEST_NO_MASK'] },
  ],
  title: 'AI2D (test)',
  rule: 'the letter before a full stop at the start, else the whole answer; exact match without case and marks (tables of VLMEvalKit: the letter or option that it infers)',
  form: { split: 'test' },
  judge: (answer, [target = ''], row, { given }) => {
    // The dataset counts options from 0; the prompt, and lmms-eval's target, have letters.
    const letter = /^\d$/.test(target) ? String.fromCharCode(65 + Number(target)) : target
    const options = formOf(given) === 'vlmevalkit' ? optionColumns(row) : null
    if (options) {
      const inferred = inferredLetter(answer, options) ?? ''
      return { score: inferred === letter ? 1 : 0, read: inferred }
    }
    const read = /^\s*([A-Z])\./.exec(answer)?.[1] ?? answer
    const isSame = formOf(given) === 'lmms-eval' ? exactMatchOfSamples : exactMatch
    return { score: isSame(read, letter), read }
  },
  ask: {
    prompt: (row) =>
      [
        columnText(row, 'question'),
        ...optionLines(columnOptions(row, 'options')),
        OPTION_LETTER,
      ].join('\n'),
    about: 'question, options by letter and the option-letter instruction, after the picture',
    maxTokens: 16,
    file: 'test',
  },
  published: [
    ...mayRow('overall', [80.4, 77.4, 71.6, 74.9, 70.0, 66.6, 60.8, 78.2, 54.8]),
    ...oneVisionRow('overall', [54.2, 57.1, 81.6, 81.4, 85.1, 85.6]),
    ...juneRow('overall', [52.2, 73.9, 76.52]),
  ],
})
