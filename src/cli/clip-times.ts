/** The sentence about a clip's length and its frames' times that LLaVA-Video and the demo of NeXT-Video put before a question. */
import { defaultFrames } from '../families/video-config.ts'
import type { Model } from '../index.ts'
import { clipInfoOf, sampleFrames, statedTimes, type Sampling } from '../preprocess/index.ts'
import { timeInstruction } from '../text/index.ts'

/** Nothing is decoded. Pictures without a clock are a second apart, or as `fps` says. */
export function clipTimes(
  model: Model,
  file: string,
  wanted: Omit<Sampling, 'frames'> = {},
): string {
  const info = clipInfoOf(file)
  const sampling = { frames: defaultFrames(model.config, 1), ...wanted }
  const times = statedTimes(info, sampleFrames(info, sampling), sampling)
  const rate = info.framesPerSecond ?? wanted.fps ?? 1
  return timeInstruction({ seconds: info.frames / rate, times })
}
