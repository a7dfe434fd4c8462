/** Data sets: files of records in, conversations with media out. */
export {
  openDataset,
  type Dataset,
  type DatasetOptions,
  type DatasetProgress,
  type DataSource,
} from './dataset.ts'
export type { DatasetSpec, SourceSpec } from './dataset-spec.ts'
export {
  modalityOf,
  preferenceTurns,
  type DataRecord,
  type Modality,
  type Picture,
  type PreferenceRecord,
  type RecordTurn,
} from './record.ts'
export { FAULT_REASONS, RecordFault, type FaultReason } from './record-fault.ts'
export type { Row, RowContent, RowFormat } from './row-format.ts'
