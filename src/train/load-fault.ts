/** A record that was found usable and is not when its turn comes: which one, and which of its files. */
import { InputError } from '../core/errors.ts'
import { measureRecord, type AnyRecord } from '../data/check-record.ts'
import { RecordFault } from '../data/record-fault.ts'

export type LoadedRecord = {
  /** `data: instruct.json[17]` */
  readonly where: string
  /** How the survey looked at pictures. */
  readonly pictures: string
}

/** What a loader threw, with record and file; what is not about the record as it came. */
export async function loadFault(
  error: unknown,
  record: AnyRecord,
  { where, pictures }: LoadedRecord,
): Promise<unknown> {
  if (!(error instanceof InputError)) return error
  // Decoders are handed bytes: only a look at each file says which it was.
  const found = await measureRecord(record, { pictures: 'decode' }).catch((fault: unknown) => fault)
  const { message } = found instanceof RecordFault ? found : error
  return new InputError(
    error.code,
    `${where}: ${message} The look before the first step (quarantine.pictures: ${pictures}) found nothing; mend it and go on (--resume).`,
    { cause: error },
  )
}
