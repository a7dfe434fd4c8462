/** Results by key, a line each on the disk as they come: a call that was made before a kill is not made again after it. */
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs'
import { dirname } from 'node:path'
import { makeFolderSync } from '../core/make-folder-node.ts'

export class KeptLines<T> {
  readonly #path: string
  readonly #kept = new Map<string, T>()

  constructor(path: string) {
    this.#path = path
    makeFolderSync(dirname(path))
    if (!existsSync(path)) return
    const bytes = readFileSync(path)
    // A line without its end was cut off by a kill.
    const end = bytes.lastIndexOf(0x0a) + 1
    if (end < bytes.length) truncateSync(path, end)
    for (const line of bytes.subarray(0, end).toString('utf8').split('\n')) {
      if (line !== '') this.#keep(line)
    }
  }

  /** Two processes that add at once may spoil a line for both: what it held is made again. */
  #keep(line: string): void {
    try {
      const [key, value] = JSON.parse(line) as [string, T]
      this.#kept.set(key, value)
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error
    }
  }

  async get(key: string, make: () => Promise<T>): Promise<T> {
    const known = this.#kept.get(key)
    if (known !== undefined) return known
    const value = await make()
    appendFileSync(this.#path, `${JSON.stringify([key, value])}\n`)
    this.#kept.set(key, value)
    return value
  }
}
