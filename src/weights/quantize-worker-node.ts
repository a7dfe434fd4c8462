/** The worker thread of quantize-node.ts: quantises one piece per message, in memory that both threads share. */
import { parentPort } from 'node:worker_threads'

import { LlavaError } from '../core/errors.ts'
import { quantizeRows, type QuantizedArrays, type QuantizedKind } from './quantize.ts'
import type { RowRange } from './quantize-rows.ts'

export type PieceRequest = {
  readonly kind: QuantizedKind
  readonly range: RowRange
  readonly values: Float32Array
  readonly into: QuantizedArrays
}

/** Replies come in the order of the requests. `code` is that of a CheckpointError; a message without it tells of a bug. */
export type PieceReply = { readonly code?: string; readonly message?: string }

parentPort?.on('message', (request: PieceRequest) => {
  parentPort?.postMessage(answer(request))
})

function answer({ kind, range, values, into }: PieceRequest): PieceReply {
  try {
    quantizeRows(kind, values, range, into)
    return {}
  } catch (error) {
    if (error instanceof LlavaError) return { code: error.code, message: error.message }
    return { message: error instanceof Error ? error.message : String(error) }
  }
}
