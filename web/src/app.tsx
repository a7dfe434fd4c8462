/** The page: earlier conversations, the one that is open, and settings. */
import type { JSX } from 'preact'
import { useCallback, useEffect, useState } from 'preact/hooks'
import type { Medium } from './state/turns.ts'
import { useDrop, usePaste } from './view/attachments.tsx'
import { Composer } from './view/composer.tsx'
import { ConversationView } from './view/conversation.tsx'
import { CutDialog } from './view/cut-dialog.tsx'
import { Panel } from './view/dialog.tsx'
import { HistoryList } from './view/history-list.tsx'
import { KeyDialog } from './view/key-dialog.tsx'
import { SettingsPanel } from './view/settings-panel.tsx'
import { TopBar } from './view/top-bar.tsx'
import { useChat, useMatches } from './view/use-chat.ts'

export function App(): JSX.Element {
  const { chat, state } = useChat()
  const { connection, current, announcement } = state
  const isWide = useMatches('(min-width: 800px)')
  const [showsHistory, setShowsHistory] = useState(isWide)
  const [showsSettings, setShowsSettings] = useState(false)
  // A window that becomes narrow would have its panel laid over the conversation.
  useEffect(() => setShowsHistory(isWide), [isWide])
  const [medium, setMedium] = useState<Medium | null>(null)
  const [isKeyAsked, setKeyAsked] = useState(true)
  const attach = useCallback((files: readonly File[]) => void chat.attach(files), [chat])
  const isDropping = useDrop(attach)
  usePaste(attach)
  useEffect(() => setKeyAsked(true), [connection])
  useEffect(() => {
    document.title = current.title === '' ? 'llava' : `${current.title} · llava`
  }, [current.title])
  useStopOnEscape()
  return (
    <div class="app">
      {showsHistory && (
        <Panel title="Conversations" side="left" onClose={() => setShowsHistory(false)}>
          <HistoryList onOpened={() => !isWide && setShowsHistory(false)} />
        </Panel>
      )}
      <main>
        <TopBar
          showsHistory={showsHistory}
          showsSettings={showsSettings}
          onHistory={() => setShowsHistory(!showsHistory)}
          onSettings={() => setShowsSettings(!showsSettings)}
        />
        <ConversationView onOpenMedium={setMedium} />
        <Composer onOpenMedium={setMedium} />
      </main>
      {showsSettings && (
        <Panel title="Settings" side="right" onClose={() => setShowsSettings(false)}>
          <SettingsPanel />
        </Panel>
      )}
      {medium && <CutDialog medium={medium} onClose={() => setMedium(null)} />}
      {connection.status === 'key' && isKeyAsked && (
        <KeyDialog isWrong={connection.isWrong} onClose={() => setKeyAsked(false)} />
      )}
      {isDropping && (
        <div class="dropping" aria-hidden="true">
          <p>Drop pictures and clips</p>
        </div>
      )}
      <p class="hidden" role="status">
        {announcement}
      </p>
    </div>
  )
}

/** Escape stops the answer, unless it closes something. */
function useStopOnEscape(): void {
  const { chat } = useChat()
  useEffect(() => {
    const stop = (event: KeyboardEvent) => {
      const isTaken = event.defaultPrevented || document.querySelector('dialog[open], .editor')
      if (event.key === 'Escape' && !isTaken) chat.stop()
    }
    addEventListener('keydown', stop)
    return () => removeEventListener('keydown', stop)
  }, [chat])
}
