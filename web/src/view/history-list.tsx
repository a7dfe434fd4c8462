/** Earlier conversations: opened, handed on as a file, or deleted. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { exportConversations, saveAs } from '../state/export.ts'
import type { Conversation } from '../state/turns.ts'
import { Confirm } from './confirm.tsx'
import { Icon, IconButton } from './icon.tsx'
import { useChat } from './use-chat.ts'
import { useFocusAfter } from './use-focus-after.ts'

/** `onOpened`: something was chosen; a panel over the conversation goes away then. */
export function HistoryList({ onOpened }: { readonly onOpened: () => void }): JSX.Element {
  const { chat, state } = useChat()
  const { conversations, current, isHistoryKept } = state
  return (
    <nav class="history" aria-label="Conversations">
      <button
        type="button"
        class="new-conversation"
        onClick={() => {
          chat.begin()
          onOpened()
        }}
      >
        <Icon name="add" />
        New conversation
      </button>
      {!isHistoryKept && (
        <p class="hint">This browser keeps nothing here; conversations end with the page.</p>
      )}
      {conversations.length === 0 ? (
        <p class="hint">Conversations are kept in this browser, and nowhere else.</p>
      ) : (
        <ul>
          {conversations.map((one) => (
            <HistoryItem
              key={one.id}
              conversation={one}
              isCurrent={one.id === current.id}
              onOpen={() => {
                chat.open(one.id)
                onOpened()
              }}
            />
          ))}
        </ul>
      )}
      {conversations.length > 0 && <AllConversations conversations={conversations} />}
    </nav>
  )
}

type HistoryItemProps = {
  readonly conversation: Conversation
  readonly isCurrent: boolean
  readonly onOpen: () => void
}

function HistoryItem({ conversation, isCurrent, onOpen }: HistoryItemProps): JSX.Element {
  const { chat } = useChat()
  const title = conversation.title || 'Without words'
  return (
    <li class={isCurrent ? 'current' : undefined}>
      <button
        type="button"
        class="history-open"
        aria-current={isCurrent ? 'true' : undefined}
        onClick={onOpen}
      >
        <span class="history-title">{title}</span>
        <time dateTime={new Date(conversation.updated).toISOString()}>
          {when(conversation.updated)}
        </time>
      </button>
      <IconButton
        icon="save"
        label={`Save ${title} as a file`}
        onClick={() => void save([conversation], title)}
      />
      <IconButton
        icon="remove"
        label={`Delete ${title}`}
        onClick={() => void chat.remove(conversation.id)}
      />
    </li>
  )

  async function save(conversations: readonly Conversation[], name: string): Promise<void> {
    const file = await exportConversations(conversations, chat.media)
    saveAs(file, `${name.replace(/[^\p{L}\p{N} -]+/gu, '').slice(0, 40) || 'conversation'}.json`)
  }
}

type AllConversationsProps = { readonly conversations: readonly Conversation[] }

/** Deleting everything is asked twice. */
function AllConversations({ conversations }: AllConversationsProps): JSX.Element {
  const { chat } = useChat()
  const [isAsked, setAsked] = useState(false)
  const deleting = useFocusAfter<HTMLButtonElement>(isAsked)
  const saveAll = async () => {
    saveAs(await exportConversations(conversations, chat.media), 'conversations.json')
  }
  if (isAsked) {
    return (
      <Confirm
        class="history-all"
        label="Delete all conversations?"
        keep="Keep them"
        act="Delete all"
        onKeep={() => setAsked(false)}
        onAct={() => {
          setAsked(false)
          void chat.removeAll()
        }}
      />
    )
  }
  return (
    <p class="history-all">
      <button type="button" class="quiet" onClick={() => void saveAll()}>
        Save all
      </button>
      <button ref={deleting} type="button" class="quiet" onClick={() => setAsked(true)}>
        Delete all…
      </button>
    </p>
  )
}

function when(updated: number): string {
  const date = new Date(updated)
  const isToday = date.toDateString() === new Date().toDateString()
  return isToday
    ? date.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' })
    : date.toLocaleDateString(undefined, { day: 'numeric', month: 'short' })
}
