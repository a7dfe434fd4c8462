/**
 * Rows of lmms-eval's sample files: what each holds of the dataset's row, and which row that is.
 *
 * Until version 0.2 a task has one file, {"args": …, "logs": [samples]}, and a sample the dataset's row as `doc`. Later ones write
 * `DATE_samples_TASK.jsonl` without it: what is known of the row then stands in the objects that the task's metrics are made from:
 *   {"doc_id": 0, "target": "Yes", "filtered_resps": "Yes", "mme_perception_score": {"question_id": "artwork/1.jpg", "category": "artwork", "score": 1.0}, …}
 * `doc_id` is the row's place in the split.
 * Source: lmms_eval/loggers/evaluation_tracker.py at 75571cf; lmms_eval/__main__.py at v0.2.0.
 */
import { InputError } from '../core/errors.ts'
import { isRow, type EvalFile, type Row } from './eval-file.ts'

/** The sample's own fields, and beside them those of `doc`, which win, or of its metrics' objects, which do not. */
export function sampleFields(sample: Row): Row {
  const doc = sample['doc']
  if (isRow(doc)) return { ...sample, ...doc }
  if (!isSample(sample)) return sample
  const inner = Object.values(sample).filter(isRow)
  return Object.assign({}, ...inner, sample) as Row
}

export function isSample(row: Row): boolean {
  return 'doc_id' in row && ('filtered_resps' in row || 'resps' in row)
}

/** A sample's name, by its row's place in its task: where the benchmark is several tasks, behind the part that its file holds. */
export function sampleName(place: string, { part }: Pick<EvalFile, 'part'>): string {
  return part === undefined ? place : `${part}/${place}`
}

/** Whose file an answer is of, and so whose reading makes its number. */
export type AnswerForm = 'own' | 'lmms-eval' | 'vlmevalkit'

/** VLMEvalKit's tables have the columns of its dataset, `index` first, and `prediction`. */
export function formOf(answer: Row): AnswerForm {
  if (isSample(answer)) return 'lmms-eval'
  return 'index' in answer && 'prediction' in answer ? 'vlmevalkit' : 'own'
}

/** A response, which may be the first of a list of lists; null where there is no text. */
export function firstText(responses: unknown): string | null {
  const first: unknown = Array.isArray(responses) ? responses.flat(2)[0] : responses
  return typeof first === 'string' ? first : null
}

/** The answer that a review is of: beside ours, in a sample's responses, or in VLMEvalKit's column. Official reviews have none. */
export function reviewedAnswer(row: Row): string {
  return firstText(row['given'] ?? row['filtered_resps'] ?? row['prediction']) ?? ''
}

/** Names that a sample and the dataset's row may both have. */
const NAMES = ['question_id', 'questionId', 'idx', 'pid', 'sample_id', 'video_name']

/** Rows are matched by their place, so they have to be of the samples' split. Throws InputError where a name says otherwise. */
export function checkSameRow(sample: Row, row: Row, benchmark: string): void {
  const name = NAMES.find((one) => sample[one] !== undefined && row[one] !== undefined)
  if (name === undefined || String(sample[name]) === String(row[name])) return
  throw new InputError(
    'INPUT_LABELS_FOREIGN',
    `eval.${benchmark}: sample ${String(sample['doc_id'])} should be of the labels' row in that place, it is of ${name} ${String(sample[name])} and the row of ${String(row[name])}; give the split that the samples are of, all of it and in its order.`,
  )
}
