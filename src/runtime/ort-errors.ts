/** ONNX Runtime's own failures, with its code and words kept. */
import { CapacityError } from '../core/errors.ts'

/** Codes of `OrtErrorCode`, by number. Source: onnxruntime_c_api.h. */
const CODE_NAMES = [
  'OK',
  'FAIL',
  'INVALID_ARGUMENT',
  'NO_SUCHFILE',
  'NO_MODEL',
  'ENGINE_ERROR',
  'RUNTIME_EXCEPTION',
  'INVALID_PROTOBUF',
  'MODEL_LOADED',
  'NOT_IMPLEMENTED',
  'INVALID_GRAPH',
  'EP_FAIL',
  'MODEL_LOAD_CANCELED',
  'MODEL_REQUIRES_COMPILATION',
  'NOT_FOUND',
] as const

/**
 * A call that ONNX Runtime refused. Feeds are checked before any native call, so what arrives here is a graph that
 * we built wrongly: the message begins with `internal:`.
 */
export class OrtError extends Error {
  /** ONNX Runtime's numeric code. */
  readonly ortCode: number
  constructor(call: string, ortCode: number, ortMessage: string) {
    super(
      `internal: ONNX Runtime's ${call} failed (${CODE_NAMES[ortCode] ?? ortCode}): ${ortMessage}`,
    )
    this.name = 'OrtError'
    this.ortCode = ortCode
  }
}

/** The error for a failed call: CapacityError when memory ran out, else OrtError. */
export function ortError(call: string, ortCode: number, ortMessage: string): Error {
  const error = new OrtError(call, ortCode, ortMessage)
  if (!/bad_alloc|failed to allocate memory|bad allocation/i.test(ortMessage)) return error
  return new CapacityError(
    'CAPACITY_MEMORY',
    `runtime: ONNX Runtime could not get the memory it asked for; use a smaller context, batch or precision. ${ortMessage}`,
    { cause: error },
  )
}
