/** Text alone: prompts with the answers that the untrained language model gives to them. */
import { InputError } from '../../core/errors.ts'
import type { BuildContext, Builder, Conversation } from './builder.ts'

export type Replayed = { readonly prompt: string; readonly answer: string }

export const replay: Builder = {
  name: 'replay',
  about: "the language model's own answers to prompts without a picture",
  counts: { alignment: 0, instruction: 300, test: 0 },

  async *instruction({ lots, count, replayed }: BuildContext): AsyncGenerator<Conversation> {
    for (const { prompt, answer } of lots.sample(replayed, count)) {
      const turn = { task: 'replay', question: prompt, form: 'own', answer } as const
      yield { pictures: [], turns: [turn], isBrief: false }
    }
  },
}

/** JSON lines of `{ prompt, answer }`. */
export function parseReplay(text: string, name: string): Replayed[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line, i) => {
      const { prompt, answer } = JSON.parse(line) as Partial<Replayed>
      if (typeof prompt === 'string' && typeof answer === 'string' && answer !== '') {
        return { prompt, answer }
      }
      throw new InputError(
        'INPUT_REPLAY_LINE',
        `data: line ${i + 1} of ${name} should be {"prompt": …, "answer": …} with texts; make the file again.`,
      )
    })
}
