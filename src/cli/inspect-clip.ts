/** Which frames of a clip a model sees, when they are, and how many tokens they take. */
import { InputError } from '../core/errors.ts'
import { withClipOptions } from '../families/clip-options.ts'
import type { VideoConfig } from '../families/family.ts'
import { defaultFrames } from '../families/video-config.ts'
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
  type VideoTokens,
} from '../preprocess/index.ts'
import type { Arguments } from './arguments.ts'
import { drawClip, type DrawnFrame } from './draw-clip.ts'
import { writeDrawing } from './drawing.ts'
import type { Description } from './inspect.ts'
import { clipOptions } from './load-flags.ts'
import { clipParts, partLines } from './token-parts.ts'

export async function describeClip(
  file: string,
  checkpoint: Checkpoint,
  args: Arguments,
): Promise<Description> {
  const { documents } = checkpoint
  const config = withClipOptions(checkpoint.config, clipOptions(args))
  const { video } = config
  if (!video) {
    throw new InputError(
      'INPUT_VIDEO_UNSUPPORTED',
      `inspect: ${documents.name} takes no clips; give a model with a vision tower as --model.`,
    )
  }
  const clip = await openClip(file, { autoOrient: args.flag('auto-orient') })
  const sampling = { frames: defaultFrames(config, 1), fps: args.number('fps') }
  const taken = sampleFrames(clip, sampling)
  const times = frameTimes(clip, taken, sampling)
  const tokens = countVideoTokens(taken.length, video.tokens)
  const parts = clipParts(tokens)
  const frames = taken.map((frame, i) => ({
    frame,
    time: times[i] as number,
    tokens: tokensOfFrame(tokens),
  }))
  const title = `${file}: ${clip.frames} frames${clip.framesPerSecond === null ? '' : `, ${round(clip.framesPerSecond)} a second`}`
  const out = args.text('draw')
  if (out !== undefined) {
    await writeDrawing(out, await drawClip(title, seenFrames(clip, frames, video), parts))
  }
  const { maxContext } = config
  return {
    facts: {
      kind: 'clip',
      file,
      model: documents.name,
      frames: clip.frames,
      framesPerSecond: clip.framesPerSecond,
      taken: frames,
      parts,
      tokens: tokens.tokens,
      maxContext,
      ...(out !== undefined && { drawing: out }),
    },
    lines: [
      title,
      ...frames.map(
        (one) => `  frame ${one.frame} at ${one.time.toFixed(2)} s, ${one.tokens} tokens`,
      ),
      ...partLines(parts).map((words) => `  ${words}`),
      `  ${tokens.tokens} tokens; the context holds ${maxContext}`,
    ],
  }
}

/** Rows of one frame, with the newline rows that are its own. */
function tokensOfFrame({ frameRows, side, newline }: VideoTokens): number {
  const newlines = { none: 0, end: 0, frames: 1, rows: side ?? 0 }[newline]
  return frameRows + newlines
}

/** As the tower sees them, one by one. */
async function* seenFrames(
  clip: Clip,
  frames: readonly Omit<DrawnFrame, 'image'>[],
  { processor }: VideoConfig,
): AsyncGenerator<DrawnFrame> {
  const pictures = clip.read(frames.map(({ frame }) => frame))
  let next = 0
  for await (const picture of pictures) {
    const image = isPixels(picture) ? pixelsToRgb(picture) : await readImage(picture)
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
