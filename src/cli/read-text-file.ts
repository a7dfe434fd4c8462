/** Text files that options name. */
import { readText } from '../core/read-text-node.ts'
import { UsageError } from './usage-error.ts'

/** Throws UsageError where it cannot be read. */
export function readTextFile(path: string): string {
  try {
    return readText(path)
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${(error as Error).message}.`)
  }
}
