/** ChartQA's accuracy. */
import { parsePythonFloat } from '../python-text.ts'

/**
 * 1 if the answer is within 5 % of a numeric target (of any other: equal but for case), else 0.
 *
 * A `%` at the end divides by 100 on both sides. A target of zero has no tolerance: it is compared as text.
 * Source: arXiv:2203.10244 §5.1; lmms-eval lmms_eval/tasks/chartqa/utils.py, relaxed_correctness.
 */
export function relaxedAccuracy(answer: string, target: string): number {
  const [given, wanted] = [toNumber(answer), toNumber(target)]
  if (given !== null && wanted !== null && wanted !== 0)
    return Math.abs(given - wanted) / Math.abs(wanted) <= 0.05 ? 1 : 0
  return answer.toLowerCase() === target.toLowerCase() ? 1 : 0
}

function toNumber(text: string): number | null {
  if (!text.endsWith('%')) return parsePythonFloat(text)
  const value = parsePythonFloat(text.replace(/%+$/, ''))
  return value === null ? null : value / 100
}
