/** Pictures and clips of a request as `data:` URLs. */
import { sha256 } from '../../content-name.ts'
import type { ImageSource, VideoPart, VideoSource } from '../../messages.ts'
import { clipType, dataUrl, framesUrl, pictureType } from '../../remote/media-url.ts'
import { sampledFrames, mostFrames } from '../../remote/sampled-frames.ts'
import type { Prompt } from '../../request.ts'
import type { WorkerKind } from './worker.ts'

/** A server has read all media before it asks a model: they are bytes, and those of frames a list. */
export function bytesOf(source: ImageSource | VideoSource): Uint8Array {
  if (source instanceof Uint8Array) return source
  throw new Error('internal: media of a served request should be bytes')
}

export function imageUrl(source: ImageSource): string {
  const bytes = bytesOf(source)
  return dataUrl(bytes, pictureType(bytes))
}

export function videoUrl(source: VideoSource): string {
  if (Array.isArray(source)) return framesUrl((source as readonly ImageSource[]).map(bytesOf))
  const bytes = bytesOf(source)
  return dataUrl(bytes, clipType(bytes) ?? 'video/mp4')
}

/** A name that clips of equal frames have. */
export async function clipKey({ video, ...fields }: VideoPart): Promise<string> {
  const { frames, fps, start, end, forceSample } = fields
  const files = Array.isArray(video) ? (video as readonly ImageSource[]) : [video as ImageSource]
  const names = await Promise.all(files.map((file) => sha256(bytesOf(file))))
  return [...names, frames, fps, start, end, forceSample].join(' ')
}

/** The prompt with those frames alone that a worker should see, where it would not find them itself. */
export function withFramesFor(kind: WorkerKind, prompt: Prompt): Prompt {
  if (kind === 'llava-ts') return prompt
  const videos = prompt.videos.map((clip) => sampledFor(kind, clip))
  if (prompt.kind !== 'messages') return { ...prompt, videos }
  const messages = prompt.messages.map(({ content, ...message }) => ({
    ...message,
    content:
      typeof content === 'string'
        ? content
        : content.map((part) => (part.type === 'video' ? sampledFor(kind, part) : part)),
  }))
  return { ...prompt, messages, videos }
}

function sampledFor(kind: WorkerKind, clip: VideoPart): VideoPart {
  const { video, ...options } = clip
  if (!Array.isArray(video)) return clip
  const pictures = video as readonly Uint8Array[]
  const { taken } = sampledFrames(pictures, options, mostFrames(options, kind))
  return { type: 'video', video: taken }
}
