/** How a picture is cut for a model, and how many tokens it takes, by its header alone unless it is drawn. */
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
import { readImageFile } from '../preprocess/node.ts'
import { isLeftLying } from '../preprocess/orient-image.ts'
import {
  isBaseSilent,
  partLines,
  pictureParts,
  sumOf,
  type TokenPart,
} from '../preprocess/token-parts.ts'
import { featureRows, patchesPerSide, type VisionConfig } from '../vision/vision-transformer.ts'
import type { Arguments } from './arguments.ts'
import { drawPicture, type PictureDrawing } from './draw-picture.ts'
import { writeDrawing } from './drawing.ts'
import type { Description } from './inspect.ts'

export async function describePicture(
  file: string,
  checkpoint: Checkpoint,
  args: Arguments,
): Promise<Description> {
  const { image, vision } = checkpoint.config
  const { name: model } = checkpoint.documents
  if (!image || !vision) {
    throw new InputError(
      'INPUT_IMAGE_UNSUPPORTED',
      `inspect: ${model} takes text only; give a model with a vision tower as --model.`,
    )
  }
  const bytes = await readImageFile(file)
  const autoOrient = args.flag('auto-orient')
  const size = imageSizeOf(bytes, { autoOrient })
  const counted = countImageTokens(size, image.tokens)
  const parts = pictureParts(counted, featureRows(vision))
  const tokens = sumOf(parts)
  const drawing = args.text('draw')
  if (drawing !== undefined) {
    const title = `${file}: ${sizeText(size)}, ${tokens} tokens`
    const shown = await readImage(bytes, { autoOrient })
    const { processor } = image
    const cells = cellsOf(vision, image.tokens.patchesPerSide)
    const cut = { title, image: shown, processor, tokens: counted, cells, parts }
    await writeDrawing(drawing, await drawPicture(cut))
  }
  const header = probeImage(bytes)
  const { format, orientation, width, height } = header
  const isOrientationIgnored = isLeftLying(header, autoOrient)
  const steps = stepsOf(size, image.processor, counted)
  const { tiles } = counted
  const grid = gridOf(counted)
  const stored = { file, format, width, height, orientation, isOrientationIgnored }
  const facts = { ...stored, model, steps, tiles, grid, parts, tokens }
  return {
    facts: { kind: 'picture', ...facts, ...(drawing !== undefined && { drawing }) },
    lines: linesOf(facts),
  }
}

function gridOf({ map, grid }: ImageTokens): { columns: number; rows: number } | null {
  return map === null ? null : { columns: grid.width, rows: grid.height }
}

function linesOf(facts: {
  readonly file: string
  readonly format: string
  readonly width: number
  readonly height: number
  readonly orientation: number
  readonly isOrientationIgnored: boolean
  readonly steps: readonly string[]
  readonly parts: readonly TokenPart[]
  readonly tiles: number
  readonly tokens: number
}): string[] {
  const { file, format, width, height, orientation, steps, parts, tiles, tokens } = facts
  const note = `; orientation ${orientation} is not applied, as in the reference; --auto-orient applies it`
  return [
    `${file}: ${format}, ${width} × ${height}${facts.isOrientationIgnored ? note : ''}`,
    ...steps.map((step) => `  ${step}`),
    ...partLines(parts).map((line) => `  ${line}`),
    `  ${tiles === 1 ? 'one tile' : `${tiles} tiles`}, ${tokens} tokens`,
  ]
}

/** A cell of the map may be several patches of the tower. */
function cellsOf(vision: VisionConfig, perSide: number): PictureDrawing['cells'] {
  return { perSide, pixels: vision.patchSize * Math.floor(patchesPerSide(vision) / perSide) }
}

/** What happens to the pixels, in order. */
function stepsOf(size: ImageSize, processor: ImageProcessor, tokens: ImageTokens): string[] {
  const { canvas, grid, hasBase } = tokens.plan
  const silence = isBaseSilent(tokens) ? ', which gives no token' : ''
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
    ...(hasBase ? [`and the whole picture once more as a base tile${silence}`] : []),
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
