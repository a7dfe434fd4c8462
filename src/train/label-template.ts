/**
 * A conversation as a checkpoint's chat template writes it, with the labels of the answers: each answer's words and the
 * token that ends it are learnt, what the template writes around them is not.
 *
 * Serving tokenises the text up to the answer and lets the model go on; here the whole conversation is tokenised at once.
 * An answer whose first token also holds a piece of what stands before it would be learnt in a form that serving never
 * asks for, so such a conversation is refused. Marks of templates (`{% generation %}`) are not used: those of `llava-hf`
 * leave the end token out, and a model trained by them would not stop.
 */
import { ConfigError } from '../core/errors.ts'
import { RecordFault } from '../data/record-fault.ts'
import {
  renderTemplate,
  textsOf,
  tokenizeRendered,
  type PromptEnd,
  type PromptMessage,
  type PromptTools,
} from '../families/build-prompt.ts'
import { mediaMarks } from '../families/media-tags.ts'
import { PlainText } from '../families/plain-text.ts'
import { tokenOffsets } from '../text/token-offsets.ts'
import { IGNORE_INDEX, type LabelledConversation } from '../text/label-conversation.ts'

/**
 * Ids, one placeholder a picture, and their labels. Throws RecordFault where no exact mask exists, ConfigError for a
 * template that writes no end token behind an answer.
 */
export function labelTemplate(
  messages: readonly PromptMessage[],
  tools: PromptTools,
): LabelledConversation {
  const { prompt } = tools.config
  if (prompt.kind !== 'template') throw new Error('internal: the checkpoint has no template')
  const texts = [prompt.template, ...messages.flatMap(textsOf)]
  const plain = new PlainText(tools.tokenizer, mediaMarks(tools), texts)
  const render = (count: number, end: PromptEnd) =>
    renderTemplate(messages.slice(0, count), prompt, { plain, end, ...tools })
  const whole = render(messages.length, 'closed')
  const inputIds = tokenizeRendered(whole, tools, plain)
  const offsets = offsetsOf(plain.reveal(whole), inputIds, tools)
  const labels = inputIds.map(() => IGNORE_INDEX)
  messages.forEach(({ role }, i) => {
    if (role !== 'assistant') return
    const [opened, closed] = [render(i, 'opened'), render(i + 1, 'closed')]
    if (!whole.startsWith(opened) || !whole.startsWith(closed)) throw notAPrefix(i)
    const span = [pointsOf(opened), pointsOf(closed)] as const
    for (const at of answerPlaces(inputIds, offsets, { span, turn: i, tools })) {
      labels[at] = inputIds[at] as number
    }
  })
  return { inputIds, labels }
}

type Offsets = readonly (readonly [number, number])[]

/** Code points [from, to) of the text for each id; a BOS that the tokenizer added stands for none. */
function offsetsOf(text: string, ids: readonly number[], { tokenizer }: PromptTools): Offsets {
  const { bosId, bosToken } = tokenizer
  const isAdded = bosToken !== undefined && ids[0] === bosId && !text.startsWith(bosToken)
  const offsets = tokenOffsets(tokenizer, text, isAdded ? ids.slice(1) : ids)
  return isAdded ? [[0, 0], ...offsets] : offsets
}

/** Places of the tokens from the answer's first to the first end token. */
function answerPlaces(
  ids: readonly number[],
  offsets: Offsets,
  {
    span: [from, to],
    turn,
    tools: { config, tokenizer },
  }: { span: readonly [number, number]; turn: number; tools: PromptTools },
): number[] {
  const first = offsets.findIndex(([start, end]) => start < end && end > from)
  if (first < 0 || (offsets[first]?.[0] as number) !== from) throw straddles(turn)
  const ends = new Set([...config.endTokens, tokenizer.eosId])
  const places: number[] = []
  for (let at = first; at < ids.length && (offsets[at]?.[0] as number) < to; at++) {
    places.push(at)
    if (ends.has(ids[at])) return places
  }
  throw new ConfigError(
    'CONFIG_TEMPLATE_END',
    'labels: expected the chat template to write an end token behind an answer, it writes none, and a model trained so would not stop; name a conversation mode in the recipe (conversation: v1).',
  )
}

function pointsOf(text: string): number {
  let points = 0
  for (const _ of text) points++
  return points
}

function notAPrefix(turn: number): RecordFault {
  return new RecordFault(
    'labels',
    `labels: the chat template writes turn ${turn + 1} otherwise when more turns follow, so its answer has no exact mask; leave the record out or name a conversation mode.`,
  )
}

function straddles(turn: number): RecordFault {
  return new RecordFault(
    'labels',
    `labels: the first token of turn ${turn + 1} also holds what the template wrote before it; begin the answer with a word.`,
  )
}
