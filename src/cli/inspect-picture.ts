/** How a picture is cut for a model, and how many tokens it takes, by its header alone unless it is drawn. */
import { readFile } from 'node:fs/promises'
import { InputError } from '../core/errors.ts'
import type { Checkpoint } from '../load-checkpoint.ts'
import {
  countImageTokens,
  imageSizeOf,
  probeImage,
  readImage,
  resizedSize,
  type ImageProcessor,
  type ImageSize,
  type ImageTokens,
} from '../preprocess/index.ts'
import { featureRows, patchesPerSide, type VisionConfig } from '../vision/vision-transformer.ts'
import type { Arguments } from './arguments.ts'
import { drawPicture, type PictureDrawing } from './draw-picture.ts'
import { writeDrawing } from './drawing.ts'
import type { Description } from './inspect.ts'
import { partLines, pictureParts, sumOf } from './token-parts.ts'

export async function describePicture(
  file: string,
  checkpoint: Checkpoint,
  args: Arguments,
): Promise<Description> {
  const { config, documents } = checkpoint
  const { image, vision } = config
  if (!image || !vision) {
    throw new InputError(
      'INPUT_IMAGE_UNSUPPORTED',
      `inspect: ${documents.name} takes text only; give a model with a vision tower as --model.`,
    )
  }
  const bytes = await readFile(file)
  const { format, orientation, ...stored } = probeImage(bytes)
  const autoOrient = args.flag('auto-orient')
  const size = imageSizeOf(bytes, { autoOrient })
  const tokens = countImageTokens(size, image.tokens)
  const parts = pictureParts(tokens, featureRows(vision))
  const steps = stepsOf(size, image.processor, tokens)
  const isOrientationIgnored = orientation !== 1 && !autoOrient
  const out = args.text('draw')
  if (out !== undefined) {
    const svg = await drawPicture({
      title: `${file}: ${sizeText(size)}, ${sumOf(parts)} tokens`,
      image: await readImage(bytes, { autoOrient }),
      processor: image.processor,
      tokens,
      cells: cellsOf(vision, image.tokens.patchesPerSide),
      parts,
    })
    await writeDrawing(out, svg)
  }
  const facts = {
    kind: 'picture',
    file,
    format,
    width: stored.width,
    height: stored.height,
    orientation,
    isOrientationIgnored,
    model: documents.name,
    steps,
    tiles: tokens.tiles,
    grid: tokens.map === null ? null : { columns: tokens.grid.width, rows: tokens.grid.height },
    parts,
    tokens: sumOf(parts),
    ...(out !== undefined && { drawing: out }),
  }
  const note = `Exif orientation ${orientation} is not applied, as in the reference; --auto-orient applies it`
  return {
    facts,
    lines: [
      `${file}: ${format}, ${stored.width} × ${stored.height}${isOrientationIgnored ? `; ${note}` : ''}`,
      ...steps.map((step) => `  ${step}`),
      ...partLines(parts).map((line) => `  ${line}`),
      `  ${tokens.tiles === 1 ? 'one tile' : `${tokens.tiles} tiles`}, ${sumOf(parts)} tokens`,
    ],
  }
}

/** A cell of the map may be several patches of the tower. */
function cellsOf(vision: VisionConfig, perSide: number): PictureDrawing['cells'] {
  return { perSide, pixels: vision.patchSize * Math.floor(patchesPerSide(vision) / perSide) }
}

/** What happens to the pixels, in order. */
function stepsOf(size: ImageSize, processor: ImageProcessor, tokens: ImageTokens): string[] {
  const { canvas, grid, hasBase } = tokens.plan
  if (canvas === null) return [...fitSteps(size, processor), ...lastSteps(processor)]
  const { picture } = canvas
  const place = `resized to ${sizeText(picture)} (${processor.filter})`
  const padding = `at (${picture.left}, ${picture.top}) of a canvas of ${sizeText(canvas)}`
  const steps = {
    none: `${place}, ${padding}`,
    anyres: `${place}, ${padding}`,
    highres: `padded to a square, ${place}`,
    cropSplit: `the shorter side resized to ${picture.width} (lanczos), the middle ${sizeText(picture)} cut out`,
  }
  return [
    steps[processor.tiling.kind],
    `cut into ${grid.width} × ${grid.height} tiles of ${sizeText(processor.tile)}`,
    ...(hasBase ? [`and the whole picture once more as a base tile`] : []),
    ...lastSteps(processor),
  ]
}

function fitSteps(size: ImageSize, { pad, resize, crop, filter }: ImageProcessor): string[] {
  const steps: string[] = []
  let current = size
  if (pad !== null && size.width !== size.height) {
    const side = Math.max(size.width, size.height)
    current = { width: side, height: side }
    steps.push(`padded to ${sizeText(current)} with rgb(${pad.join(', ')})`)
  }
  if (resize.kind !== 'none') {
    current = resizedSize(current, { resize })
    steps.push(`resized to ${sizeText(current)} (${filter})`)
  }
  if (crop !== null && (crop.width !== current.width || crop.height !== current.height)) {
    steps.push(`the middle ${sizeText(crop)} cut out`)
  }
  return steps
}

function lastSteps({ normalise }: ImageProcessor): string[] {
  if (!normalise) return []
  const list = (values: readonly number[]) => values.map((value) => value.toFixed(3)).join(', ')
  return [`normalised by mean ${list(normalise.mean)}, std ${list(normalise.std)}`]
}

function sizeText({ width, height }: ImageSize): string {
  return `${width} × ${height}`
}
