/** The state of the page for views: they are drawn again when it changes. */
import { createContext } from 'preact'
import { useContext, useEffect, useState } from 'preact/hooks'
import type { Chat, ChatState } from '../state/chat.ts'

const ChatContext = createContext<Chat | null>(null)

export const ChatProvider = ChatContext.Provider

export function useChat(): { readonly chat: Chat; readonly state: ChatState } {
  const chat = useContext(ChatContext)
  if (!chat) throw new Error('internal: a view stands outside of the page')
  const [state, setState] = useState(chat.state)
  useEffect(() => {
    setState(chat.state)
    return chat.subscribe(() => setState(chat.state))
  }, [chat])
  return { chat, state }
}

/** An address of a medium's bytes for as long as it is shown; null until they are there. */
export function useMediumUrl(id: string): string | null {
  const { chat } = useChat()
  const [url, setUrl] = useState<string | null>(null)
  useEffect(() => {
    let made: string | null = null
    let isGone = false
    void chat.media.blob(id).then((blob) => {
      if (!blob || isGone) return
      made = URL.createObjectURL(blob)
      setUrl(made)
    })
    return () => {
      isGone = true
      if (made !== null) URL.revokeObjectURL(made)
    }
  }, [chat, id])
  return url
}

export function useMatches(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches)
  useEffect(() => {
    const list = matchMedia(query)
    const change = () => setMatches(list.matches)
    change()
    list.addEventListener('change', change)
    return () => list.removeEventListener('change', change)
  }, [query])
  return matches
}
