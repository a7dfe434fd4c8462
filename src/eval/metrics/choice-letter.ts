/** Letters of options read out of answers, in the ways of the benchmarks that have their own. */

/** A for option 0, B for 1. */
export function letterAt(i: number): string {
  return String.fromCharCode(65 + i)
}

/**
 * MVBench's and LLaVA-Interleave-Bench's reading: `B. text` is B; else, without marks, the first letter A to E that stands
 * alone, be it the article; else the whole answer in lower case.
 * Source: lmms-eval tasks/mvbench/utils.py and tasks/llava_interleave_bench/utils.py, mcq_acc.
 */
export function standaloneLetter(answer: string): string {
  const lead = /^([A-E])\.\s*.+$/i.exec(answer.trim())
  if (lead) return (lead[1] ?? '').toUpperCase()
  const line = answer.replaceAll(/[\n\t]/g, ' ').trim()
  const plain = withoutMarks(line)
    .replaceAll(/^'+|'+$/g, '')
    .replaceAll(/^"+|"+$/g, '')
    .trim()
  const letter = /(?<![\p{L}\p{N}_])([A-E])(?![\p{L}\p{N}_])/iu.exec(plain)?.[1]
  return letter === undefined ? plain.toLowerCase() : letter.toUpperCase()
}

const MARKS = [...';/[]"{}()=+\\_-><@`,?!']

/** As the VQA challenge's normaliser: a mark beside a space anywhere is deleted, another becomes a space. */
export function withoutMarks(text: string): string {
  const hasThousands = /\d,\d/.test(text)
  let result = text
  for (const mark of MARKS) {
    const isBesideSpace = text.includes(`${mark} `) || text.includes(` ${mark}`)
    result = result.replaceAll(mark, isBesideSpace || hasThousands ? '' : ' ')
  }
  return result.replaceAll(/\.(?!\d)/g, '')
}

const PREFIXES = ['The best answer is', 'The correct answer is', 'The answer is', 'The answer']

/**
 * Video-MME's reading: without the usual phrases, the first capital A to D, wherever it stands; empty where there is none.
 * The official list goes on with four phrases between which commas are missing, so that none of them is ever found: `Best
 * option: D` is B. That is kept. VLMEvalKit's list has `Answer:` and `Option:` too.
 * Source: BradyFU/Video-MME evaluation/eval_your_results.py, extract_characters_regex; lmms-eval tasks/videomme/utils.py at 0c1350d.
 */
export function firstCapital(answer: string, form: 'own' | 'vlmevalkit' = 'own'): string {
  const prefixes = form === 'own' ? PREFIXES : [...PREFIXES, 'Answer:', 'Option:']
  const plain = prefixes.reduce((text, prefix) => text.replaceAll(prefix, ''), answer.trim())
  return /[A-D]/.exec(plain)?.[0] ?? ''
}

/**
 * BLINK's reading: the letter at the start, brackets before it passed over, in either case.
 * Source: lmms-eval tasks/blink/utils.py.
 */
export function leadingLetter(answer: string): string {
  return (/^[(\s]*([A-Z])/i.exec(answer.trim())?.[1] ?? '').toUpperCase()
}

/**
 * Mantis-Eval's reading: behind `final answer:`, `the answer is` or `answer:` if there is one, the first letter of any
 * kind, in upper case; null where it names no option.
 * Source: lmms-eval tasks/mantis/utils.py.
 */
export function mantisLetter(answer: string, options: number): string | null {
  const text = mantisAnswer(answer)
  const letter = /^Answer: ([A-Z])/.exec(text)?.[1] ?? /\p{L}/u.exec(text)?.[0]?.toUpperCase()
  if (letter === undefined) return null
  return letter.charCodeAt(0) - 65 < options ? letter : null
}

/** The part behind the first of the phrases that occurs. */
export function mantisAnswer(answer: string): string {
  const lower = answer.toLowerCase()
  const phrase = ['final answer:', 'the answer is', 'answer:'].find((one) => lower.includes(one))
  if (phrase === undefined) return answer
  return answer.slice(lower.indexOf(phrase) + phrase.length).trim()
}
