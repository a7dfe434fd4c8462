/** Text files that people write. */
import { readFileSync } from 'node:fs'

/** The text of UTF-8 without the byte order mark that some editors put before it. Throws the system's error. */
export function readText(path: string): string {
  return new TextDecoder().decode(readFileSync(path))
}
