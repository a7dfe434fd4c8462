/** What is wrong with a trainer's options, collected to be said at once. */
import { ConfigError } from '../core/errors.ts'
import { quirkFaults } from '../families/quirks.ts'
import type { TrainerQuirks } from './options.ts'
import { MODEL_PARTS, type ModelPart } from './parameter-groups.ts'

export class OptionFaults {
  readonly #faults: string[] = []

  add(fault: string): void {
    this.#faults.push(fault)
  }

  throwIfAny(): void {
    if (this.#faults.length === 0) return
    throw new ConfigError('CONFIG_TRAINER', `createTrainer: ${this.#faults.join('; ')}.`)
  }

  /** A finite number of at least 0. */
  number(name: string, value: number): number {
    if (!(Number.isFinite(value) && value >= 0)) {
      this.add(`${name} should be a number of at least 0, ${value} came`)
    }
    return value
  }

  integer(name: string, value: number, least: number): number {
    if (!(Number.isInteger(value) && value >= least)) {
      this.add(`${name} should be a whole number of at least ${least}, ${value} came`)
    }
    return value
  }

  oneOf<T extends string>(name: string, value: T, known: readonly string[]): T {
    if (!known.includes(value))
      this.add(`${name} should be one of ${known.join(', ')}, ${value} came`)
    return value
  }

  parts(parts: readonly ModelPart[]): readonly ModelPart[] {
    for (const part of parts) this.oneOf('trainable', part, MODEL_PARTS)
    return parts
  }

  rates(rates: Readonly<Partial<Record<ModelPart, number>>>): typeof rates {
    for (const [part, rate] of Object.entries(rates)) {
      this.oneOf('learningRates', part, MODEL_PARTS)
      this.number(`learningRates.${part}`, rate)
    }
    return rates
  }

  quirks(quirks: TrainerQuirks): TrainerQuirks {
    for (const fault of trainerQuirkFaults(quirks)) this.add(`quirks: ${fault}`)
    return quirks
  }

  betas(betas: readonly [number, number]): readonly [number, number] {
    const isValid = betas.length === 2 && betas.every((beta) => beta >= 0 && beta < 1)
    if (!isValid) this.add(`betas should be two numbers from 0 to below 1, [${betas}] came`)
    return betas
  }
}

/** What is wrong with quirks of a trainer, a sentence each. */
export function trainerQuirkFaults(quirks: object): string[] {
  return quirkFaults(quirks, { emptyBatch: ['zeroPicture', 'none'] })
}
