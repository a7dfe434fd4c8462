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
  'too-long': 'the record has more tokens than the model takes, or than its longest may have',
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

/** Codes of the rooms that look at what is in a record, by how they begin; the first that fits counts. */
const REASONS: readonly (readonly [string, FaultReason])[] = [
  ['INPUT_IMAGE_PLACES', 'places'],
  ['INPUT_IMAGE_MISSING', 'picture-missing'],
  ['INPUT_IMAGE', 'picture-broken'],
  ['INPUT_VIDEO_PLACES', 'places'],
  ['INPUT_VIDEO_MISSING', 'clip-missing'],
  ['INPUT_VIDEO', 'clip-broken'],
  ['INPUT_CONVERSATION_ORDER', 'order'],
  ['INPUT_CONVERSATION', 'structure'],
  ['INPUT_TOO_LONG', 'too-long'],
]

/** Codes of errors that say nothing about a record: files that vanish, options, a decoder that is not installed. */
const OTHERS = /^INPUT_(?:DATA|OPTION|UNKNOWN|VIDEO_DECODER)/

/** The reason behind an error about a record, `labels` for all that rendering refuses; null for other errors. */
export function faultReasonOf(error: unknown): FaultReason | null {
  if (error instanceof RecordFault) return error.reason
  if (!(error instanceof InputError) || OTHERS.test(error.code)) return null
  return REASONS.find(([code]) => error.code.startsWith(code))?.[1] ?? 'labels'
}
