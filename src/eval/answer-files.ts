/**
 * Of an output folder of lmms-eval, lm-evaluation-harness or VLMEvalKit the files that hold a benchmark's answers.
 *
 *   20260101_000000_results.json, results_2026-01-01T00-00-00.json   numbers, beside …_samples_TASK.jsonl
 *   submissions/TASK.json                                            what a server takes
 *   MODEL_DATASET_acc.csv, MODEL_DATASET_score.json                  numbers, beside MODEL_DATASET.xlsx
 * Source: lmms_eval/loggers/evaluation_tracker.py at 75571cf; vlmeval/dataset/image_mcq.py at e8e78f0.
 */
import type { EvalFile } from './eval-file.ts'

/** All of them where neither program wrote them. */
export function answerFiles(files: readonly EvalFile[], benchmark: string): readonly EvalFile[] {
  if (files.length < 2) return files
  if (files.some(isSamples)) {
    return ofBenchmark(
      files.filter(({ name }) => !/\.json$/i.test(name)),
      benchmark,
    )
  }
  const predicted = files.filter(isPredicted)
  if (predicted.length === 0) return files
  return ofBenchmark(
    files.filter(
      (file) => predicted.includes(file) || !(isTable(file) || /\.json$/i.test(file.name)),
    ),
    benchmark,
  )
}

function isSamples({ name }: EvalFile): boolean {
  return /(?:^|[_/])samples_[^/]+\.jsonl$/.test(name)
}

function isTable({ name, cells }: EvalFile): boolean {
  return cells !== undefined || /\.[tc]sv$/i.test(name)
}

/** A table with a prediction for each index, be it the model's or with what was read of it beside. */
function isPredicted(file: EvalFile): boolean {
  if (!isTable(file)) return false
  const header = file.cells?.[0] ?? file.text.slice(0, file.text.search(/[\r\n]|$/)).split(/[\t,]/)
  const names = header.map((name) => name.replaceAll('"', ''))
  return names.includes('index') && names.includes('prediction')
}

/** Names hold the task or dataset, a benchmark's in several parts where it has them: `samples_mmlu_anatomy`, `MODEL_AI2D_TEST`. */
function ofBenchmark(files: readonly EvalFile[], benchmark: string): readonly EvalFile[] {
  const plain = (name: string) => name.toLowerCase().replaceAll(/[^a-z0-9_]/g, '')
  const own = files.filter(({ name }) =>
    `_${plain(name.split('/').at(-1) ?? name)}`.includes(`_${plain(benchmark)}`),
  )
  return own.length > 0 ? own : files
}
