/** Records that are never learnt from: the loss on them. */
import type { Dataset } from '../data/dataset.ts'
import type { MicroBatch } from './objective.ts'
import { openHeldOut, type DataTools } from './run-data.ts'
import type { Trainer } from './trainer.ts'

/** Samples that are evaluated together. */
const TOGETHER = 4

export class HeldOut {
  readonly #dataset: Dataset
  readonly #usable: readonly number[]
  readonly #tools: DataTools

  private constructor(dataset: Dataset, usable: readonly number[], tools: DataTools) {
    this.#dataset = dataset
    this.#usable = usable
    this.#tools = tools
  }

  /** Null where the recipe holds nothing out. */
  static async open(tools: DataTools): Promise<HeldOut | null> {
    const { evaluation } = tools.recipe
    if (!evaluation) return null
    const { dataset, usable } = await openHeldOut(evaluation.data, evaluation.records, tools)
    return new HeldOut(dataset, usable, tools)
  }

  /** The mean loss of a learnt token; of a pair of answers where preferences are learnt. */
  async evaluate(trainer: Trainer): Promise<{ readonly loss: number; readonly tokens: number }> {
    const isPreference = this.#tools.recipe.stage === 'dpo'
    let [sum, count, tokens] = [0, 0, 0]
    for (let start = 0; start < this.#usable.length; start += TOGETHER) {
      const microBatch = await this.#load(this.#usable.slice(start, start + TOGETHER))
      const result = await trainer.evaluate(microBatch)
      const weight = isPreference ? microBatch.length : result.tokens
      sum += result.loss * weight
      count += weight
      tokens += result.tokens
    }
    return { loss: sum / Math.max(1, count), tokens }
  }

  close(): Promise<void> {
    return this.#dataset.close()
  }

  async #load(records: readonly number[]): Promise<MicroBatch> {
    const { recipe, preparer } = this.#tools
    const dataset = this.#dataset
    if (recipe.stage === 'dpo') {
      return Promise.all(records.map(async (i) => preparer.pair(await dataset.readPreference(i))))
    }
    return Promise.all(records.map(async (i) => preparer.sample(await dataset.read(i))))
  }
}
