/** A picture as the page of a run shows it: whole and small, and in a form that every browser knows. */
import { InputError } from '../core/errors.ts'
import type { Picture } from '../data/record.ts'
import { encodeJpeg } from '../preprocess/encode-jpeg.ts'
import type { RgbImage } from '../preprocess/image.ts'
import { readImage } from '../preprocess/node.ts'
import { resizeImage } from '../preprocess/resize.ts'

/** Twice as many pixels as the page gives a side: screens have several for each. */
const SIDE = 256

/** A file, or the bytes of one, as a data URL; null where it cannot be read as a picture any more. */
export async function pagePicture(source: Picture): Promise<string | null> {
  try {
    const bytes = await encodeJpeg(shrunk(await readImage(source)))
    return `data:image/jpeg;base64,${Buffer.from(bytes).toString('base64')}`
  } catch (error) {
    if (error instanceof InputError) return null
    throw error
  }
}

function shrunk(image: RgbImage): RgbImage {
  const scale = Math.min(1, SIDE / Math.max(image.width, image.height))
  const scaled = (side: number) => Math.max(1, Math.round(side * scale))
  const size = { width: scaled(image.width), height: scaled(image.height) }
  const { data } = resizeImage(image, { ...size, reducingGap: 2 })
  return { ...size, channels: 3, data }
}
