/** Evaluation: answer files in, scores, submissions and what they were made from out. */
export { score, findBenchmark } from './score.ts'
export type { Recipe, ScoredMetric, ScoreReport, ScoreRequest } from './score.ts'
export { BENCHMARKS } from './benchmarks/index.ts'
export { isJudgeNeeded, publishedLines, shownName } from './benchmark.ts'
export type { Benchmark, Counts, Outcome, PublishedScore } from './benchmark.ts'
export { compareRuns, type Comparison } from './compare.ts'
export type { EvalFile } from './eval-file.ts'
export { pythonFixed } from './python-text.ts'
export { writeSheet } from './write-sheet-node.ts'
export { loadBenchmarkFiles, loadEvalFiles, readEvalFiles } from './read-node.ts'
export { loadWordNet } from './wordnet-node.ts'
export { scoreJudged } from './score-judged-node.ts'
export type { JudgedReport, ScoreJudgedRequest } from './score-judged-node.ts'
export type { JudgedFacts } from './judge-answers-node.ts'
export { evaluate } from './evaluate-node.ts'
export type { AskedOutcome, EvalReport, EvaluateRequest } from './evaluate-node.ts'
export type { EvalRecipe } from './eval-recipe.ts'
export {
  withFittingPrompt,
  type AnswerEngine,
  type EngineAnswer,
  type EngineRequest,
} from './answer-engine.ts'
export { namedMedia, releasedFiles, type AskSpec, type Picture, type Question } from './question.ts'
export { runQuestions, type RunState } from './run-questions.ts'
export { selectQuestions } from './select-questions.ts'
export { MediaFolder } from './media-node.ts'
export { readMedium } from './read-medium-node.ts'
export { Endpoint, type EndpointOptions } from '../serve/remote/endpoint.ts'
export { EndpointEngine } from './endpoint-engine.ts'
export { EndpointJudge } from './judge-endpoint.ts'
export { runJudge } from './judge.ts'
export { mixedVersions } from './judge-names.ts'
export { JudgeBudget, type JudgeLimits } from './judge-budget.ts'
export type { Judge, Judged, JudgeCache, JudgeReply, JudgeRequest } from './judge.ts'
export type { JudgeSpec, JudgeTask } from './judge-spec.ts'
export { FileJudgeCache } from './judge-cache-node.ts'
export { judgeAgreement, type Agreement } from './judge-agreement.ts'
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
export {
  compareResults,
  type ComparedResult,
  type MetricComparison,
  type ResultComparison,
} from './compare-results.ts'
export type { UnitScores } from './unit-scores.ts'
export { readReports, readResult } from './results-node.ts'
export { keepInputs } from './run-folder-node.ts'
export { htmlReport, markdownReport, type ReportedResult } from './report.ts'
export {
  checkContamination,
  contaminationText,
  type ContaminationRequest,
  type ResultContamination,
} from './contamination-node.ts'
