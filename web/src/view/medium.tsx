/** A picture or clip as a small tile that opens the view of what the model sees of it. */
import type { JSX } from 'preact'
import type { PictureCost } from '../api/media-tokens.ts'
import type { Medium } from '../state/turns.ts'
import { Icon } from './icon.tsx'
import { useChat, useMediumUrl } from './use-chat.ts'

type MediumTileProps = {
  readonly medium: Medium
  readonly onOpen: (medium: Medium) => void
  readonly onRemove?: ((medium: Medium) => void) | undefined
}

export function MediumTile({ medium, onOpen, onRemove }: MediumTileProps): JSX.Element {
  const { state } = useChat()
  const cost = state.costs.get(medium.id)
  const tokens = cost ? `${cost.tokens.toLocaleString('en')} tokens` : ''
  const lying = cost?.type === 'image' ? lyingText(cost) : null
  const kind = medium.kind === 'image' ? 'Picture' : 'Clip'
  const facts = [...(tokens === '' ? [] : [tokens]), ...(lying === null ? [] : [lying])]
  return (
    <div class="medium">
      <button
        type="button"
        class="medium-open"
        aria-label={`${[`${kind} ${medium.name}`, ...facts].join(', ')}: show what the model sees`}
        title={medium.name}
        onClick={() => onOpen(medium)}
      >
        <MediumView medium={medium} />
        {medium.kind === 'video' && <span class="medium-kind">clip</span>}
        {lying !== null && <span class="medium-kind">{lying}</span>}
        {tokens !== '' && (
          <span class="medium-cost">
            <Icon name="tiles" />
            {tokens}
          </span>
        )}
      </button>
      {onRemove && (
        <button
          type="button"
          class="medium-remove"
          aria-label={`Remove ${medium.name}`}
          title="Remove"
          onClick={() => onRemove(medium)}
        >
          <Icon name="close" />
        </button>
      )}
    </div>
  )
}

/** Of a picture that its file and this page show turned, and the model does not see so. */
function lyingText({ orientation_ignored: isIgnored }: PictureCost): string | null {
  if (isIgnored === false) return null
  return isIgnored ? 'not turned' : 'perhaps not turned'
}

/** GIFs are pictures to a browser. */
export function MediumView({ medium }: { readonly medium: Medium }): JSX.Element {
  const url = useMediumUrl(medium.id)
  if (url === null) return <span class="medium-blank" />
  if (medium.kind === 'image' || medium.type === 'image/gif') {
    return <img src={url} alt={medium.name} />
  }
  return <video src={url} muted playsInline preload="metadata" />
}
