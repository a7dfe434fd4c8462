/**
 * The answer normaliser of the VQA challenge (EvalAI), which VQAv2, VizWiz and TextVQA share.
 *
 * Source: haotian-liu/LLaVA llava/eval/m4c_evaluator.py at c121f04, class EvalAIAnswerProcessor. Its quirks move scores,
 * so they are kept:
 * - commas and question marks are deleted before any of the other marks is looked at;
 * - `'s` is split off before contractions are looked up: `it's` becomes `it 's`;
 * - a mark is deleted if it stands beside a space anywhere in the text, and replaced by a space if it never does;
 * - at most 32 periods are deleted: `re.UNICODE`, which is 32, is passed where `sub` takes a count.
 */
import { pythonStrip, pythonWords } from '../python-text.ts'
import { ARTICLES, CONTRACTIONS, NUMBER_WORDS, PUNCTUATION } from './vqa-words.ts'

/** `answer` in the form in which the challenge compares answers. */
export function normaliseVqaAnswer(answer: string): string {
  const lower = answer.toLowerCase().replaceAll(/[,?]/g, '').replaceAll("'s", " 's")
  const line = pythonStrip(pythonStrip(lower).replaceAll(/[\n\t]/g, ' '))
  return normaliseWords(dropPeriods(dropMarks(line)))
}

/**
 * VLMEvalKit's form of it: commas, question marks and `'s` are like other marks and letters, and a period behind a digit stays.
 * Source: open-compass/VLMEvalKit vlmeval/dataset/utils/vqa_eval.py at e8e78f0, process_answer.
 */
export function normaliseTableAnswer(answer: string): string {
  const line = pythonStrip(answer.replaceAll(/[\n\t]/g, ' '))
  return normaliseWords(dropPeriods(dropMarks(line), /(?<!\p{Nd})\.(?!\p{Nd})/gu))
}

function dropMarks(text: string): string {
  let result = text
  const hasThousands = /\p{Nd},+(?=\p{Nd})/u.test(text)
  for (const mark of PUNCTUATION) {
    const isBesideSpace = text.includes(`${mark} `) || text.includes(` ${mark}`)
    result = result.replaceAll(mark, isBesideSpace || hasThousands ? '' : ' ')
  }
  return result
}

const MOST_PERIODS = 32

function dropPeriods(text: string, periods = /\.(?!\p{Nd})/gu): string {
  let left = MOST_PERIODS
  return text.replaceAll(periods, (period) => (left-- > 0 ? '' : period))
}

function normaliseWords(text: string): string {
  return pythonWords(text.toLowerCase())
    .map((word) => NUMBER_WORDS.get(word) ?? word)
    .filter((word) => !ARTICLES.has(word))
    .map((word) => CONTRACTIONS.get(word) ?? word)
    .join(' ')
}
