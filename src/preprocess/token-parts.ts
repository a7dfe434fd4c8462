/** Which part of a picture or a clip takes how many tokens. */
import type { ImageTokens } from './image-tokens.ts'
import type { VideoTokens } from './video-tokens.ts'

export type TokenPart = {
  readonly part: 'tile' | 'tiles' | 'base tile' | 'grid' | 'frames' | 'newlines'
  readonly tokens: number
  /** How the number comes about. */
  readonly shape: string
}

/** `rowsPerTile`: what the tower gives for a tile, a kept class token included. */
export function pictureParts(tokens: ImageTokens, rowsPerTile: number): TokenPart[] {
  const { map, tiles, leading, newline } = tokens
  const parts: TokenPart[] = []
  if (map === null) {
    const part = tiles === 1 ? 'tile' : 'tiles'
    const shape = tiles === 1 ? 'one tile' : `${tiles} × ${rowsPerTile}`
    parts.push({ part, tokens: tiles * rowsPerTile, shape })
    if (newline === 'end') parts.push({ part: 'newlines', tokens: 1, shape: 'one at the end' })
    return parts
  }
  const { width, height } = map.size
  if (leading > 0) parts.push({ part: 'base tile', tokens: leading, shape: 'the whole picture' })
  parts.push({ part: 'grid', tokens: width * height, shape: mapText(map) })
  if (newline === 'rows') parts.push({ part: 'newlines', tokens: height, shape: 'one a row' })
  return parts
}

/** Whether the base tile goes through the tower and gives no token (`nobase`). */
export function isBaseSilent({ plan, leading }: ImageTokens): boolean {
  return plan.hasBase && leading === 0
}

export function clipParts(tokens: VideoTokens): TokenPart[] {
  const { frames, frameRows, newline } = tokens
  const rows = { part: 'frames', tokens: frames * frameRows } as const
  const newlines = tokens.tokens - rows.tokens
  return [
    { ...rows, shape: `${frames} × ${frameRows}` },
    ...(newlines > 0
      ? [{ part: 'newlines', tokens: newlines, shape: NEWLINES[newline] } as const]
      : []),
  ]
}

export function partLines(parts: readonly TokenPart[]): string[] {
  return parts.map(({ part, tokens, shape }) => `${part}: ${tokens} (${shape})`)
}

export function sumOf(parts: readonly TokenPart[]): number {
  return parts.reduce((sum, { tokens }) => sum + tokens, 0)
}

const NEWLINES = {
  none: '',
  end: 'one at the end',
  frames: 'one a frame',
  rows: 'one for each row of a frame',
} as const

function mapText({ full, kept, size, pooling }: NonNullable<ImageTokens['map']>): string {
  const steps = [`${full.width} × ${full.height}`]
  if (kept.width !== full.width || kept.height !== full.height) {
    steps.push(`${kept.width} × ${kept.height} without padding`)
  }
  if (pooling !== 'none') {
    const how = pooling === 'max' ? 'maxima of squares' : 'interpolated'
    steps.push(`${size.width} × ${size.height} ${how}`)
  }
  return steps.join(' → ')
}
