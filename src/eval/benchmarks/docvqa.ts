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
import { publishedRows, type PublishedScore } from '../benchmark.ts'
import { SHORT_ANSWER } from '../llava-questions.ts'
import { anls } from '../metrics/anls.ts'
import { pythonJson } from '../python-text.ts'
import { columnText } from '../row-columns.ts'
import { shortAnswerBenchmark } from '../short-answers.ts'

const BLOG = 'LLaVA-NeXT blog 2024-05-10'
const ONEVISION = 'arXiv:2408.03326'

export const docvqa = anlsBenchmark('docvqa', { title: 'DocVQA (val)', folder: 'DocVQA' }, [
  ...publishedRows('overall', BLOG, {
    'llava-v1.5-13b': 28.1,
    'llava-v1.6-vicuna-7b': 74.4,
    'llava-v1.6-mistral-7b': 72.2,
    'llava-v1.6-vicuna-13b': 77.5,
    'llava-v1.6-34b': 84.0,
    'llama3-llava-next-8b': 78.2,
    'llava-next-72b': 84.4,
    'llava-next-110b': 85.7,
  }),
  ...publishedRows('overall', ONEVISION, {
    'llava-onevision-qwen2-0.5b': 73.7,
    'llava-onevision-qwen2-7b': 90.2,
    'llava-onevision-qwen2-72b': 93.1,
  }),
])

export const infovqa = anlsBenchmark(
  'infovqa',
  { title: 'InfoVQA (val)', folder: 'InfographicVQA' },
  publishedRows('overall', ONEVISION, {
    'llava-onevision-qwen2-0.5b': 46.3,
    'llava-onevision-qwen2-7b': 70.7,
    'llava-onevision-qwen2-72b': 79.2,
  }),
)

/** Both are folders of one repository at the hub. */
function anlsBenchmark(
  name: string,
  { title, folder }: { readonly title: string; readonly folder: string },
  published: readonly PublishedScore[],
) {
  return shortAnswerBenchmark({
    name,
    title,
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
