/** Average normalised Levenshtein similarity. */
import { pythonStrip, pythonWords } from '../python-text.ts'

/**
 * 1 − distance / longer length, and 0 below one half; the best over the accepted answers.
 *
 * `'stvqa'` lowers and strips both. `'docvqa'` also collapses spaces, but divides by the lengths before that, in capitals: the
 * quirk of lmms-eval's DocVQA and InfoVQA, which makes answers with many spaces, or with an ß, score higher.
 * Lengths and edits count code points. Two empty texts are equal (the original divides by zero there).
 * Source: arXiv:1905.13648 eq. 1; haotian-liu/LLaVA llava/eval/m4c_evaluator.py at c121f04, STVQAANLSEvaluator.
 */
export function anls(
  answer: string,
  accepted: readonly string[],
  form: 'stvqa' | 'docvqa' = 'stvqa',
): number {
  return Math.max(0, ...accepted.map((truth) => similarity(truth, answer, form)))
}

const THRESHOLD = 0.5

function similarity(truth: string, answer: string, form: 'stvqa' | 'docvqa'): number {
  const [a, b] = [normalise(truth, form), normalise(answer, form)]
  const [longer, other] =
    form === 'docvqa' ? [[...truth.toUpperCase()], [...answer.toUpperCase()]] : [a, b]
  const length = Math.max(longer.length, other.length)
  const value = length === 0 ? 1 : 1 - levenshtein(a, b) / length
  return value >= THRESHOLD ? value : 0
}

function normalise(text: string, form: 'stvqa' | 'docvqa'): string[] {
  const plain = pythonStrip(text).toLowerCase()
  return [...(form === 'docvqa' ? pythonWords(plain).join(' ') : plain)]
}

/** The least number of insertions, deletions and replacements that turn `a` into `b`. */
export function levenshtein(a: ArrayLike<string>, b: ArrayLike<string>): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1]
    for (let j = 0; j < b.length; j++) {
      const replaced = (row[j] as number) + (a[i] === b[j] ? 0 : 1)
      next.push(Math.min(replaced, (row[j + 1] as number) + 1, (next[j] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}
