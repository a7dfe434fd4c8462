/** Pictures and clips of a request as `data:` URLs. */
import { probeImage, type ImageFormat } from '../../../preprocess/probe-image.ts'
import type { ImageSource, VideoSource } from '../../messages.ts'

/** A server has read all media before it asks a model: they are bytes. */
export function bytesOf(source: ImageSource | VideoSource): Uint8Array {
  if (source instanceof Uint8Array) return source
  throw new Error('internal: media of a served request should be bytes')
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

export function imageUrl(source: ImageSource): string {
  const bytes = bytesOf(source)
  return `data:${IMAGE_TYPES[probeImage(bytes).format]};base64,${base64(bytes)}`
}

export function videoUrl(source: VideoSource): string {
  const bytes = bytesOf(source)
  return `data:${clipType(bytes)};base64,${base64(bytes)}`
}

/** By the first bytes: GIF89a, YUV4MPEG2, EBML (Matroska, WebM); else MP4's relatives. */
function clipType(bytes: Uint8Array): string {
  const head = String.fromCharCode(...bytes.subarray(0, 9))
  if (head.startsWith('GIF8')) return 'video/gif'
  if (head.startsWith('YUV4MPEG2')) return 'video/x-yuv4mpeg'
  return head.startsWith('\x1aE\xdf\xa3') ? 'video/webm' : 'video/mp4'
}

export function base64(bytes: Uint8Array): string {
  const pieces: string[] = []
  // A call takes so many arguments at most; whole groups of three leave no padding inside.
  for (let at = 0; at < bytes.length; at += 24_576) {
    pieces.push(btoa(String.fromCharCode(...bytes.subarray(at, at + 24_576))))
  }
  return pieces.join('')
}
