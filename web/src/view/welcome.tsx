/** What stands where a conversation will be. */
import type { JSX } from 'preact'
import { Icon } from './icon.tsx'
import { useChat } from './use-chat.ts'

export function Welcome(): JSX.Element {
  const { chat, state } = useChat()
  const { draft } = state
  const { model } = chat
  const takes = [
    ...(model?.takesImages ? ['pictures'] : []),
    ...(model?.takesVideos ? ['clips'] : []),
  ]
  return (
    <div class="welcome">
      <h2>{takes.length === 0 ? 'Ask something' : 'Show something, and ask'}</h2>
      <p>
        {takes.length === 0
          ? 'This model reads text.'
          : `Drop ${takes.join(' and ')} anywhere, paste them, or attach them with `}
        {takes.length > 0 && <Icon name="attach" />}
        {takes.length > 0 && '.'}
      </p>
      {draft.length > 0 && (
        <ul class="suggestions" aria-label="Questions to begin with">
          {SUGGESTIONS.map((text) => (
            <li key={text}>
              <button type="button" onClick={() => void chat.send(text)}>
                {text}
              </button>
            </li>
          ))}
        </ul>
      )}
      <p class="hint">Everything stays between this browser and the server that gave this page.</p>
    </div>
  )
}

const SUGGESTIONS = [
  'What is shown here?',
  'Describe it in one sentence.',
  'Which text can be read?',
]
