/** Drawings as SVG: a few words for its elements, pictures inside it, and the file it is written to, SVG or PNG. */
import { writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import sharp from 'sharp'
import { makeFolder } from '../core/make-folder-node.ts'
import type { Region, RgbImage } from '../preprocess/index.ts'
import { resizeImage } from '../preprocess/index.ts'
import { UsageError } from './usage-error.ts'

export type Attributes = Readonly<Record<string, string | number>>

const STYLE = `text { font: 13px sans-serif; fill: #222 } .title { font-weight: bold } .small { font-size: 11px; fill: #555 }`
const HATCH = `<pattern id="padding" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="8" height="8" fill="#e8e8e8"/><line x1="0" y1="0" x2="0" y2="8" stroke="#bbb" stroke-width="3"/></pattern>`

/** A whole drawing, white behind; `url(#padding)` fills with hatching. */
export function drawing(width: number, height: number, elements: readonly string[]): string {
  const size = { width: Math.ceil(width), height: Math.ceil(height) }
  const background = rect({ left: 0, top: 0, ...size }, { fill: '#fff' })
  const opening = `<svg xmlns="http://www.w3.org/2000/svg"${written({ ...size, viewBox: `0 0 ${size.width} ${size.height}` })}>`
  const head = `<style>${STYLE}</style><defs>${HATCH}</defs>`
  return [opening, head, background, ...elements, '</svg>', ''].join('\n')
}

export function rect({ left, top, width, height }: Region, attributes: Attributes): string {
  return `<rect${written({ x: left, y: top, width, height, ...attributes })}/>`
}

export function line(
  from: readonly [number, number],
  to: readonly [number, number],
  attributes: Attributes,
): string {
  return `<line${written({ x1: from[0], y1: from[1], x2: to[0], y2: to[1], ...attributes })}/>`
}

export function text(at: readonly [number, number], words: string, kind = ''): string {
  const place = { x: at[0], y: at[1], ...(kind !== '' && { class: kind }) }
  return `<text${written(place)}>${escaped(words)}</text>`
}

/** What words take at most: how wide they are is known only where they are set. */
export function roomFor(words: readonly string[], kind: '' | 'title' = ''): number {
  const letter = { '': 7.2, title: 8.2 }[kind]
  return letter * Math.max(0, ...words.map((one) => [...one].length))
}

/** The picture squashed into a region. */
export async function picture(image: RgbImage, region: Region): Promise<string> {
  const size = { width: atLeastOne(region.width), height: atLeastOne(region.height) }
  const shown = resizeImage(image, { ...size, filter: 'bilinear' })
  const raw = { ...size, channels: 3 as const }
  const jpeg = await sharp(shown.data, { raw }).jpeg({ quality: 88 }).toBuffer()
  const { left: x, top: y, width, height } = region
  const href = `data:image/jpeg;base64,${jpeg.toString('base64')}`
  return `<image${written({ x, y, width, height, preserveAspectRatio: 'none', href })}/>`
}

/** Throws UsageError unless the file is to be an .svg or a .png. */
export function checkDrawingName(file: string): void {
  if (/\.(svg|png)$/i.test(file)) return
  throw new UsageError(`--draw should name an .svg or .png file; "${file}" came.`)
}

/** Labels of a PNG are set in the system's fonts. The folder is made if need be. */
export async function writeDrawing(file: string, svg: string): Promise<void> {
  const bytes = /\.png$/i.test(file) ? await sharp(Buffer.from(svg)).png().toBuffer() : svg
  await makeFolder(dirname(file))
  await writeFile(file, bytes)
}

function atLeastOne(length: number): number {
  return Math.max(1, Math.round(length))
}

function written(attributes: Attributes): string {
  return Object.entries(attributes)
    .map(([name, value]) => ` ${name}="${typeof value === 'number' ? rounded(value) : value}"`)
    .join('')
}

function rounded(value: number): string {
  return String(Math.round(value * 100) / 100)
}

function escaped(words: string): string {
  return words.replace(/&/g, '&amp;').replace(/</g, '&lt;')
}
