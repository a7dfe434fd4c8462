/** Which frames of a clip a model sees, when they are, and how many tokens they take. */
import { InputError } from '../core/errors.ts'
import type { VideoConfig } from '../families/family.ts'
import { defaultFrames, holdsClip, roomForFrames } from '../families/video-config.ts'
import type { Checkpoint } from '../load-checkpoint.ts'
import {
  countVideoTokens,
  frameTimes,
  isPixels,
  openClip,
  pixelsToRgb,
  preprocessImage,
  readImage,
  sampleFrames,
  type Clip,
  type Sampling,
  type VideoTokens,
} from '../preprocess/index.ts'
import { namingFile } from '../preprocess/image-source.ts'
import { clipParts, partLines, type TokenPart } from '../preprocess/token-parts.ts'
import type { Arguments } from './arguments.ts'
import { drawClip, type DrawnFrame } from './draw-clip.ts'
import { writeDrawing } from './drawing.ts'
import type { Description } from './inspect.ts'
import { samplingOptions } from './load-flags.ts'
import type { Session } from './verb.ts'

export async function describeClip(
  file: string,
  checkpoint: Checkpoint,
  args: Arguments,
  { signal }: Session,
): Promise<Description> {
  const { documents, config } = checkpoint
  const { video, maxContext } = config
  if (!video) {
    throw new InputError(
      'INPUT_VIDEO_UNSUPPORTED',
      `inspect: ${documents.name} takes no clips; give a model with a vision tower as --model.`,
    )
  }
  const clip = await openClip(file, { signal })
  const sampling = { frames: defaultFrames(config, 1), ...samplingOptions(args) }
  const { taken, parts, tokens } = sampled(clip, sampling, video)
  const title = titleOf(file, clip)
  const drawing = args.text('draw')
  if (drawing !== undefined) {
    const seen = seenFrames(clip, taken, { video, signal })
    await writeDrawing(drawing, await drawClip(title, seen, parts))
  }
  const { frames, framesPerSecond } = clip
  const fitting = roomForFrames(config, 1)
  const isHeld = holdsClip(config, tokens)
  const facts = { frames, framesPerSecond, taken, parts, tokens, maxContext, fitting, isHeld }
  const named = { kind: 'clip', file, model: documents.name }
  return {
    facts: { ...named, ...facts, ...(drawing !== undefined && { drawing }) },
    lines: [title, ...linesOf(facts).map((line) => `  ${line}`)],
  }
}

type SampledFrame = Omit<DrawnFrame, 'image'>

type SampledClip = {
  readonly taken: readonly SampledFrame[]
  readonly parts: readonly TokenPart[]
  readonly tokens: number
}

function sampled(clip: Clip, sampling: Sampling, video: VideoConfig): SampledClip {
  const numbers = sampleFrames(clip, sampling)
  const times = frameTimes(clip, numbers, sampling)
  const counted = countVideoTokens(numbers.length, video.tokens)
  const tokens = tokensOfFrame(counted)
  return {
    taken: numbers.map((frame, i) => ({ frame, time: times[i] as number, tokens })),
    parts: clipParts(counted),
    tokens: counted.tokens,
  }
}

function titleOf(file: string, { frames, framesPerSecond }: Clip): string {
  const rate = framesPerSecond === null ? '' : `, ${round(framesPerSecond)} a second`
  return `${file}: ${frames} frames${rate}`
}

function linesOf({
  taken,
  parts,
  tokens,
  maxContext,
  fitting,
  isHeld,
}: SampledClip & { maxContext: number; fitting: number; isHeld: boolean }): string[] {
  return [
    ...taken.map((one) => `frame ${one.frame} at ${one.time.toFixed(2)} s, ${one.tokens} tokens`),
    ...partLines(parts),
    `${tokens} tokens; the context holds ${maxContext}: up to ${fitting} frames beside text`,
    ...(isHeld ? [] : ['a prompt with it is refused: ask for fewer frames']),
  ]
}

/** Rows of one frame, with the newline rows that are its own. */
function tokensOfFrame({ frameRows, side, newline }: VideoTokens): number {
  const newlines = { none: 0, end: 0, frames: 1, rows: side ?? 0 }[newline]
  return frameRows + newlines
}

/** As the tower sees them, one by one. */
async function* seenFrames(
  clip: Clip,
  frames: readonly SampledFrame[],
  { video, signal }: { readonly video: VideoConfig; readonly signal: AbortSignal },
): AsyncGenerator<DrawnFrame> {
  const { processor } = video
  const numbers = frames.map(({ frame }) => frame)
  const pictures = clip.read(numbers, signal)
  let next = 0
  for await (const picture of pictures) {
    const image = isPixels(picture)
      ? pixelsToRgb(picture)
      : await namingFile(picture, readImage(picture))
    const { data } = preprocessImage(image, processor).tiles
    yield {
      ...(frames[next++] as (typeof frames)[number]),
      image: { ...processor.tile, channels: 3, data },
    }
  }
}

function round(value: number): string {
  return String(Math.round(value * 100) / 100)
}
