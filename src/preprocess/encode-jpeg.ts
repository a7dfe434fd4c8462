/** RGB samples as a JPEG file, nearly as they were: for what would be too large without loss. */
import { loadSharp } from './decode-image.ts'
import type { RgbImage } from './image.ts'

const QUALITY = 95

export async function encodeJpeg({ data, width, height }: RgbImage): Promise<Uint8Array> {
  const sharp = await loadSharp()
  const raw = { width, height, channels: 3 } as const
  const options = { quality: QUALITY, chromaSubsampling: '4:4:4' } as const
  return new Uint8Array(await sharp(data, { raw }).jpeg(options).toBuffer())
}
