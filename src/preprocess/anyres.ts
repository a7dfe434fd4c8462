/**
 * The geometry of AnyRes: which grid of tiles a picture gets, where it lies on it, what of the map is kept.
 *
 * Pure functions of sizes. The original repositories and transformers differ in one of them (`keptRegion`); everything
 * else differs only in how a list of pinpoints is written, which `pinpoints.ts` reads.
 * Source: LLaVA-VL/LLaVA-NeXT llava/mm_utils.py and llava/model/llava_arch.py at df17966;
 * huggingface/transformers 5.23 models/llava_next/modeling_llava_next.py.
 */
import type { ImageSize, Region } from './image.ts'

/** `original`: int(x) · `hf`: int(round(x, 7)), which undoes the float error of exact ratios. */
export const ANYRES_ROUNDINGS = ['original', 'hf'] as const
export type AnyresRounding = (typeof ANYRES_ROUNDINGS)[number]

/**
 * The pinpoint that keeps most of the picture's pixels; of equals the one that wastes fewest, then the first.
 *
 * A picture smaller than several pinpoints keeps all its pixels in each: their order then decides.
 */
export function selectBestResolution(size: ImageSize, pinpoints: readonly ImageSize[]): ImageSize {
  let best = pinpoints[0] as ImageSize
  let mostKept = 0
  let leastWasted = Infinity
  for (const point of pinpoints) {
    const scale = Math.min(point.width / size.width, point.height / size.height)
    const area = Math.trunc(size.width * scale) * Math.trunc(size.height * scale)
    const kept = Math.min(area, size.width * size.height)
    const wasted = point.width * point.height - kept
    if (kept > mostKept || (kept === mostKept && wasted < leastWasted)) {
      best = point
      mostKept = kept
      leastWasted = wasted
    }
  }
  return best
}

/**
 * Where the picture lies on a canvas: as large as fits with its aspect, centred, an odd remainder right and below.
 *
 * The shorter side is rounded up, float error included (4000 × 3000 on 672 × 672 gives 505 rows).
 */
export function fitOnCanvas(size: ImageSize, canvas: ImageSize): Region {
  const scaleX = canvas.width / size.width
  const scaleY = canvas.height / size.height
  const isWide = scaleX < scaleY
  const width = isWide ? canvas.width : Math.min(Math.ceil(size.width * scaleY), canvas.width)
  const height = isWide ? Math.min(Math.ceil(size.height * scaleX), canvas.height) : canvas.height
  const left = Math.floor((canvas.width - width) / 2)
  const top = Math.floor((canvas.height - height) / 2)
  return { left, top, width, height }
}

/**
 * The part of a map of patches that shows the picture and not the padding around it.
 *
 * Rounds on its own instead of following `fitOnCanvas`, so up to one patch of padding stays on each side; very long
 * pictures keep no row or no column at all.
 */
export function keptRegion(map: ImageSize, size: ImageSize, rounding: AnyresRounding): Region {
  const whole = rounding === 'hf' ? (x: number) => Math.trunc(Number(x.toFixed(7))) : Math.trunc
  if (size.width / size.height > map.width / map.height) {
    const height = whole(size.height * (map.width / size.width))
    const top = Math.floor((map.height - height) / 2)
    return { left: 0, top, width: map.width, height: map.height - 2 * top }
  }
  const width = whole(size.width * (map.height / size.height))
  const left = Math.floor((map.width - width) / 2)
  return { left, top: 0, width: map.width - 2 * left, height: map.height }
}

/**
 * The size to which a map is interpolated so that it holds about `maxTiles` tiles (`anyres_max_N`).
 *
 *   t = √(h·w / (N·g²));  t > 1.1 → (⌊h/t⌋, ⌊w/t⌋), otherwise unchanged
 */
export function shrinkToBudget(
  map: ImageSize,
  maxTiles: number,
  patchesPerSide: number,
): ImageSize {
  const times = Math.sqrt((map.height * map.width) / (maxTiles * patchesPerSide ** 2))
  if (times <= 1.1) return { width: map.width, height: map.height }
  return { width: floorDivide(map.width, times), height: floorDivide(map.height, times) }
}

/** Python's `a // b` of positive floats: the floor of the exact quotient, where a / b may round up to a whole number. */
function floorDivide(a: number, b: number): number {
  return Math.round((a - (a % b)) / b)
}
