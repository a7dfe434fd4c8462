/** What is labelled: a picture, a clip, or several of them with a text, by where they lie. */
import type { FaultReason } from '../data/record-fault.ts'

export type LabelItem = {
  /** Where it stands in the input. Answers are written in this order; compared byte by byte. */
  readonly place: string
  /** What answers call it; no two items may have the same. */
  readonly id: string
  /** How much work its media promise: large items go first, equal ones together. */
  readonly size: number
  /** What it has in common with others, which then come after one another. */
  readonly prefix: string
  readonly source: ItemSource
}

/** As the queue keeps it: small, in JSON. `input` is the number of the file or folder it is from. */
export type ItemSource = { readonly input: number } & (
  | { readonly kind: 'files'; readonly media: readonly FilePlace[]; readonly text?: string }
  | { readonly kind: 'members'; readonly media: readonly MemberPlace[] }
  | { readonly kind: 'row'; readonly row: number }
  /** A row that names nothing: its turn says so. */
  | { readonly kind: 'unusable'; readonly fault: FaultReason; readonly message: string }
)

/** Relative to the input; or the address of something that the engine fetches. */
export type FilePlace = { readonly type: MediaType; readonly path: string }

export type MemberPlace = {
  readonly type: MediaType
  readonly offset: number
  readonly bytes: number
}

export type MediaType = 'image' | 'video'

/** What an input was opened as. */
export type LabelInput = {
  readonly kind: 'folder' | 'file' | 'manifest' | 'tar' | 'parquet'
  /** As it was given. */
  readonly name: string
  /** From the root of the disk. */
  readonly path: string
}

const PICTURES = /\.(?:jpe?g|png|webp|bmp|tiff?|avif|p[bgpn]m)$/i
const CLIPS = /\.(?:gif|y4m|mp4|m4v|mov|webm|mkv|avi|mpe?g|m2ts|wmv|flv|ogv)$/i

/** By the end of its name; null for what is neither. A GIF that does not move is a picture after all. */
export function mediaTypeOf(name: string): MediaType | null {
  if (PICTURES.test(name)) return 'image'
  return CLIPS.test(name) ? 'video' : null
}
