/** What memory a test's process takes. */
import { existsSync, readFileSync } from 'node:fs'

const STATUS = '/proc/self/status'

/** For `test`: why memory cannot be told here, or false. */
export const skipsMemory = !existsSync(STATUS) && 'the system does not say what memory is taken'

/** Memory that is no mapped file. */
export function anonymousBytes(): number {
  const [, kilobytes] = /RssAnon:\s+(\d+)/.exec(readFileSync(STATUS, 'utf8')) ?? []
  return 1024 * Number(kilobytes)
}
