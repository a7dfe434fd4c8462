/** Where turns show what a record brings: each `<image>` is the place of one picture or clip. */
import type { RecordTurn } from './record.ts'

export const MEDIA_PLACE = '<image>'

export function placesIn(turns: readonly RecordTurn[]): number {
  return turns.reduce((sum, { value }) => sum + value.split(MEDIA_PLACE).length - 1, 0)
}
