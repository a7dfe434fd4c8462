/** Data sets: files of records in, conversations with media out. */
export {
  openDataset,
  type Dataset,
  type DatasetOptions,
  type DatasetProgress,
  type DataSource,
} from './dataset.ts'
export type { DatasetSpec, MixtureEntry, SourceSpec } from './dataset-spec.ts'
export {
  modalityOf,
  preferenceTurns,
  type DataRecord,
  type Modality,
  type Picture,
  type PreferenceRecord,
  type RecordClip,
  type RecordTurn,
} from './record.ts'
export { FAULT_REASONS, faultReasonOf, RecordFault, type FaultReason } from './record-fault.ts'
export type { Row, RowContent, RowFormat } from './row-format.ts'
export {
  checkRecord,
  measureRecord,
  verdictOf,
  wordCount,
  type AnyRecord,
  type RecordFacts,
  type RecordRules,
  type TokenCounts,
  type TokenRule,
  type Verdict,
} from './check-record.ts'
export { tokensByMode, type ModeTokenOptions } from './count-tokens.ts'
export { checkClip } from './check-clip.ts'
export { checkPicture, type PictureDepth } from './check-picture.ts'
export { Quarantine, QUARANTINE_THRESHOLD, type QuarantinedRecord } from './quarantine.ts'
export { surveyRecords, type Survey, type SurveyOptions } from './survey.ts'
export {
  originalOrder,
  type Permute,
  type SamplerOptions,
  type SamplerVariant,
} from './original-sampler.ts'
export { usableRecords, type UsableRecords, type WeightedSource } from './usable-records.ts'
export { packRows } from './pack-rows.ts'
export { drawEpoch, type WeightedSamples } from './draw-epoch.ts'
export {
  BATCHINGS,
  planEpoch,
  type Batching,
  type BatchOptions,
  type SampleLength,
  type Step,
} from './plan-epoch.ts'
export {
  BatchSchedule,
  type CursorState,
  type ScheduledStep,
  type ScheduleOptions,
} from './batch-schedule.ts'
export { mixIndices } from './mix.ts'
export { writeRecords, type WriteRecordsOptions } from './write-records.ts'
export { PictureCensus, type PictureCounts } from './picture-census.ts'
export {
  CONTAMINATION_RULE,
  findContamination,
  type Contamination,
  type ContaminationItem,
  type ContaminationOptions,
  type Overlap,
} from './contamination.ts'
export { likeness, picturePrint, type Likeness, type PicturePrint } from './picture-print.ts'
export { PrintStore } from './print-store.ts'
export {
  buildBench,
  type BenchAnswerer,
  type BenchEmbedder,
  type BenchReport,
  type BuildBenchOptions,
} from './bench/build-bench.ts'
export type { BenchRequest } from './bench/read-requests.ts'
