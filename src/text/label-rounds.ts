/**
 * Masks by rounds: the rendered text is split at the end mark, each round at the mark before its answer, and the tokens of
 * both parts are counted to know which to mask.
 *
 *   v1        … USER: Q ASSISTANT:│ A</s>│USER: …
 *   llama_2   [INST] Q [/INST]│ A </s>│<s>[INST] …
 *   mpt       …<|im_start|>assistant\n│A<|im_end|>│…
 *   gemma     …<start_of_turn>model\n│A<end_of_turn>\n│…
 *
 * The corrections (−2, −1, +1) are the original's, for what LLaMA's tokenizer adds to a piece. If the count does not come
 * out, the marks lie wrong: the original then masks everything.
 */
import { InputError } from '../core/errors.ts'
import { renderConversation } from './conversation.ts'
import { IGNORE_INDEX, type LabelContext, type LabelledConversation } from './label-conversation.ts'
import { conversationIds, pieceIds } from './label-tokens.ts'

interface RoundRule {
  readonly rounds: readonly string[]
  /** Ends the question's part of a round. */
  readonly answerMark: string
  /** Tokens at the very start that belong to no round. */
  readonly start: number
  /** Added to the token count of a round, and of its question. */
  readonly roundExtra: number
  readonly questionExtra: number
  /** Added to both in every round but the first. */
  readonly laterExtra: number
}

export function labelRounds(context: LabelContext): LabelledConversation {
  const { modeName, turns, repository, modelMaxLength } = context
  const text = renderConversation(modeName, turns, { repository })
  const inputIds = conversationIds(context, text)
  const { labels, walked } = maskRounds(context, inputIds, roundRule(context, text))
  const length = inputIds.filter((id) => id !== context.padId).length
  if (walked < modelMaxLength && walked !== length) throw misaligned(context, walked, length)
  return { inputIds, labels }
}

function maskRounds(context: LabelContext, inputIds: readonly number[], rule: RoundRule) {
  const labels = [...inputIds]
  let walked = rule.start
  labels.fill(IGNORE_INDEX, 0, walked)
  for (const [i, round] of rule.rounds.entries()) {
    const parts = round.split(rule.answerMark)
    if (round === '' || parts.length !== 2) break
    const later = i > 0 ? rule.laterExtra : 0
    const question = pieceIds(context, parts[0] + rule.answerMark).length
    labels.fill(IGNORE_INDEX, walked, Math.max(walked + question + rule.questionExtra + later, 0))
    walked += pieceIds(context, round).length + rule.roundExtra + later
  }
  labels.fill(IGNORE_INDEX, walked)
  return { labels, walked }
}

function roundRule({ mode, repository, legacy }: LabelContext, text: string): RoundRule {
  const { style, sep, sep2, roles } = mode
  if (style === 'MPT') {
    return {
      rounds: inGroups(text.split(sep), 3, sep),
      answerMark: sep + roles[1],
      // LLaVA starts at 0 and so misses by one: it masks every sample with an answer (train.py, line 547).
      start: repository === 'LLaVA' ? 0 : 1,
      roundExtra: 0,
      questionExtra: -1,
      laterExtra: legacy ? 1 : 0,
    }
  }
  if (style === 'GEMMA') {
    // Of a round's count BOS goes; the two tokens of the end mark come.
    const marks = { roundExtra: -1 + 2, questionExtra: -1, laterExtra: 0 }
    return {
      rounds: inGroups(text.split(sep), 2, sep),
      answerMark: sep + roles[1],
      start: 1,
      ...marks,
    }
  }
  return {
    rounds: text.split(sep2 ?? ''),
    answerMark: style === 'LLAMA_2' ? '[/INST] ' : `${sep}${roles[1]}: `,
    start: 1,
    roundExtra: 0,
    questionExtra: -2,
    laterExtra: style === 'TWO' && !legacy ? -1 : 0,
  }
}

/** The pieces joined again: the first `first` of them, then two by two. */
function inGroups(pieces: readonly string[], first: number, sep: string): string[] {
  const groups = [pieces.slice(0, first).join(sep)]
  for (let i = first; i < pieces.length; i += 2) groups.push(pieces.slice(i, i + 2).join(sep))
  return groups
}

function misaligned({ modeName, repository }: LabelContext, walked: number, length: number) {
  return new InputError(
    'INPUT_LABELS_MISALIGNED',
    `labels: ${modeName} (${repository}) expected its rounds to cover ${length} tokens, they cover ${walked}; ` +
      "an empty answer, one of the mode's own marks in a text, or a tokenizer that splits at the marks does this. " +
      'The original would learn nothing from this sample: mend it or leave it out.',
  )
}
