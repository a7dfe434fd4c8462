/**
 * Where a message's `<image>` stands before it is tokenised: first, on a line of its own.
 *
 * Source: `preprocess_multimodal` in `llava/train/train.py` of haotian-liu/LLaVA at c121f04 (line 308) and
 * LLaVA-VL/LLaVA-NeXT at df17966 (line 381).
 */
import { checkChoice, checkFlags } from '../core/check-choice.ts'
import { checkOptions } from '../core/check-options.ts'
import { REPOSITORIES, type Repository } from './conversation-modes.ts'
import { checkTurns, conversationMode, defaultRepository, type Turn } from './conversation.ts'
import { strip } from './jinja/python-text.ts'

export interface ImageTagOptions {
  /** The conversation mode: the `mmtag` ones wrap the tag in `<Image></Image>`. Default vicuna_v1. */
  readonly mode?: string
  /**
   * Whose rule, LLaVA-NeXT's by default. LLaVA collapses several tags of one message to one, which loses pictures;
   * LLaVA-NeXT leaves them where they are.
   */
  readonly repository?: Repository
  /** `mm_use_im_start_end`: every tag becomes `<im_start><image><im_end>`. */
  readonly wrapImage?: boolean
}

const TAG = '<image>'

/** The turns with their tags in place, as new objects. Throws InputError for an unknown option or repository. */
export function normaliseImageTags(
  turns: readonly Turn[],
  options: ImageTagOptions = {},
): readonly Turn[] {
  checkTagOptions(options)
  const { mode = 'vicuna_v1', wrapImage = false } = options
  checkTurns('normaliseImageTags', turns)
  const found = conversationMode(mode)
  const repository = options.repository ?? defaultRepository(found)
  const isTagMode = found.version.includes('mmtag')
  return turns.map((turn) => {
    if (turn.value === null) return turn
    let value = isMoved(turn.value, repository) ? inFront(turn.value, isTagMode) : turn.value
    if (wrapImage) value = value.replaceAll(TAG, `<im_start>${TAG}<im_end>`)
    // A mark that one video data set carries by mistake.
    if (repository === 'LLaVA-NeXT') value = value.replaceAll('QA_GT_caption_based_noisy', '')
    return { ...turn, value }
  })
}

function isMoved(value: string, repository: Repository): boolean {
  const count = value.split(TAG).length - 1
  return repository === 'LLaVA' ? count > 0 : count === 1 && !value.startsWith(TAG)
}

function inFront(value: string, isTagMode: boolean): string {
  const rest = strip(value.replaceAll(TAG, ''), null, 'both')
  const moved = strip(`${TAG}\n${rest}`, null, 'both')
  return isTagMode ? moved.replaceAll(TAG, `<Image>${TAG}</Image>`) : moved
}

function checkTagOptions(options: ImageTagOptions): void {
  checkOptions('normaliseImageTags', options, ['mode', 'repository', 'wrapImage'])
  checkChoice('normaliseImageTags: repository', options.repository, REPOSITORIES)
  checkFlags('normaliseImageTags', { wrapImage: options.wrapImage })
}
