/** Why a record cannot be learnt from. Readers and checks throw it; the quarantine counts it. */
import { InputError } from '../core/errors.ts'

/** Every reason for the quarantine, with what it means. */
export const FAULT_REASONS = {
  unreadable: 'the row is no JSON object or no valid UTF-8',
  structure: 'fields are missing or of the wrong kind',
  order: 'questions and answers do not take turns',
  places: 'there are more or fewer <image> places than pictures',
  'picture-missing': 'a picture file is not there',
  'picture-broken': 'a picture file is cut, damaged or of no known kind',
  'clip-missing': 'a clip is not there',
  'clip-broken': 'a clip is empty or cannot be opened',
  labels: 'the mask of the original would be wrong or cover nothing',
  'too-long': 'the record has more tokens than the model takes',
} as const

export type FaultReason = keyof typeof FAULT_REASONS

/** Code `INPUT_RECORD_…` after the reason. */
export class RecordFault extends InputError {
  readonly reason: FaultReason

  constructor(reason: FaultReason, message: string, options?: ErrorOptions) {
    super(`INPUT_RECORD_${reason.replace('-', '_').toUpperCase()}`, message, options)
    this.reason = reason
  }
}
