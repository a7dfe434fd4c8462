/** How long a record is, and how much of it is learnt, by the mask of a conversation mode. */
import type { ImageSize } from '../preprocess/image.ts'
import {
  IGNORE_INDEX,
  labelConversation,
  type LabelOptions,
  type LabelTokenizer,
} from '../text/label-conversation.ts'
import { IMAGE_TOKEN_INDEX } from '../text/tokenize-prompt.ts'
import {
  conversationsOf,
  placesFault,
  type AnyRecord,
  type TokenCounts,
  type TokenRule,
} from './check-record.ts'
import { RecordFault } from './record-fault.ts'
import type { RecordClip, RecordTurn } from './record.ts'

export type ModeTokenOptions = {
  readonly label?: Omit<LabelOptions, 'hasImage'>
  /** Rows of a picture in the decoder, of so many in the record. Where its size is not known it counts as one token. */
  readonly imageRows?: (size: ImageSize, pictures: number) => number
  /** The same for a clip. */
  readonly clipRows?: (clip: RecordClip) => number
}

/**
 * Counts by `labelConversation`. The rule throws InputError where the original would raise, or would mask the whole record
 * with a warning; and where nothing is learnt.
 */
export function tokensByMode(
  mode: string,
  tokenizer: LabelTokenizer,
  options: ModeTokenOptions = {},
): TokenRule {
  return (record, sizes) => {
    const media = mediaRows(record, sizes, options)
    const places = record.images.length + record.videos.length
    return conversationsOf(record)
      .map((turns) => {
        const { text, learnt } = countText(turns, places)
        const total = text + media
        return { total, longest: total, media, learnt }
      })
      .reduce(add)
  }

  function countText(turns: readonly RecordTurn[], places: number) {
    const hasImage = places > 0
    const { inputIds, labels } = labelConversation(mode, tokenizer, turns, {
      ...options.label,
      hasImage,
    })
    // LLaVA's rule makes one place of several in a turn, and so loses pictures.
    const kept = inputIds.filter((id) => id === IMAGE_TOKEN_INDEX).length
    if (kept !== places) throw placesFault(kept, places)
    const learnt = labels.filter((label, i) => i > 0 && label !== IGNORE_INDEX).length
    if (learnt > 0) return { text: inputIds.length - places, learnt }
    throw new RecordFault('labels', 'labels: no token of the record is learnt; leave it out.')
  }
}

function mediaRows(
  { images, videos }: AnyRecord,
  sizes: readonly ImageSize[],
  { imageRows = () => 1, clipRows = () => 1 }: ModeTokenOptions,
): number {
  const rows = [
    ...images.map((_, i) => (sizes[i] ? imageRows(sizes[i], images.length) : 1)),
    ...videos.map((clip) => clipRows(clip)),
  ]
  return rows.reduce((sum, count) => sum + count, 0)
}

function add(a: TokenCounts, b: TokenCounts): TokenCounts {
  return {
    total: a.total + b.total,
    longest: Math.max(a.longest, b.longest),
    media: a.media + b.media,
    learnt: a.learnt + b.learnt,
  }
}
