/** SVG to PNG, and pictures with holes laid on a colour; librsvg through sharp. */
import sharp from 'sharp'
import { cssColor, type Rgb } from './palette.ts'

/** Side of everything we draw, in pixels: what the mini model's tower sees. */
export const SIDE = 224

/** The whole picture as SVG. Fonts are found by family name through fontconfig. */
export function svgPage(body: string, background: Rgb): string {
  const size = `width="${SIDE}" height="${SIDE}"`
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}><rect ${size} fill="${cssColor(background)}"/>${body}</svg>`
}

export async function rasterise(svg: string): Promise<Uint8Array> {
  return sharp(Buffer.from(svg)).removeAlpha().png().toBuffer()
}

export type Placement = { readonly x: number; readonly y: number; readonly side: number }

/** The picture in `file`, scaled to `side` and laid on the colour at `x`, `y` of a page of ours. */
export async function layOn(file: string, background: Rgb, at: Placement): Promise<Uint8Array> {
  const top = await sharp(file).resize(at.side, at.side).png().toBuffer()
  return sharp(Buffer.from(svgPage('', background)))
    .composite([{ input: top, left: at.x, top: at.y }])
    .removeAlpha()
    .png()
    .toBuffer()
}
