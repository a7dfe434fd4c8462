/** Collects what is wrong with an input, so that the caller learns of every fault at once. */
import { describeValue } from '../core/describe-value.ts'
import { InputError } from '../core/errors.ts'
import { nearestName } from '../weights/nearest-name.ts'

export class Faults {
  readonly #where: string
  readonly #messages: string[] = []
  #code: string | undefined
  #path: string | null = null

  /** `where` begins every message: the call that the input was given to. */
  constructor(where: string) {
    this.#where = where
  }

  /** How many were noted. */
  get count(): number {
    return this.#messages.length
  }

  /** Of the first one that has a place of its own. */
  get path(): string | null {
    return this.#path
  }

  /** Notes one fault. The error gets the code of the first one. */
  add(code: string, message: string, path: string | null = null): void {
    this.#code ??= code
    this.#path ??= path
    this.#messages.push(message)
  }

  /** Notes a value that is not what it should be. */
  mismatch(code: string, path: string, expected: string, came: unknown): void {
    this.add(code, `${path} should be ${expected}, ${describeValue(came)} came`, path)
  }

  /** Notes every key of `object` that is not a known name, with the known name nearest to it. */
  unknownKeys(code: string, path: string, object: object, known: readonly string[]): void {
    for (const [key, value] of Object.entries(object)) {
      if (known.includes(key) || value === undefined) continue
      const near = nearestName(key, known)
      const advice = near === undefined ? `known are ${known.join(', ')}` : `did you mean ${near}`
      const full = path === '' ? key : `${path}.${key}`
      this.add(code, `${full} is not a known name; ${advice}`, full)
    }
  }

  /** One InputError with all faults, in the order in which they were found; null without any. */
  error(): InputError | null {
    if (this.#code === undefined) return null
    return new InputError(this.#code, `${this.#where}: ${this.#messages.join('.\n  ')}.`)
  }

  throwIfAny(): void {
    const error = this.error()
    if (error) throw error
  }
}

/** Whether `value` is an object with named fields, as JSON has them; of another realm, too, as test runners make them. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return Object.prototype.toString.call(value) === '[object Object]'
}
