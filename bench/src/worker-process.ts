/** A contender in a process of its own, and the memory that process takes. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

export type Launch = { readonly command: string; readonly args: readonly string[] }

export class WorkerProcess {
  readonly #child: ChildProcess
  readonly #waiting: { resolve(value: unknown): void; reject(error: Error): void }[] = []
  readonly #label: string
  #lastWords = ''
  #isClosed = false

  constructor(label: string, { command, args }: Launch) {
    this.#label = label
    this.#child = spawn(command, args, { stdio: ['pipe', 'ignore', 'pipe', 'pipe'] })
    this.#child.stderr?.on('data', (data: Buffer) => {
      this.#lastWords = (this.#lastWords + data.toString()).slice(-2000)
    })
    createInterface({ input: this.#child.stdio[3] as Readable }).on('line', (line) => {
      const { result, error } = JSON.parse(line) as { result?: unknown; error?: string }
      const waiting = this.#waiting.shift()
      if (error === undefined) waiting?.resolve(result)
      else waiting?.reject(new Error(`${label}: ${error}`))
    })
    this.#child.on('error', (error) => this.#fail(error.message))
    this.#child.on('exit', (code, signal) => this.#fail(`ended with ${signal ?? code}`))
    this.#child.stdin?.on('error', () => {}) // The exit is what gets reported.
  }

  ask<T>(operation: string, request: object = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#isClosed) {
        reject(new Error(`${this.#label}: it has ended. ${this.#lastWords}`))
        return
      }
      this.#waiting.push({ resolve: resolve as (value: unknown) => void, reject })
      this.#child.stdin?.write(`${JSON.stringify({ operation, ...request })}\n`)
    })
  }

  /** Watches anonymous memory while `run` runs; the highest of samples 20 ms apart, and what is left at the end. */
  async watchMemory<T>(
    run: () => Promise<T>,
  ): Promise<{ result: T; peakBytes: number; bytes: number }> {
    let peakBytes = this.anonymousBytes()
    const timer = setInterval(() => {
      peakBytes = Math.max(peakBytes, this.anonymousBytes())
    }, 20)
    try {
      const result = await run()
      const bytes = this.anonymousBytes()
      return { result, peakBytes: Math.max(peakBytes, bytes), bytes }
    } finally {
      clearInterval(timer)
    }
  }

  /** RssAnon: memory that no file stands behind. 0 where the system does not say. */
  anonymousBytes(): number {
    return this.#status('RssAnon')
  }

  /** VmRSS: that and the pages of files that it has mapped. */
  residentBytes(): number {
    return this.#status('VmRSS')
  }

  #status(field: string): number {
    const path = `/proc/${this.#child.pid}/status`
    if (!existsSync(path)) return 0
    const found = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(path, 'utf8'))
    return found ? Number(found[1]) * 1024 : 0
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    const ended = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.stdin?.end()
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 5000)
    await ended
    clearTimeout(late)
  }

  #fail(reason: string): void {
    this.#isClosed = true
    for (const { reject } of this.#waiting.splice(0)) {
      reject(new Error(`${this.#label}: ${reason}. ${this.#lastWords}`))
    }
  }
}
