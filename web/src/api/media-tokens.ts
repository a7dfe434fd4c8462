/** How pictures are cut and what pictures and clips cost: `/v1/media/tokens`. */
import type { ChatContent } from './chat.ts'
import { postJson } from './client.ts'

export type Size = { readonly width: number; readonly height: number }
export type Region = Size & { readonly left: number; readonly top: number }

export type TokenPart = {
  readonly part: string
  readonly tokens: number
  readonly shape: string
}

export type PictureCost = Size & {
  readonly type: 'image'
  /** Whether the model sees it otherwise than its file asks for and browsers show it; null: the server does not know. */
  readonly orientation_ignored: boolean | null
  readonly tokens: number
  readonly parts: readonly TokenPart[]
  readonly cut: PictureCut
}

/** In pixels as the tower sees them. */
export type PictureCut = {
  readonly tile: Size
  readonly grid: { readonly columns: number; readonly rows: number }
  readonly sheet: Size
  readonly picture: Region
  readonly kept: Region | null
  readonly base: 'none' | 'padded' | 'squashed'
}

export type ClipCost = {
  readonly type: 'video'
  readonly tokens: number
  readonly parts: readonly TokenPart[]
  readonly frames: number
  readonly times: readonly number[]
}

export type MediumCost = PictureCost | ClipCost

/** One for each picture and clip of `content`, in order, as if they were in one prompt. */
export async function measureMedia(
  model: string,
  content: readonly ChatContent[],
  signal: AbortSignal,
): Promise<readonly MediumCost[]> {
  const body = { model, messages: [{ role: 'user', content }] }
  const { media } = await postJson<{ readonly media: readonly MediumCost[] }>(
    '/v1/media/tokens',
    body,
    signal,
  )
  return media
}
