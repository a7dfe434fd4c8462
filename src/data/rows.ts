/** Files of rows: what a source of a data set is read through. */
import type { Row } from './row-format.ts'

export type Rows = {
  readonly length: number
  /** Changes when the rows change: part of what a resumed run checks, and of a model card. */
  readonly sha256: string
  /** Throws RecordFault `unreadable` or `structure` for a row that is no object. `where` begins the message. */
  read(index: number, where: string): Promise<Row>
  close(): Promise<void>
}

export type OpenRowsOptions = {
  /** Called as the file is read for the first time. */
  readonly onProgress?: (done: number, total: number) => void
  readonly signal?: AbortSignal | undefined
}
