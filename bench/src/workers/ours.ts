/** llava-ts, through its public `loadModel`, as a contender. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { loadModel } from '../../../src/index.ts'
import type { LoadOptions } from '../../../src/load-model.ts'
import type { Model } from '../../../src/model.ts'
import { parseImageProcessor } from '../../../src/preprocess/parse-image-processor.ts'
import { openClip, sampleFrames } from '../../../src/preprocess/index.ts'
import { createPreprocessor } from '../../../src/preprocess/node.ts'
import { measureProducts } from './product-rates.ts'
import {
  promptIds,
  serveOperations,
  type AnswerQuestion,
  type BatchQuestion,
  type Timings,
} from './protocol.ts'
import { FIRST_WORD } from '../models/tokenizer.ts'

let model: Model | null = null
const delay = monitorEventLoopDelay({ resolution: 1 })

serveOperations({
  async load({ folder, options }: { folder: string; options: LoadOptions }) {
    await model?.dispose()
    const start = performance.now()
    model = await loadModel(folder, options)
    return { ms: performance.now() - start, precision: model.precision.name }
  },
  answer,
  batch,
  preprocess,
  decode,
  products: measureProducts,
  /** Begins to watch the event loop: only when asked, since it takes a timer every millisecond. */
  watchDelay() {
    delay.reset()
    delay.enable()
  },
  /** The longest that the event loop stood still while it was watched, in milliseconds. */
  delay() {
    delay.disable()
    return Math.max(0, delay.max / 1e6 - 1) // The timer itself comes every millisecond.
  },
})

function loaded(): Model {
  if (!model) throw new Error('bench: ask for `load` first.')
  return model
}

async function answer(question: AnswerQuestion): Promise<Timings> {
  const { newTokens, picture, clip } = question
  const { timings, usage, tokens } = await loaded().generate({
    inputIds: idsOf(question),
    ...(picture && { images: ['path' in picture ? picture.path : randomPicture(picture)] }),
    ...(clip && {
      videos: [
        {
          type: 'video',
          video: 'path' in clip ? clip.path : randomFrames(clip),
          frames: clip.frames,
        },
      ],
    }),
    maxTokens: newTokens,
    temperature: 0,
    ignoreEos: true,
  })
  return {
    firstTokenMs: timings.firstTokenMs,
    tokenMs: newTokens > 1 ? (timings.totalMs - timings.firstTokenMs) / (newTokens - 1) : 0,
    totalMs: timings.totalMs,
    visionMs: timings.visionMs,
    preprocessMs: timings.preprocessMs,
    cachedTokens: usage.cachedTokens,
    tokens: tokens.slice(0, 4),
  }
}

/** With a picture or a clip, its place comes first; text follows. */
function idsOf({ promptTokens, seed, picture, clip }: AnswerQuestion): number[] {
  const { image, decoder } = loaded().config
  const words = promptIds(seed, promptTokens - (picture?.tokens ?? 0), {
    first: FIRST_WORD,
    size: decoder.vocabSize,
  })
  return (picture || clip) && image ? [image.placeholder, ...words] : words
}

/** Streams that share all but the last token of their prompts, so that what is measured is decoding. */
async function batch({
  streams,
  promptTokens,
  newTokens,
  seed,
}: BatchQuestion): Promise<{ tokensPerSecond: number }> {
  const ids = idsOf({ promptTokens: promptTokens - 1, newTokens, seed })
  const requests = Array.from({ length: streams }, (_, stream) => ({
    inputIds: [...ids, FIRST_WORD + stream],
    maxTokens: newTokens,
    temperature: 0,
    ignoreEos: true,
  }))
  const answers = await loaded().generateBatch(requests)
  // The clock of the last starts when all prompts are in the cache.
  const decodeMs = Math.min(...answers.map(({ timings }) => timings.decodeMs))
  return { tokensPerSecond: (1000 * streams * (newTokens - 1)) / decodeMs }
}

/** A photo to the pixel values of a 2 × 2 grid and its base tile, on the product's worker threads. */
async function preprocess({ path }: { path: string }): Promise<{ ms: number; tiles: number }> {
  const processor = parseImageProcessor(ANYRES_336)
  const preprocessor = createPreprocessor()
  try {
    await preprocessor.preprocess(path, processor, { pictures: 1 })
    const start = performance.now()
    const { pixelValues } = await preprocessor.preprocess(path, processor, { pictures: 1 })
    return { ms: performance.now() - start, tiles: pixelValues.shape[0] ?? 0 }
  } finally {
    await preprocessor.dispose()
  }
}

/** As LLaVA-1.6's processor file has it. */
const ANYRES_336 = {
  image_processor_type: 'LlavaNextImageProcessor',
  do_resize: true,
  size: { shortest_edge: 336 },
  do_center_crop: true,
  crop_size: { height: 336, width: 336 },
  image_grid_pinpoints: [
    [336, 672],
    [672, 336],
    [672, 672],
    [1008, 336],
    [336, 1008],
  ],
  resample: 3,
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
  do_convert_rgb: true,
}

/** The frames that a model would be shown of a film, decoded and dropped. */
async function decode({ path, frames }: { path: string; frames: number }): Promise<{ ms: number }> {
  const start = performance.now()
  const film = await openClip(path)
  let decoded = 0
  for await (const _ of film.read(sampleFrames(film, { frames }))) decoded++
  if (decoded !== frames) throw new Error(`bench: ${path} gave ${decoded} of ${frames} frames.`)
  return { ms: performance.now() - start }
}

type RandomFrames = { readonly frames: number; readonly side: number; readonly seed: number }

function randomFrames({ frames, side, seed }: RandomFrames) {
  return Array.from({ length: frames }, (_, i) => randomPicture({ side, seed: seed + i }))
}

function randomPicture({ side, seed }: { readonly side: number; readonly seed: number }) {
  const data = new Uint8Array(side * side * 3)
  let state = seed
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    data[i] = state >>> 24
  }
  return { data, width: side, height: side }
}
