/** Tiles as they lie in memory: copying pictures and parts of pictures into them. */
import type { Image, ImageSize, Region } from './image.ts'

/** Fills uint8[I, h, w, 3] one tile after the other. */
export class TileWriter {
  readonly #data: Uint8Array
  readonly #tile: ImageSize
  #next = 0

  constructor(data: Uint8Array, tile: ImageSize) {
    this.#data = data
    this.#tile = tile
  }

  add(tile: Image): void {
    this.#takeTile().set(tile.data)
  }

  /** Cuts the canvas on which `image` lies at `place` into tiles, row by row; the canvas is black. */
  addGrid(image: Image, place: { left: number; top: number }, grid: ImageSize): void {
    const { width, height } = this.#tile
    for (let row = 0; row < grid.height; row++) {
      for (let column = 0; column < grid.width; column++) {
        const left = column * width - place.left
        const top = row * height - place.top
        const region = intersect({ left, top, width, height }, image)
        const target = this.#takeTile()
        if (region === undefined) continue
        const inside = { left: region.left - left, top: region.top - top }
        copyRows(image, region, target, this.#tile, inside)
      }
    }
  }

  #takeTile(): Uint8Array {
    const bytes = this.#tile.width * this.#tile.height * 3
    return this.#data.subarray(this.#next, (this.#next += bytes))
  }
}

function intersect(region: Region, size: ImageSize): Region | undefined {
  const left = Math.max(0, region.left)
  const top = Math.max(0, region.top)
  const width = Math.min(size.width, region.left + region.width) - left
  const height = Math.min(size.height, region.top + region.height) - top
  return width > 0 && height > 0 ? { left, top, width, height } : undefined
}

export function copyRows(
  source: Image,
  region: Region,
  target: Uint8Array,
  targetSize: ImageSize,
  at: { left: number; top: number },
): void {
  for (let row = 0; row < region.height; row++) {
    const from = ((region.top + row) * source.width + region.left) * 3
    const to = ((at.top + row) * targetSize.width + at.left) * 3
    target.set(source.data.subarray(from, from + region.width * 3), to)
  }
}
