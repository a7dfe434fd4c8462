/**
 * DocVQA and InfographicVQA: questions about pages and posters, answered with words that stand in them.
 *
 * Papers: arXiv:2007.00398, arXiv:2104.12756. Data: huggingface.co/datasets/lmms-lab/DocVQA (research use), validation:
 *   {"questionId": "49153", "question": "What is the ‘actual’ value per 1000, during the year 1975?", "answers": ["0.28"], …}
 * or the challenge's own val_v1.0.json and infographicsVQA_val_v1.0_withQT.json, {"data": [{"questionId": 49153, "image":
 * "documents/pybv0228_81.png", …}]}; a poster is named by `image_local_name`.
 * The truth of the test split is the server's: without answers in the rows, what it takes is written, [{"questionId": 49153, "answer": "0.28"}].
 * Official scorer: ANLS of the challenge (rrc.cvc.uab.es), in the form of lmms-eval api/metrics.py.
 */
import { type PublishedScore } from '../benchmark.ts'
import { SHORT_ANSWER } from '../llava-questions.ts'
import { anls } from '../metrics/anls.ts'
import { pythonJson } from '../python-text.ts'
import { columnText } from '../row-columns.ts'
import { shortAnswerBenchmark } from '../short-answers.ts'
import { mayRow, juneRow, oneVisionRow } from './published-tables.ts'

export const docvqa = anlsBenchmark('docvqa', { label: 'DocVQA', folder: 'DocVQA' }, [
  ...mayRow('overall', [85.7, 84.4, 78.2, 84.0, 77.5, 74.4, 72.2, null, 28.1]),
  ...oneVisionRow('overall', [75.0, 73.7, 89.3, 90.2, 93.5, 93.1]),
  ...juneRow('overall', [59.2, 75.7, 78.91]),
  ...oneVisionRow('overall test', [71.2, 70.0, 86.9, 87.5, 91.8, 91.3]),
])

export const infovqa = anlsBenchmark(
  'infovqa',
  { label: 'InfoVQA', folder: 'InfographicVQA', file: 'infographicsVQA' },
  [
    ...oneVisionRow('overall', [44.8, 46.3, 69.9, 70.7, 77.7, 79.2]),
    ...oneVisionRow('overall test', [41.3, 41.8, 65.3, 68.8, 74.6, 74.9]),
  ],
)

/** Both are folders of one repository at the hub. */
function anlsBenchmark(
  name: string,
  {
    label,
    folder,
    file,
  }: {
    readonly label: string
    readonly folder: string
    /** What the challenge's own files begin with, where that is more than the split. */
    readonly file?: string
  },
  published: readonly PublishedScore[],
) {
  return shortAnswerBenchmark({
    name,
    tasks: [`${name}_val`, ...(file === undefined ? [] : [`${file}_val_v#_withQT`])],
    otherSets: [
      {
        title: `${label} (test)`,
        tasks: [`${name}_test`, ...(file === undefined ? [] : [`${file}_test_v#`])],
        split: 'test',
        rows: { overall: 'overall test' },
      },
      { title: `${label} (val, lite)`, tasks: [`${name}_val_lite`] },
    ],
    title: `${label} (val)`,
    form: { split: 'validation', folder },
    rule: 'lower case, spaces collapsed; 1 − edit distance over the longer length, 0 below one half; best of the accepted answers',
    submission: (answers) => ({
      'submission.json': pythonJson(
        answers.map(({ id, text }) => ({
          questionId: /^\d+$/.test(id) ? Number(id) : id,
          answer: text,
        })),
      ),
    }),
    judge: (answer, accepted) => ({ score: anls(answer, accepted, 'docvqa'), read: answer }),
    ask: {
      prompt: (row) => `${columnText(row, 'question')}\n${SHORT_ANSWER}`,
      about: 'question and the short-answer instruction, after the picture',
      maxTokens: 32,
      file: 'validation',
    },
    published,
  })
}
