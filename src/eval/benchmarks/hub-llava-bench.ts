/**
 * LLaVA-Bench's tables as the three files that LLaVA released: questions, contexts, GPT-4's answers.
 *
 * huggingface.co/datasets/lmms-lab/llava-bench-in-the-wild and llava-bench-coco: {"question_id": 0, "question": "…", "image": …, "caption":
 *   "…", "gpt_answer": "…", "category": "conv", "image_id": "001"}; VLMEvalKit's LLaVABench.tsv has index and gpt4_ans.
 */
import type { EvalFile, Row } from '../eval-file.ts'
import type { ReleasedFiles } from '../question.ts'
import { columnText } from '../row-columns.ts'
import { hubRows, rowsFile } from './hub-tables.ts'

export function releasedLlavaBench(files: readonly EvalFile[]): ReleasedFiles {
  const rows = hubRows(files, ['question_id', 'question', 'category'], withId)
  const questions = rows.map(({ row: { question_id: id, image, question, category } }): Row => {
    return { question_id: id, image, text: question, category }
  })
  // A picture that is bytes has no name: the context goes by its question.
  const contexts = rows.map(({ row: { question_id: id, caption } }): Row => {
    return { question_id: id, caption }
  })
  const references = rows.map((one): Row => {
    const text = columnText(one, 'gpt_answer', 'gpt4_ans')
    return { question_id: one.row['question_id'], text }
  })
  return {
    questions: [rowsFile('questions.jsonl', questions, files)],
    labels: [
      rowsFile('context.jsonl', contexts, files),
      rowsFile('answers_gpt4.jsonl', references, files),
    ],
  }
}

/** LLaVA's own questions say `conv`, its reviews `llava_bench_conv`. */
function withId(row: Row): Row {
  const { index, category } = row
  const plain = typeof category === 'string' ? category.replace(/^llava_bench_/, '') : category
  return { ...(index === undefined ? {} : { question_id: index }), ...row, category: plain }
}
