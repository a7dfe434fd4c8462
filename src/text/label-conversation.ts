/**
 * A conversation as training sees it: ids, and a label for each of them, −100 where nothing is learnt.
 *
 *   turns ─ tags in front ─ mode ─ tokens ─▶ { inputIds (−200 for <image>), labels }
 *
 * Masks are computed as the original repositories compute them, counting tokens of separately tokenised pieces, because
 * checkpoints were trained so. Where their count fails they mask the whole sample and print a warning; we refuse it.
 * Source: `preprocess` in `llava/train/train.py` of haotian-liu/LLaVA at c121f04 and LLaVA-VL/LLaVA-NeXT at df17966.
 */
import { checkFlags } from '../core/check-choice.ts'
import { checkOptions } from '../core/check-options.ts'
import { InputError } from '../core/errors.ts'
import { normaliseImageTags } from './conversation-image-tags.ts'
import type { ConversationMode, Repository } from './conversation-modes.ts'
import {
  checkTurns,
  conversationMode,
  defaultRepository,
  isAnswer,
  type Turn,
} from './conversation.ts'
import { labelHeadings } from './label-headings.ts'
import { labelPlain } from './label-plain.ts'
import { labelRounds } from './label-rounds.ts'
import { labelTurns } from './label-turns.ts'
import type { Tokenizer } from './tokenizer.ts'

/** The part of a tokenizer that labelling needs. */
export type LabelTokenizer = Pick<
  Tokenizer,
  'encode' | 'idOf' | 'bosId' | 'eosId' | 'unkId' | 'padId'
>

export interface LabelledConversation {
  /** −200 stands for a picture. */
  readonly inputIds: number[]
  /** The id itself where it is learnt, −100 elsewhere. */
  readonly labels: number[]
}

export interface LabelOptions {
  /** Whose rule, where they differ: LLaVA-NeXT's by default if it has the mode. */
  readonly repository?: Repository
  /** Whether `<image>` is a picture and not just characters. By default: whether any turn has it. */
  readonly hasImage?: boolean
  /** `asGiven` leaves tags where the turns have them; by default they are put in front as the data loader does. */
  readonly imageTags?: 'normalise' | 'asGiven'
  /** `mm_use_im_start_end`: tags become `<im_start><image><im_end>`. */
  readonly wrapImage?: boolean
  /** Cuts text-only samples; samples with a picture are never cut here, as in the original. */
  readonly modelMaxLength?: number
  /** The id that padding uses; it does not count as text. By default the tokenizer's unknown token, as the scripts set it. */
  readonly padId?: number
  /** LLaMA's `legacy`: a text after a special token is tokenised as at the start. By default found out by trying. */
  readonly legacy?: boolean
}

export const IGNORE_INDEX = -100

/** What the label rules share. */
export interface LabelContext {
  readonly mode: ConversationMode
  readonly modeName: string
  readonly tokenizer: LabelTokenizer
  readonly turns: readonly Turn[]
  readonly repository: Repository
  readonly hasImage: boolean
  readonly modelMaxLength: number
  readonly padId: number | undefined
  readonly legacy: boolean
}

/**
 * Ids and labels of `turns` in a conversation mode (`plain`, `v0`, `v1`, `llava_llama_2`, `mpt`, `qwen_1_5`,
 * `llava_llama_3`, `gemma_instruct` and all others of the table).
 *
 * Throws ConfigError for an unknown mode, InputError where the original raises or would mask the whole sample
 * (`INPUT_LABELS_MISALIGNED`).
 */
export function labelConversation(
  mode: string,
  tokenizer: LabelTokenizer,
  turns: readonly Turn[],
  options: LabelOptions = {},
): LabelledConversation {
  checkOptions('labelConversation', options, OPTION_NAMES)
  const { hasImage, wrapImage, legacy } = options
  checkFlags('labelConversation', { hasImage, wrapImage, legacy })
  checkTurns('labelConversation', turns)
  if (turns.length === 0) {
    throw new InputError(
      'INPUT_CONVERSATION_EMPTY',
      'labelConversation: turns should be at least one { from, value }, none came; leave this sample out.',
    )
  }
  const context = contextOf(mode, tokenizer, turns, options)
  const { style, version } = context.mode
  if (style === 'PLAIN') return labelPlain(context)
  if (style === 'CHATML' || style === 'LLAMA_3') return labelTurns(alternating(context))
  if (style === 'SINGLE') return labelHeadings(context)
  if (style === 'LLAMA_2' || version.startsWith('v1') || style === 'MPT' || style === 'GEMMA') {
    return labelRounds(alternating(context))
  }
  throw new Error(`internal: no label rule for the style ${style}`)
}

function contextOf(
  modeName: string,
  tokenizer: LabelTokenizer,
  given: readonly Turn[],
  options: LabelOptions,
): LabelContext {
  const mode = conversationMode(modeName, options.repository)
  const repository = options.repository ?? defaultRepository(mode)
  const hasImage = options.hasImage ?? given.some(({ value }) => value?.includes('<image>'))
  const { wrapImage = false, imageTags = 'normalise' } = options
  const isNormalised = hasImage && imageTags === 'normalise'
  return {
    mode,
    modeName,
    tokenizer,
    turns: isNormalised
      ? normaliseImageTags(given, { mode: modeName, repository, wrapImage })
      : given,
    repository,
    hasImage,
    modelMaxLength: options.modelMaxLength ?? Infinity,
    padId: options.padId ?? tokenizer.unkId ?? tokenizer.padId,
    legacy: options.legacy ?? isLegacy(tokenizer),
  }
}

/** Tries it: with `legacy` a word after `</s>` gets the same ids as at the start of a text. */
function isLegacy(tokenizer: LabelTokenizer): boolean {
  if (tokenizer.idOf('▁') === undefined || tokenizer.idOf('</s>') === undefined) return false
  const alone = tokenizer.encode('USER')
  const after = tokenizer.encode('</s>USER').slice(1)
  return alone.length === after.length && alone.every((id, i) => id === after[i])
}

/** A first answer without a question is dropped; after that, question and answer must take turns. */
function alternating(context: LabelContext): LabelContext {
  const [first, ...rest] = context.turns
  const turns = first !== undefined && isAnswer(first) ? rest : context.turns
  if (turns.length === 0) {
    throw new InputError(
      'INPUT_CONVERSATION_EMPTY',
      'labels: expected a question and an answer, there is no question; leave this sample out.',
    )
  }
  const isStrict = context.mode.style !== 'CHATML' && context.mode.style !== 'LLAMA_3'
  turns.forEach((turn, i) => {
    if (isAnswer(turn) !== (i % 2 === 1) && isStrict) {
      throw new InputError(
        'INPUT_CONVERSATION_ORDER',
        `labels: expected question and answer in turn, turn ${i + 1} is out of order; join turns of one speaker.`,
      )
    }
  })
  return { ...context, turns }
}

const OPTION_NAMES: readonly (keyof LabelOptions)[] = [
  'repository',
  'hasImage',
  'imageTags',
  'wrapImage',
  'modelMaxLength',
  'padId',
  'legacy',
]
