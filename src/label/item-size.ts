/**
 * How much work an item is, by what costs nothing to know: a picture's pixels by its header, a clip's bytes. Items of
 * about the same size are asked together, the largest first: rows of a batch then end together, what does not fit into
 * memory fails at the beginning and not at the end, and the time that is left is not guessed too short.
 */
import { probeImage } from '../preprocess/probe-image.ts'
import type { MediaType } from './item.ts'

/** So much of a picture's file is looked at. */
export const HEADER_BYTES = 2 ** 16

/** Two steps for each doubling. */
const STEPS = 2
/** Clips are more than any picture. */
const CLIP_BASE = 100

export function itemSize(media: readonly { type: MediaType; head: Uint8Array; bytes: number }[]) {
  return media.reduce((sum, one) => sum + mediaSize(one), 0)
}

function mediaSize({ type, head, bytes }: { type: MediaType; head: Uint8Array; bytes: number }) {
  if (type === 'video') return CLIP_BASE + steps(bytes)
  try {
    const { width, height } = probeImage(head)
    return steps(width * height)
  } catch {
    // A broken picture, or one whose header lies far behind: its turn says which.
    return steps(bytes)
  }
}

function steps(amount: number): number {
  return Math.round(STEPS * Math.log2(Math.max(1, amount)))
}
