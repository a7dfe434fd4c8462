/** What the model sees of a picture or clip, and what each part of it costs. */
import type { JSX } from 'preact'
import { useId } from 'preact/hooks'
import type { ClipCost, PictureCost, TokenPart } from '../api/media-tokens.ts'
import type { Medium } from '../state/turns.ts'
import { CutDrawing } from './cut-drawing.tsx'
import { Dialog } from './dialog.tsx'
import { MediumView } from './medium.tsx'
import { useChat, useMediumUrl } from './use-chat.ts'

type CutDialogProps = { readonly medium: Medium; readonly onClose: () => void }

export function CutDialog({ medium, onClose }: CutDialogProps): JSX.Element {
  const { state } = useChat()
  const cost = state.costs.get(medium.id)
  return (
    <Dialog title="What the model sees" class="cut-dialog" onClose={onClose}>
      {cost?.type === 'image' && <PictureView medium={medium} cost={cost} />}
      {cost?.type === 'video' && <ClipView medium={medium} cost={cost} />}
      {!cost && (
        <>
          <div class="clip-view">
            <MediumView medium={medium} />
          </div>
          <p class="hint">{state.mediaFault ?? 'What it costs is not known yet.'}</p>
        </>
      )}
    </Dialog>
  )
}

type PictureViewProps = { readonly medium: Medium; readonly cost: PictureCost }

function PictureView({ medium, cost }: PictureViewProps): JSX.Element {
  const url = useMediumUrl(medium.id)
  return (
    <>
      <p class="hint">
        {medium.name}, {cost.width} × {cost.height} pixels, {cutText(cost)}
      </p>
      {cost.orientation_ignored !== false && <p class="hint">{lyingText(cost)}</p>}
      {url !== null && <CutDrawing url={url} cost={cost} name={medium.name} />}
      <Costs parts={cost.parts} tokens={cost.tokens} />
    </>
  )
}

function lyingText({ orientation_ignored: isIgnored }: PictureCost): string {
  return isIgnored
    ? 'Its file asks to be shown turned, which the model does not see: it gets it as below, unless the server is started with --auto-orient.'
    : 'Its file asks to be shown turned; whether the model sees it so or as below, its server does not say.'
}

function cutText({ cut: { grid, tile, base } }: PictureCost): string {
  const { columns, rows } = grid
  const tiles = columns * rows
  const size = `${tile.width} × ${tile.height}`
  const cut =
    tiles === 1 ? `seen as one tile of ${size}` : `cut into ${columns} × ${rows} tiles of ${size}`
  return base === 'none' ? `${cut}.` : `${cut}, and seen whole as one more, ${base}.`
}

function ClipView({ medium, cost }: { readonly medium: Medium; readonly cost: ClipCost }) {
  const { frames, times } = cost
  return (
    <>
      <p class="hint">
        {medium.name}: the model sees {frames === 1 ? 'one frame' : `${frames} frames`} of it.
      </p>
      <div class="clip-view">
        <MediumView medium={medium} />
      </div>
      <ol class="frame-times" aria-label="Seconds of the frames that are seen">
        {times.map((time, i) => (
          <li key={i}>{time.toFixed(2)} s</li>
        ))}
      </ol>
      <Costs parts={cost.parts} tokens={cost.tokens} />
    </>
  )
}

type CostsProps = { readonly parts: readonly TokenPart[]; readonly tokens: number }

function Costs({ parts, tokens }: CostsProps): JSX.Element {
  const id = useId()
  return (
    <table class="costs" aria-describedby={id}>
      <caption id={id}>Tokens</caption>
      <tbody>
        {parts.map(({ part, shape, tokens: some }) => (
          <tr key={part}>
            <th scope="row">{part}</th>
            <td class="shape">{shape}</td>
            <td class="number">{some.toLocaleString('en')}</td>
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">together</th>
          <td />
          <td class="number">{tokens.toLocaleString('en')}</td>
        </tr>
      </tfoot>
    </table>
  )
}
