/** How a picture is cut for a model, and how many tokens it takes, by its header alone. */
import { readFile } from 'node:fs/promises'
import { InputError } from '../core/errors.ts'
import type { Checkpoint } from '../load-checkpoint.ts'
import {
  countImageTokens,
  imageSizeOf,
  probeImage,
  type ImageProcessor,
  type ImageSize,
  type ImageTokens,
} from '../preprocess/index.ts'
import type { Arguments } from './arguments.ts'
import type { Description } from './inspect.ts'

export async function describePicture(
  file: string,
  checkpoint: Checkpoint,
  args: Arguments,
): Promise<Description> {
  const { config, documents } = checkpoint
  if (!config.image) {
    throw new InputError(
      'INPUT_IMAGE_UNSUPPORTED',
      `inspect: ${documents.name} takes text only; give a model with a vision tower as --model.`,
    )
  }
  const bytes = await readFile(file)
  const { format, orientation, ...stored } = probeImage(bytes)
  const autoOrient = args.flag('auto-orient')
  const size = imageSizeOf(bytes, { autoOrient })
  const tokens = countImageTokens(size, config.image.tokens)
  const steps = stepsOf(size, config.image.processor, tokens)
  const isOrientationIgnored = orientation !== 1 && !autoOrient
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
    tokens: tokens.tokens,
  }
  const note = `Exif orientation ${orientation} is not applied, as in the reference; --auto-orient applies it`
  return {
    facts,
    lines: [
      `${file}: ${format}, ${stored.width} × ${stored.height}${isOrientationIgnored ? `; ${note}` : ''}`,
      ...steps.map((step) => `  ${step}`),
      `  ${tokens.tiles === 1 ? 'one tile' : `${tokens.tiles} tiles`}, ${tokens.tokens} tokens`,
    ],
  }
}

/** What happens to the pixels, in order. */
function stepsOf(size: ImageSize, processor: ImageProcessor, tokens: ImageTokens): string[] {
  const { canvas, grid, hasBase } = tokens.plan
  if (canvas === null) return [...fitSteps(size, processor), ...lastSteps(processor)]
  const { picture } = canvas
  const place = `resized to ${sizeText(picture)} (${processor.filter})`
  const padding = `at (${picture.left}, ${picture.top}) of a canvas of ${sizeText(canvas)}`
  return [
    `${place}, ${padding}`,
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
    current = resize.kind === 'exact' ? resize.size : shortestEdge(current, resize.edge)
    steps.push(`resized to ${sizeText(current)} (${filter})`)
  }
  if (crop !== null && (crop.width !== current.width || crop.height !== current.height)) {
    steps.push(`the middle ${sizeText(crop)} cut out`)
  }
  return steps
}

function shortestEdge({ width, height }: ImageSize, edge: number): ImageSize {
  return width <= height
    ? { width: edge, height: Math.trunc((edge * height) / width) }
    : { width: Math.trunc((edge * width) / height), height: edge }
}

function lastSteps({ normalise }: ImageProcessor): string[] {
  if (!normalise) return []
  const list = (values: readonly number[]) => values.map((value) => value.toFixed(3)).join(', ')
  return [`normalised by mean ${list(normalise.mean)}, std ${list(normalise.std)}`]
}

function sizeText({ width, height }: ImageSize): string {
  return `${width} × ${height}`
}
