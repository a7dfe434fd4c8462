/** Accuracy against several human answers. */
import { normaliseVqaAnswer } from './vqa-normaliser.ts'

/**
 * VQA's soft accuracy of one answer a against human answers h:
 *
 *   mean over i of min(1, |{j ≠ i : h_j = a}| / 3)
 *
 * after normalisation of all. With ten answers: 0, 0.3, 0.6, 0.9 and 1 for 0, 1, 2, 3 and more that agree.
 * Source: arXiv:1505.00468 §5; haotian-liu/LLaVA llava/eval/m4c_evaluator.py at c121f04, TextVQAAccuracyEvaluator.
 */
export function vqaAccuracy(
  answer: string,
  humans: readonly string[],
  normalise: (text: string) => string = normaliseVqaAnswer,
): number {
  return vqaScores(humans, normalise).get(normalise(answer)) ?? 0
}

/** What each distinct human answer, normalised, would score. */
export function vqaScores(
  humans: readonly string[],
  normalise: (text: string) => string = normaliseVqaAnswer,
): Map<string, number> {
  const answers = humans.map((human) => normalise(human))
  return new Map(answers.map((answer) => [answer, softScore(answer, answers)]))
}

/** 1 if the normalised answer is one of the normalised human answers. Source: the same file, STVQAAccuracyEvaluator. */
export function vqaExact(answer: string, humans: readonly string[]): number {
  return humans.map(normaliseVqaAnswer).includes(normaliseVqaAnswer(answer)) ? 1 : 0
}

/** Summed in the order of the humans, as the original does: thirds do not add up alike in every order. */
function softScore(answer: string, humans: readonly string[]): number {
  const count = humans.filter((human) => human === answer).length
  const sum = humans.reduce((total, human) => {
    const others = human === answer ? count - 1 : count
    return total + Math.min(1, others / 3)
  }, 0)
  return sum / humans.length
}
