/** Records that are never learnt from: the loss on them, and what the model answers. */
import type { Dataset } from '../data/dataset.ts'
import type { DataRecord, Picture } from '../data/record.ts'
import { firstQuestion } from './first-question.ts'
import { loadSamples, openSurveyed, type DataTools } from './run-data.ts'
import type { SampleAnswer } from './run-events.ts'
import type { AnswerPicture } from './run-report.ts'
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
    const { dataset, survey } = await openSurveyed(evaluation.data, tools, evaluation.records)
    const usable = survey.facts.flatMap((facts, i) => (facts ? [i] : []))
    return new HeldOut(dataset, usable, tools)
  }

  /** The mean loss of a learnt token; of a pair of answers where preferences are learnt. */
  async evaluate(trainer: Trainer): Promise<{ readonly loss: number; readonly tokens: number }> {
    const isPreference = this.#tools.recipe.stage === 'dpo'
    let [sum, count, tokens] = [0, 0, 0]
    for (let start = 0; start < this.#usable.length; start += TOGETHER) {
      const records = this.#usable.slice(start, start + TOGETHER)
      const result = await trainer.evaluate(await loadSamples(records, this.#dataset, this.#tools))
      const weight = isPreference ? records.length : result.tokens
      sum += result.loss * weight
      count += weight
      tokens += result.tokens
    }
    return { loss: sum / Math.max(1, count), tokens }
  }

  /** The first records, each asked with its first question. */
  async answers(
    trainer: Trainer,
    { count, maxTokens }: { readonly count: number; readonly maxTokens: number },
  ): Promise<SampleAnswer[]> {
    const { preparer } = this.#tools
    const records = await Promise.all(
      this.#usable
        .slice(0, count)
        .map(async (i) => asConversation(await this.#dataset.readEither(i))),
    )
    const questions = await Promise.all(records.map((record) => preparer.question(record)))
    const said = await trainer.answers(questions, { maxTokens })
    return records.map((record, i) => {
      const { question, media, expected } = firstQuestion(record)
      return {
        pictures: media.images.map((image) => (typeof image === 'string' ? image : null)),
        question: question.value,
        expected,
        answer: preparer.text(said[i] ?? []),
      }
    })
  }

  /** A picture of one of their questions; undefined where it has none there. */
  async picture({ row, at }: AnswerPicture): Promise<Picture | undefined> {
    const index = this.#usable[row]
    if (index === undefined) return undefined
    const record = asConversation(await this.#dataset.readEither(index))
    return firstQuestion(record).media.images[at]
  }

  close(): Promise<void> {
    return this.#dataset.close()
  }
}

/** Of two answers the better one is expected. */
function asConversation(record: Awaited<ReturnType<Dataset['readEither']>>): DataRecord {
  if ('turns' in record) return record
  const { prompt, chosen, rejected: _, ...media } = record
  const turns = [
    { from: 'human' as const, value: prompt },
    { from: 'gpt' as const, value: chosen },
  ]
  return { ...media, turns }
}
