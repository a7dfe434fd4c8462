/**
 * LLaVA v0: every turn under a heading, `### Human: …` newline `### Assistant: …` newline, and `### ` at the end.
 *
 * Learnt are answers with their headings and the first two tokens of each question's, so that the model learns to stop.
 * Each turn's tokens are counted alone, BOS included, so later masks lie one token late per turn: kept as trained.
 */
import { isAnswer } from './conversation.ts'
import { IGNORE_INDEX, type LabelContext, type LabelledConversation } from './label-conversation.ts'
import { conversationIds } from './label-tokens.ts'

export function labelHeadings(context: LabelContext): LabelledConversation {
  const { mode, turns } = context
  const header = `${mode.system}\n\n`
  const parts = turns.map(
    (turn) => `### ${mode.roles[isAnswer(turn) ? 1 : 0]}: ${turn.value ?? ''}\n`,
  )
  const inputIds = conversationIds(context, `${header}${parts.join('')}### `)
  const labels = [...inputIds]
  let at = tokenCount(context, header)
  labels.fill(IGNORE_INDEX, 0, at)
  turns.forEach((turn, i) => {
    const length = tokenCount(context, parts[i] as string)
    if (!isAnswer(turn)) labels.fill(IGNORE_INDEX, at + 2, Math.max(at + length, at + 2))
    at += length
  })
  return { inputIds, labels }
}

function tokenCount(context: LabelContext, text: string): number {
  const ids = conversationIds(context, text)
  // With pictures the original counts padding as well: it has no attention mask to go by.
  return context.hasImage ? ids.length : ids.filter((id) => id !== context.padId).length
}
