/** The prompt's ids with the place of each picture and clip made as long as its rows. */
import { checkMediaPlaces, checkSharedPlaces } from './media-places.ts'

/** What stands in a place: its kind, and R, its rows. */
export type MediaRows = { readonly kind: 'image' | 'video'; readonly rows: number }

/** The ids that mark places. Both may be one: then pictures and clips take the places in the order they are given. */
export type Placeholders = { readonly image: number | null; readonly video: number | null }

export type SequenceLayout = {
  /** One id per position; the placeholder repeated where a picture or clip stands. */
  readonly inputIds: number[]
  /** int32[R]: the positions of all their rows, in order. */
  readonly imageSlots: Int32Array
  /** Which of `media` stands in each place, from left to right. */
  readonly order: readonly number[]
}

/** Throws InputError unless there are as many places of each kind as pictures and clips. */
export function layoutSequence(
  ids: readonly number[],
  placeholders: Placeholders,
  media: readonly MediaRows[],
): SequenceLayout {
  checkPlaces(ids, placeholders, media)
  const waiting = media.map((_, i) => i)
  const isShared = placeholders.image === placeholders.video
  const inputIds: number[] = []
  const slots: number[] = []
  const order: number[] = []
  for (const id of ids) {
    if (id !== placeholders.image && id !== placeholders.video) {
      inputIds.push(id)
      continue
    }
    const kind = id === placeholders.image ? 'image' : 'video'
    const next = waiting.findIndex((i) => isShared || media[i]?.kind === kind)
    const index = waiting.splice(next, 1)[0] as number
    order.push(index)
    for (let row = 0; row < (media[index] as MediaRows).rows; row++) {
      slots.push(inputIds.length)
      inputIds.push(id)
    }
  }
  return { inputIds, imageSlots: Int32Array.from(slots), order }
}

function checkPlaces(
  ids: readonly number[],
  { image, video }: Placeholders,
  media: readonly MediaRows[],
): void {
  const places = (placeholder: number | null) => ids.filter((id) => id === placeholder).length
  const given = (kind: MediaRows['kind']) => media.filter((one) => one.kind === kind).length
  const pictures = { places: places(image), given: given('image') }
  const clips = { places: places(video), given: given('video') }
  if (image === video && clips.given > 0) checkSharedPlaces({ ...clips, given: media.length })
  else checkMediaPlaces(pictures, image === video ? { places: 0, given: 0 } : clips)
}

/**
 * Ids whose places are repeated already, as `prepare` gives them, with one placeholder for each picture or clip again;
 * any others as they are.
 */
export function foldPlaces(
  ids: readonly number[],
  placeholders: { readonly image: number | null; readonly video: number | null },
  media: readonly MediaRows[],
): number[] {
  const places = ids.filter((id) => id === placeholders.image || id === placeholders.video).length
  const total = media.reduce((sum, { rows }) => sum + rows, 0)
  if (places === media.length || places !== total) return [...ids]
  const waiting = new Map<number | null, number[]>()
  for (const { kind, rows } of media) {
    const id = placeholders[kind]
    waiting.set(id, [...(waiting.get(id) ?? []), rows])
  }
  const folded: number[] = []
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i] as number
    folded.push(id)
    const rows = waiting.get(id)?.shift()
    if (rows === undefined) continue
    if (!ids.slice(i, i + rows).every((other) => other === id)) return [...ids]
    i += rows - 1
  }
  return folded
}
