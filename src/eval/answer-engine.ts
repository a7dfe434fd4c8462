/** Who answers the questions: a model in this process, or a server elsewhere. The runner knows no more than this. */
import type { Message } from '../serve/messages.ts'

export type EngineRequest = {
  readonly messages: readonly Message[]
  readonly maxTokens: number
  /** Continuations of the prompt, of which the likeliest is the answer. The prompt is then text without a template. */
  readonly choices?: readonly string[]
  /** The prompt of choices with so many of its examples left out; null where it has no more. */
  readonly shorter?: (dropped: number) => string | null
}

export type EngineAnswer =
  | {
      readonly text: string
      /** `length`: the answer was cut off at `maxTokens`. */
      readonly finishReason: string
      readonly promptTokens?: number
      readonly completionTokens?: number
      /** The least distance in log-probability between the chosen token and the next best: small ones flip easily. */
      readonly margin?: number
      /** Examples that were left out because the context was too small. */
      readonly droppedExamples?: number
      /** The server takes no temperature: the answer was drawn by one of its own. */
      readonly isOwnTemperature?: true
    }
  /** This question could not be answered; others can be. */
  | {
      readonly error: string
      /** It is too long, or of a kind that is not taken: that says nothing of how the engine is. */
      readonly isOfQuestion?: boolean
    }

export type AnswerEngine = {
  /** How answer files and errors call it. */
  readonly name: string
  /** Everything about it that answers depend on: part of the recipe. */
  readonly identity: Readonly<Record<string, unknown>>
  /** Questions that it takes beyond the batch, to have their pictures ready when there is room. */
  readonly ahead?: number
  /** Called for many questions at once: what goes together is the engine's to say. Throws only when aborted. */
  answer(request: EngineRequest, signal: AbortSignal | undefined): Promise<EngineAnswer>
}

/** Asks with fewer and fewer examples until the prompt fits. Throws what `ask` throws for another reason, or without any example left. */
export async function withFittingPrompt(
  { messages, shorter }: EngineRequest,
  ask: (prompt: string) => Promise<EngineAnswer>,
  isTooLong: (error: unknown) => boolean,
): Promise<EngineAnswer> {
  const whole = messages.map(({ content }) => (typeof content === 'string' ? content : '')).join('')
  for (let prompt = whole, dropped = 0; ;) {
    try {
      const answer = await ask(prompt)
      return dropped === 0 || 'error' in answer ? answer : { ...answer, droppedExamples: dropped }
    } catch (error) {
      const next = isTooLong(error) ? shorter?.(dropped + 1) : null
      if (next === null || next === undefined) throw error
      prompt = next
      dropped++
    }
  }
}
