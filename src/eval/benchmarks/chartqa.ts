/**
 * ChartQA: questions about charts, written by people (human) and made from captions (augmented).
 *
 * Paper: arXiv:2203.10244. Data: huggingface.co/datasets/lmms-lab/ChartQA (GPL-3.0), test, 2,500 questions:
 *   {"type": "human_test", "question": "How many food item is shown in the bar graph?", "answer": "14", "image": …}
 * or HuggingFaceM4/ChartQA, {"query": …, "label": ["14"], "human_or_machine": 0, "image": …}, or the authors' test_human.json and
 * test_augmented.json, {"imgname": "41699051005347.png", "query": …, "label": "14"}, with the folder png.
 * Official scorer: the paper's relaxed accuracy, as lmms-eval tasks/chartqa/utils.py.
 */
import { baseName, type Row } from '../eval-file.ts'
import { relaxedAccuracy } from '../metrics/relaxed-accuracy.ts'
import { pythonStrip } from '../python-text.ts'
import { columnText } from '../row-columns.ts'
import { formOf } from '../samples.ts'
import { shortAnswerBenchmark } from '../short-answers.ts'
import { truthText } from '../table-rows.ts'
import { mayRow, juneRow, oneVisionRow } from './published-tables.ts'

export const chartqa = shortAnswerBenchmark({
  name: 'chartqa',
  tasks: ['chartqa', 'ChartQA_TEST'],
  otherSets: [
    { title: 'ChartQA (test, lite)', tasks: ['chartqa_lite'] },
    { title: 'ChartQA (val)', tasks: [], split: 'validation' },
  ],
  title: 'ChartQA (test)',
  rule: 'numbers within 5 % of the target, other answers equal but for case; relaxed accuracy',
  form: {
    split: 'test',
    // The authors' files have no ids: test_human.json and test_augmented.json are counted each.
    id: ({ imgname }, i, file) =>
      imgname === undefined ? null : `${baseName(file).replace(/\.\w+$/, '')}/${i}`,
  },
  judge: (answer, accepted, row, { given }) => {
    // VLMEvalKit's table has lists of answers; its predictions are read without the space around them.
    const isTable = row['index'] !== undefined
    const read = formOf(given) === 'vlmevalkit' ? pythonStrip(answer) : answer
    // Some answers of people are written `[2017, 2023]`: a text like any other.
    const targets = isTable ? accepted : [truthText(row) ?? accepted[0] ?? '']
    return { score: Math.max(...targets.map((target) => relaxedAccuracy(read, target))), read }
  },
  part: partOf,
  partCount: 2,
  ask: {
    prompt: (row) =>
      `${columnText(row, 'question', 'query')}\nAnswer the question with a single word.`,
    about: 'question and "Answer the question with a single word.", after the picture',
    maxTokens: 16,
    file: 'test',
  },
  published: [
    ...mayRow('overall', [79.7, 77.0, 69.5, 68.7, 62.2, 54.8, 38.8, 78.5, 18.2]),
    ...oneVisionRow('overall', [61.0, 61.4, 78.8, 80.0, 84.9, 83.7]),
    ...juneRow('overall', [52.2, 67.16, 71.24]),
  ],
})

/** By the dataset's column, VLMEvalKit's, the authors' file, HuggingFaceM4's class, or which metric lmms-eval's sample has. */
function partOf(row: Row, id: string): string | null {
  const kind = row['type'] ?? row['split'] ?? /^test_\w+(?=\/)/.exec(id)?.[0]
  if (typeof kind === 'string') return /^(?:test_)?(human|augmented)/.exec(kind)?.[1] ?? kind
  const parts = ['human', 'augmented']
  const { human_or_machine: place } = row
  if (typeof place === 'number') return parts[place] ?? null
  return parts.find((name) => row[`relaxed_${name}_split`] !== undefined) ?? null
}
