/** A JPEG that has the detail of a photo: noise over gradients. Made once. */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { Rng } from '../../../src/core/rng.ts'

export async function writePhoto(
  workFolder: string,
  { width, height }: { readonly width: number; readonly height: number },
): Promise<string> {
  const path = join(workFolder, `photo-${width}x${height}.jpg`)
  if (existsSync(path)) return path
  mkdirSync(workFolder, { recursive: true })
  const random = new Rng(1)
  const data = new Uint8Array(width * height * 3)
  for (let i = 0, y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const noise = random.nextUint32()
      data[i++] = (x * 200) / width + (noise & 31)
      data[i++] = (y * 200) / height + ((noise >> 8) & 31)
      data[i++] = 100 + 60 * Math.sin(x / 50) * Math.cos(y / 70) + ((noise >> 16) & 31)
    }
  }
  await sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 90 })
    .toFile(path)
  return path
}
