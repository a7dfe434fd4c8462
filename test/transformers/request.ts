/** What a model is asked, and what ours answers: ids and pixels ready for transformers, and logits at every position. */
import { join } from 'node:path'
import { loadModel, type ContentPart, type LoadOptions } from '../../src/index.ts'

export type Request = { readonly messages: [{ role: 'user'; content: ContentPart[] }] }

const PHOTO: ContentPart = {
  type: 'image',
  image: join('fixtures', 'pictures', 'photo-640x480.jpg'),
}
const CLIP: ContentPart = {
  type: 'video',
  video: join('fixtures', 'pictures', 'clip'),
  frames: 3,
}
const WORDS: ContentPart = { type: 'text', text: 'What is this?' }

export const PICTURE: Request = { messages: [{ role: 'user', content: [PHOTO, WORDS] }] }
const PICTURE_AND_CLIP: Request = { messages: [{ role: 'user', content: [PHOTO, CLIP, WORDS] }] }

/** A clip too where the class of transformers takes one. */
export function requestFor(config: Readonly<Record<string, unknown>>): Request {
  const takesClips = /^llava_(next_video|onevision)$/.test(String(config['model_type']))
  return takesClips ? PICTURE_AND_CLIP : PICTURE
}

export type Asked = {
  readonly inputIds: readonly number[]
  /** Of all tiles of the picture, then all frames of the clip. */
  readonly pixels: Float32Array
  /** Of one tile or frame. */
  readonly shape: readonly number[]
  readonly images: readonly { width: number; height: number; tiles: number }[]
  readonly frames: readonly number[]
  /** [T, V] */
  readonly logits: Float32Array
  readonly vocabSize: number
}

/** `placeholder`: the id of a picture's places in what transformers reads, where it is another than ours. */
export async function ask(
  checkpoint: string,
  {
    request,
    parts = {},
    placeholder,
  }: { request: Request; parts?: LoadOptions; placeholder?: number },
): Promise<Asked> {
  await using model = await loadModel(checkpoint, { precision: 'f32', ...parts })
  const { inputIds, images, videos, pixelValues } = await model.prepare(request)
  const { data, shape } = await model.logits({ ...request, positions: 'all' })
  const own = model.config.image?.placeholder
  const frames = videos.map((clip) => clip.frames)
  const tiles = pixelValues.shape[0]! - frames.reduce((sum, count) => sum + count, 0)
  return {
    inputIds: inputIds.map((id) => (id === own && placeholder !== undefined ? placeholder : id)),
    pixels: Float32Array.from(pixelValues.data),
    shape: pixelValues.shape.slice(1),
    images: images.map(({ width, height }) => ({ width, height, tiles })),
    frames,
    logits: data,
    vocabSize: shape[1]!,
  }
}
