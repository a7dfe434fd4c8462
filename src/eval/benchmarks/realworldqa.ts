/**
 * RealWorldQA: questions about everyday scenes, multiple choice and short answers mixed; the question says which.
 *
 * Source: x.ai, Grok-1.5 Vision (2024). Data: huggingface.co/datasets/lmms-lab/RealWorldQA (CC BY-ND 4.0), 765 questions:
 *   {"question": "In which direction is the front wheel … facing?\n\nA. Left\nB. Straight\nC. Right\nPlease answer …", "answer": "C"}
 * Official scorer: lmms-eval tasks/realworldqa: a letter where the truth is one, else lower case without a full stop.
 */
import { publishedRows } from '../benchmark.ts'
import { exactMatch } from '../metrics/exact-match.ts'
import { optionColumns, optionLetter } from '../metrics/option-letter.ts'
import { shortAnswerBenchmark } from '../short-answers.ts'

const LETTERS = { A: '', B: '', C: '', D: '', E: '' }

export const realWorldQa = shortAnswerBenchmark({
  name: 'realworldqa',
  title: 'RealWorldQA (test)',
  rule: 'the letter at the start (of tables with options also an option) where the truth is a letter; exact match without case and marks',
  form: { split: 'test' },
  judge: (answer, [target = ''], row) => {
    const options = optionColumns(row) ?? LETTERS
    const read = /^[A-E]$/.test(target) ? (optionLetter(answer, options) ?? answer) : answer
    return { score: exactMatch(read, target), read }
  },
  ask: {
    prompt: ({ question }) => String(question).trim(),
    about: 'the question, which holds its instruction, after the picture',
    maxTokens: 16,
    file: 'test',
  },
  published: [
    ...publishedRows('overall', 'LLaVA-NeXT blog 2024-05-10', {
      'llava-v1.6-mistral-7b': 54.4,
      'llava-v1.6-34b': 61.0,
      'llama3-llava-next-8b': 60.0,
      'llava-next-72b': 65.4,
      'llava-next-110b': 63.1,
    }),
    ...publishedRows('overall', 'arXiv:2408.03326', {
      'llava-onevision-qwen2-0.5b': 55.6,
      'llava-onevision-qwen2-7b': 66.3,
      'llava-onevision-qwen2-72b': 71.9,
    }),
  ],
})
