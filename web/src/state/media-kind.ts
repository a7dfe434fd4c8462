/** What a file is to the model: a picture, a clip, or nothing that it takes. */

const CLIP_NAMES = /\.(mp4|m4v|mov|mkv|webm|avi|y4m|mpe?g)$/i
const PICTURE_NAMES = /\.(jpe?g|png|webp|bmp|tiff?|avif)$/i

/** A GIF that moves counts as a clip. */
export async function mediaKind(file: File): Promise<'image' | 'video' | null> {
  if (file.type === 'image/gif' || /\.gif$/i.test(file.name)) {
    return isMoving(new Uint8Array(await file.arrayBuffer())) ? 'video' : 'image'
  }
  if (file.type.startsWith('video/') || CLIP_NAMES.test(file.name)) return 'video'
  if (file.type === 'image/svg+xml') return null
  if (file.type.startsWith('image/') || PICTURE_NAMES.test(file.name)) return 'image'
  return null
}

/** Whether a GIF has a second frame; its blocks are walked, not searched (GIF89a §12). */
export function isMoving(gif: Uint8Array): boolean {
  let at = 13 + colours(gif[10] ?? 0)
  let frames = 0
  while (at < gif.length) {
    const kind = gif[at]
    if (kind === 0x2c) {
      if (++frames > 1) return true
      // The descriptor, its table of colours, and the code size before the data.
      at = afterBlocks(gif, at + 10 + colours(gif[at + 9] ?? 0) + 1)
    } else if (kind === 0x21) at = afterBlocks(gif, at + 2)
    else return false
  }
  return false
}

function colours(flags: number): number {
  return (flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1)
}

function afterBlocks(gif: Uint8Array, start: number): number {
  let at = start
  for (let length = gif[at]; length !== undefined && length !== 0; length = gif[at])
    at += length + 1
  return at + 1
}
