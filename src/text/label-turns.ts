/**
 * Masks by turns: each is rendered and tokenised alone, and the ids are put one after another. Qwen and Llama 3.
 *
 * Learnt are whole answer turns with their headers, and the markup tokens wherever they stand; for Qwen also every id 198
 * (a single line end). Source: LLaVA-NeXT at df17966, `preprocess_qwen` (line 563) and `preprocess_llama3` (line 639).
 */
import { ConfigError } from '../core/errors.ts'
import { isAnswer, llama3Turn } from './conversation.ts'
import {
  IGNORE_INDEX,
  type LabelContext,
  type LabelledConversation,
  type LabelTokenizer,
} from './label-conversation.ts'
import { IMAGE_TOKEN_INDEX } from './tokenize-prompt.ts'

interface TurnRule {
  readonly render: (role: string, text: string) => string
  readonly system: string
  readonly firstIds: readonly number[]
  readonly markup: ReadonlySet<number>
}

export function labelTurns(context: LabelContext): LabelledConversation {
  const { mode, tokenizer, turns } = context
  const rule = mode.style === 'CHATML' ? qwenRule(tokenizer) : llama3Rule(tokenizer, mode.system)
  const inputIds: number[] = []
  const labels: number[] = []
  const add = (ids: readonly number[], isLearnt: boolean) => {
    for (const id of ids) {
      inputIds.push(id)
      labels.push((isLearnt && id !== IMAGE_TOKEN_INDEX) || rule.markup.has(id) ? id : IGNORE_INDEX)
    }
  }
  add([...rule.firstIds, ...turnIds(context, rule.render('system', rule.system))], false)
  for (const turn of turns) {
    const role = isAnswer(turn) ? 'assistant' : 'user'
    add(turnIds(context, rule.render(role, turn.value ?? '')), isAnswer(turn))
  }
  return { inputIds, labels }
}

/** With pictures `<image>` is a token of its own, for which the text around it is tokenised apart. */
function turnIds({ tokenizer, hasImage }: LabelContext, text: string): number[] {
  const ids: number[] = []
  for (const [i, piece] of (hasImage ? text.split('<image>') : [text]).entries()) {
    if (i > 0) ids.push(IMAGE_TOKEN_INDEX)
    ids.push(...tokenizer.encode(piece))
  }
  const imageId = tokenizer.idOf('<image>')
  return imageId === undefined ? ids : ids.map((id) => (id === imageId ? IMAGE_TOKEN_INDEX : id))
}

/** `\n` in Qwen's vocabulary. */
const QWEN_LINE_END = 198

/** The system text is this one whatever the mode says: an argument's default that nothing overrides. */
const QWEN_SYSTEM = 'You are a helpful assistant.'

function qwenRule(tokenizer: LabelTokenizer): TurnRule {
  const markup = tokenIds(tokenizer, ['<|im_start|>', '<|im_end|>'])
  return {
    render: (role, text) => `<|im_start|>${role}\n${text}<|im_end|>\n`,
    system: QWEN_SYSTEM,
    firstIds: [],
    markup: new Set([QWEN_LINE_END, ...markup]),
  }
}

function llama3Rule(tokenizer: LabelTokenizer, system: string): TurnRule {
  const names = ['<|begin_of_text|>', '<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>']
  const markup = tokenIds(tokenizer, names)
  // The original lists "\n\n" too, under a spelling that byte-level vocabularies do not have.
  const blank = tokenizer.idOf('\n\n')
  return {
    render: llama3Turn,
    system,
    firstIds: markup.slice(0, 1),
    markup: new Set(blank === undefined ? markup : [...markup, blank]),
  }
}

function tokenIds(tokenizer: LabelTokenizer, names: readonly string[]): number[] {
  const missing = names.filter((name) => tokenizer.idOf(name) === undefined)
  if (missing.length > 0) {
    throw new ConfigError(
      'CONFIG_TOKENIZER_TOKENS',
      `labels: expected a tokenizer with ${names.join(', ')}, it lacks ${missing.join(', ')}; choose the mode of this checkpoint's language model.`,
    )
  }
  return names.map((name) => tokenizer.idOf(name) as number)
}
