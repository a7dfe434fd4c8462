/** A picture on the tiles that it is cut into, in the tower's pixels; what is padding and what is left out can be told apart. */
import type { JSX } from 'preact'
import { useId } from 'preact/hooks'
import type { PictureCost, PictureCut, Region, Size } from '../api/media-tokens.ts'

type CutDrawingProps = {
  readonly url: string
  readonly cost: PictureCost
  readonly name: string
}

export function CutDrawing({ url, cost, name }: CutDrawingProps): JSX.Element {
  const { cut } = cost
  const isTurned = cost.orientation_ignored === false
  return (
    <div class={isTurned ? 'cut' : 'cut as-stored'}>
      <figure class="cut-grid">
        <Sheet url={url} cut={cut} name={name} />
        <figcaption>
          {cut.grid.columns * cut.grid.rows === 1 ? 'The tile' : 'The tiles'}
          {cut.kept !== null && '; only patches inside of the dashed line are used'}
        </figcaption>
      </figure>
      {cut.base !== 'none' && (
        <figure class="cut-base">
          <BaseTile url={url} size={cost} cut={cut} name={name} />
          <figcaption>Base tile: all of it, {cut.base}</figcaption>
        </figure>
      )}
    </div>
  )
}

/** Pixels of the page that a drawing has at most. */
const SHEET = { width: 620, height: 440 }

type SheetProps = { readonly url: string; readonly cut: PictureCut; readonly name: string }

function Sheet({ url, cut, name }: SheetProps): JSX.Element {
  const { sheet, picture, grid, kept } = cut
  const whole = { left: 0, top: 0, ...sheet }
  const all = around(whole, picture)
  // Lines are as thick on a small sheet as on a large one.
  const unit = Math.max(all.width, all.height) / 600
  const label = `${name} on ${grid.columns} × ${grid.rows} tiles of ${cut.tile.width} × ${cut.tile.height}`
  return (
    <svg
      viewBox={viewBox(grown(all, 2 * unit))}
      {...fitted(all, SHEET)}
      role="img"
      aria-label={label}
    >
      <Padding region={whole} unit={unit} />
      <image href={url} {...attributes(picture)} preserveAspectRatio="none" />
      <path class="cut-off" fill-rule="evenodd" d={`${outline(all)}${outline(whole)}`} />
      <path class="tile-lines" d={gridLines(cut)} stroke-width={1.6 * unit} />
      {kept && (
        <rect
          class="kept-line"
          {...attributes(kept)}
          stroke-width={1.6 * unit}
          stroke-dasharray={`${7 * unit} ${5 * unit}`}
        />
      )}
    </svg>
  )
}

type BaseTileProps = SheetProps & { readonly size: Size }

function BaseTile({ url, size, cut, name }: BaseTileProps): JSX.Element {
  const whole = { left: 0, top: 0, ...cut.tile }
  const unit = whole.width / 200
  const place = cut.base === 'padded' ? inside(size, cut.tile) : whole
  return (
    <svg viewBox={viewBox(grown(whole, unit))} role="img" aria-label={`All of ${name} in one tile`}>
      <Padding region={whole} unit={unit} />
      <image href={url} {...attributes(place)} preserveAspectRatio="none" />
      <path class="tile-lines" d={outline(whole)} stroke-width={unit} />
    </svg>
  )
}

/** Hatched, where the picture does not cover it. */
function Padding({ region, unit }: { readonly region: Region; readonly unit: number }) {
  const id = useId()
  const side = 9 * unit
  return (
    <>
      <pattern
        id={id}
        width={side}
        height={side}
        patternUnits="userSpaceOnUse"
        patternTransform="rotate(45)"
      >
        <rect class="padding-back" width={side} height={side} />
        <rect class="padding-line" width={side / 3} height={side} />
      </pattern>
      <rect {...attributes(region)} fill={`url(#${id})`} />
    </>
  )
}

function gridLines({ sheet, grid, tile }: PictureCut): string {
  const across = Array.from(
    { length: grid.rows - 1 },
    (_, i) => `M0 ${(i + 1) * tile.height}h${sheet.width}`,
  )
  const down = Array.from(
    { length: grid.columns - 1 },
    (_, i) => `M${(i + 1) * tile.width} 0v${sheet.height}`,
  )
  return [outline({ left: 0, top: 0, ...sheet }), ...across, ...down].join('')
}

function outline({ left, top, width, height }: Region): string {
  return `M${left} ${top}h${width}v${height}h${-width}z`
}

function attributes({ left, top, width, height }: Region) {
  return { x: left, y: top, width, height }
}

function fitted({ width, height }: Size, most: Size): Size {
  const scale = Math.min(most.width / width, most.height / height)
  return { width: width * scale, height: height * scale }
}

function viewBox({ left, top, width, height }: Region): string {
  return `${left} ${top} ${width} ${height}`
}

function around(a: Region, b: Region): Region {
  const left = Math.min(a.left, b.left)
  const top = Math.min(a.top, b.top)
  const right = Math.max(a.left + a.width, b.left + b.width)
  const bottom = Math.max(a.top + a.height, b.top + b.height)
  return { left, top, width: right - left, height: bottom - top }
}

function grown({ left, top, width, height }: Region, by: number): Region {
  return { left: left - by, top: top - by, width: width + 2 * by, height: height + 2 * by }
}

function inside({ width, height }: Size, tile: Size): Region {
  const scale = Math.min(tile.width / width, tile.height / height)
  const [shownWidth, shownHeight] = [width * scale, height * scale]
  return {
    left: (tile.width - shownWidth) / 2,
    top: (tile.height - shownHeight) / 2,
    width: shownWidth,
    height: shownHeight,
  }
}
