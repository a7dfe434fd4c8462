/** Samples of other modes → RGB as Pillow converts them, without profiles. Source: its src/libImaging/Convert.c at 4e5f09f. */
import { divide255 } from './premultiply.ts'

/** k = 255 − K;  colour = k − round(ink · k / 255), inks as they are (255 full). `channels`: 4, or more with alpha. */
export function cmykToRgb(samples: Uint8Array, channels: number): Uint8Array {
  const rgb = new Uint8Array((samples.length / channels) * 3)
  let at = 0
  for (let i = 0; i < samples.length; i += channels) {
    const light = 255 - (samples[i + 3] as number)
    for (let c = 0; c < 3; c++) {
      rgb[at++] = Math.max(0, light - divide255((samples[i + c] as number) * light))
    }
  }
  return rgb
}

/** The first of `channels` samples as grey, cut to whole numbers in [0, 255] and not scaled. */
export function clipToRgb(
  samples: Uint16Array | Int32Array | Float32Array,
  channels: number,
): Uint8Array {
  const rgb = new Uint8Array((samples.length / channels) * 3)
  let at = 0
  for (let i = 0; i < samples.length; i += channels) {
    const value = clipToByte(samples[i] as number)
    rgb[at] = rgb[at + 1] = rgb[at + 2] = value
    at += 3
  }
  return rgb
}

export function clipToByte(value: number): number {
  return value >= 255 ? 255 : value > 0 ? Math.trunc(value) : 0
}
