/** Pictures and clips as `data:` URLs, each of the kind that its first bytes say. */
import { probeImage, type ImageFormat } from '../../preprocess/probe-image.ts'

/** `data:` URL of a picture, or of what `type` says. */
export function dataUrl(bytes: Uint8Array, type = likelyType(bytes)): string {
  return `data:${type};base64,${base64(bytes)}`
}

/** By the first bytes; what is not known is taken for JPEG, since nobody is asked to read it here. */
function likelyType(bytes: Uint8Array): string {
  const head = String.fromCharCode(...bytes.subarray(0, 4))
  const known = { '\u0089PNG': 'image/png', GIF8: 'image/gif', RIFF: 'image/webp' }
  return Object.hasOwn(known, head) ? known[head as keyof typeof known] : 'image/jpeg'
}

/**
 * Frames of a clip in one URL, as vLLM reads them: `data:video/jpeg;base64,FRAME,FRAME,…`, each a picture's file. Whoever
 * decodes them looks at the bytes, so they need not be JPEG. Source: vllm/multimodal/media/video.py,
 * `VideoMediaIO.load_base64`.
 */
export function framesUrl(frames: readonly Uint8Array[]): string {
  return `${FRAMES_HEAD}${frames.map(base64).join(',')}`
}

export const FRAMES_HEAD = 'data:video/jpeg;base64,'

export function isFramesUrl(url: string): boolean {
  return url.slice(0, FRAMES_HEAD.length).toLowerCase() === FRAMES_HEAD
}

const IMAGE_TYPES: { readonly [F in ImageFormat]: string } = {
  png: 'image/png',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
  tiff: 'image/tiff',
  avif: 'image/avif',
  bmp: 'image/bmp',
  pnm: 'image/x-portable-anymap',
}

/** Throws InputError for what is no picture. */
export function pictureType(bytes: Uint8Array): string {
  return IMAGE_TYPES[probeImage(bytes).format]
}

/** First bytes of clips and what they are; those without a name of their own here go as the commonest kind. */
const CLIP_HEADS: readonly (readonly [head: string, type: string])[] = [
  ['GIF8', 'video/gif'],
  ['\u001aE\u00df\u00a3', 'video/webm'],
  ['YUV4MPEG2', 'video/x-yuv4mpeg'],
  // MPEG programs and videos, Flash, Ogg and ASF.
  ...['\0\0\u0001\u00ba', '\0\0\u0001\u00b3', 'FLV', 'OggS', '0&\u00b2u'].map(
    (head) => [head, 'video/mp4'] as const,
  ),
]
/** First boxes of MP4 and QuickTime, by the name behind their length. */
const BOXES = ['ftyp', 'moov', 'mdat', 'wide', 'free', 'skip']
/** Packets of MPEG's transport stream begin with this byte, and are so long. */
const PACKET = { sync: 0x47, bytes: 188 }

/** Null for what is no clip by its first bytes. */
export function clipType(bytes: Uint8Array): string | null {
  const head = String.fromCharCode(...bytes.subarray(0, 12))
  if (head.startsWith('RIFF') && head.endsWith('AVI ')) return 'video/x-msvideo'
  const isStream = bytes[0] === PACKET.sync && bytes[PACKET.bytes] === PACKET.sync
  if (isStream || BOXES.includes(head.slice(4, 8))) return 'video/mp4'
  return CLIP_HEADS.find(([one]) => head.startsWith(one))?.[1] ?? null
}

function base64(bytes: Uint8Array): string {
  const pieces: string[] = []
  // A call takes so many arguments at most; whole groups of three leave no padding inside.
  for (let at = 0; at < bytes.length; at += 24_576) {
    pieces.push(btoa(String.fromCharCode(...bytes.subarray(at, at + 24_576))))
  }
  return pieces.join('')
}
