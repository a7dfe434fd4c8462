/** The values of a command line, read by name and kind. */
import type { OptionSpec } from './verb.ts'
import { UsageError } from './usage-error.ts'

export class Arguments {
  readonly positionals: readonly string[]
  readonly #values: ReadonlyMap<string, readonly string[]>
  readonly #specs: readonly OptionSpec[]

  /** `values` holds every occurrence of an option; of a flag, any. Throws UsageError for one that came too often. */
  constructor(
    specs: readonly OptionSpec[],
    values: ReadonlyMap<string, readonly string[]>,
    positionals: readonly string[],
  ) {
    this.#specs = specs
    this.#values = values
    this.positionals = positionals
    for (const { name, kind, choices } of specs) {
      const given = values.get(name) ?? []
      if (given.length > 1 && (kind === 'text' || kind === 'number')) {
        throw new UsageError(`--${name} came ${given.length} times; give it once.`)
      }
      if (kind === 'number') given.forEach((value) => checkNumber(name, value))
      for (const value of given) {
        if (choices && !choices.includes(value)) {
          throw new UsageError(`--${name} should be ${choices.join(', ')}; "${value}" came.`)
        }
      }
    }
  }

  /** Names of those that were given. */
  get given(): readonly string[] {
    return [...this.#values].flatMap(([name, values]) => (values.length > 0 ? [name] : []))
  }

  has(name: string): boolean {
    return this.#given(name).length > 0
  }

  flag(name: string): boolean {
    return this.has(name)
  }

  text(name: string): string | undefined {
    return this.#given(name)[0]
  }

  texts(name: string): readonly string[] {
    return this.#given(name)
  }

  number(name: string): number | undefined {
    const value = this.text(name)
    return value === undefined ? undefined : Number(value)
  }

  #given(name: string): readonly string[] {
    if (this.#specs.every((spec) => spec.name !== name)) {
      throw new Error(`internal: the verb has no option --${name}`)
    }
    return this.#values.get(name) ?? []
  }
}

function checkNumber(name: string, value: string): void {
  if (value.trim() !== '' && Number.isFinite(Number(value))) return
  throw new UsageError(`--${name} should be a number; "${value}" came.`)
}
