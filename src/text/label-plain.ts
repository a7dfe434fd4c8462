/** Stage 1: the picture and its caption. The question is discarded, the caption and the line end after it are learnt. */
import { InputError } from '../core/errors.ts'
import { IGNORE_INDEX, type LabelContext, type LabelledConversation } from './label-conversation.ts'
import { tokenizePrompt } from './tokenize-prompt.ts'

export function labelPlain({ mode, tokenizer, turns }: LabelContext): LabelledConversation {
  const [question, caption] = turns
  if (
    turns.length !== 2 ||
    !question?.value?.includes('<image>') ||
    typeof caption?.value !== 'string'
  ) {
    throw new InputError(
      'INPUT_LABELS_PLAIN',
      `labels: plain expected one question with <image> and one caption, ${turns.length} turns came; use an instruction mode for conversations.`,
    )
  }
  const inputIds = tokenizePrompt(tokenizer, `<image>${caption.value}${mode.sep}`)
  const masked = tokenizePrompt(tokenizer, '<image>').length
  return { inputIds, labels: inputIds.map((id, i) => (i < masked ? IGNORE_INDEX : id)) }
}
