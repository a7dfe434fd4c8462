/** The sentence about a clip's length and its frames' times that LLaVA-Video and the demo of NeXT-Video put before a question. */
import type { Model } from '../index.ts'
import { clipInfoOf } from '../preprocess/index.ts'
import { timeInstruction } from '../text/index.ts'

/** Nothing is decoded. Pictures without a clock are a second apart. */
export async function clipTimes(model: Model, file: string): Promise<string> {
  const messages = [{ role: 'user' as const, content: [{ type: 'video' as const, video: file }] }]
  const { media } = await model.measureMedia({ messages })
  const times = media.flatMap((one) => (one.kind === 'video' ? one.times : []))
  const { frames, framesPerSecond } = clipInfoOf(file)
  return timeInstruction({ seconds: frames / (framesPerSecond ?? 1), times })
}
