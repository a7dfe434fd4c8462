/** Says what the model is shown of clips: how many frames, of which seconds, and what they cost. */
import type { Model, PromptInput } from '../index.ts'

/** A line for each of `files`, which are the clips of the prompt in order. Nothing is decoded. */
export async function clipNotes(
  model: Model,
  prompt: PromptInput,
  files: readonly string[],
): Promise<string[]> {
  const { media } = await model.measureMedia(prompt)
  const clips = media.filter((one) => one.kind === 'video')
  return clips.map(({ frames, times, tokens }, i) => {
    const seconds = (time = 0) => time.toFixed(1)
    const when =
      frames === 1
        ? `1 frame at ${seconds(times[0])} s`
        : `${frames} frames from ${seconds(times[0])} to ${seconds(times.at(-1))} s`
    return `${files[i]}: ${when}, ${tokens} tokens`
  })
}
