/** Evaluation: answer files in, scores, submissions and what they were made from out. */
export { score, findBenchmark } from './score.ts'
export type { Recipe, ScoredMetric, ScoreReport, ScoreRequest } from './score.ts'
export { BENCHMARKS } from './benchmarks/index.ts'
export type { Benchmark, Counts, Outcome, PublishedScore } from './benchmark.ts'
export { compareRuns, type Comparison } from './compare.ts'
export type { EvalFile } from './eval-file.ts'
export { writeSheet } from './write-sheet-node.ts'
export { readEvalFiles } from './read-node.ts'
export { anls, levenshtein } from './metrics/anls.ts'
export { exactMatch } from './metrics/exact-match.ts'
export {
  bootstrapInterval,
  mcnemar,
  valueOf,
  type Interval,
  type Statistic,
} from './metrics/intervals.ts'
export { mmmuChoice, mmmuOpen, mmmuOpenAnswers } from './metrics/mmmu-answer.ts'
export { optionLetter, scienceQaLetter } from './metrics/option-letter.ts'
export { relaxedAccuracy } from './metrics/relaxed-accuracy.ts'
export { vqaAccuracy, vqaExact, vqaScores } from './metrics/vqa-accuracy.ts'
export { normaliseVqaAnswer } from './metrics/vqa-normaliser.ts'
export { mmeAnswer, popeAnswer } from './metrics/yes-no.ts'
export { textvqaQuestion } from './benchmarks/textvqa.ts'
