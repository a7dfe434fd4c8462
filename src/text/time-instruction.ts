/**
 * The sentence that tells a model when the frames of a clip are shown, as LLaVA-Video and the demo of NeXT-Video write it.
 *
 * It stands between the clip's place and the question, each on a line of its own.
 * Source: LLaVA-VL/LLaVA-NeXT playground/demo/video_demo.py at df17966.
 */
import { checkArgument, checkFields } from '../core/check-argument.ts'
import { InputError } from '../core/errors.ts'

/** `seconds`: how long the clip is; `times`: of its frames, in seconds. Throws InputError INPUT_VIDEO_TIMES. */
export function timeInstruction(clip: {
  readonly seconds: number
  readonly times: readonly number[]
}): string {
  checkFields('timeInstruction: clip', clip, ['seconds', 'times'])
  checkArgument('timeInstruction: times', clip.times, 'a list')
  const { seconds, times } = clip
  if (times.length === 0 || ![seconds, ...times].every(Number.isFinite)) {
    throw new InputError(
      'INPUT_VIDEO_TIMES',
      `timeInstruction: expected seconds and at least one time, all finite, came ${seconds} and ${times.length} times.`,
    )
  }
  const located = times.map((time) => `${twoDigits(time)}s`).join(',')
  // There is no space after the full stop: the models were trained so.
  return `The video lasts for ${twoDigits(seconds)} seconds, and ${times.length} frames are uniformly sampled from it. These frames are located at ${located}.Please answer the following questions related to this video.`
}

/** Python's `:.2f`, which rounds exact halves to even; `toFixed` rounds them up. */
function twoDigits(value: number): string {
  const hundredths = value * 100
  const isHalf = hundredths % 1 === 0.5 && value * 8 === Math.trunc(value * 8)
  return isHalf ? ((2 * Math.round(hundredths / 2)) / 100).toFixed(2) : value.toFixed(2)
}
