/** What the tabs of this page tell one another. Conversations themselves are read from the database. */

export type TabNote =
  /** A conversation was written, or an answer in it is under way. */
  | { readonly kind: 'changed'; readonly id: string; readonly answer: string | null }
  /** The tab with an answer under way is closed. */
  | { readonly kind: 'left'; readonly id: string; readonly answer: string }
  /** Some are in the database no longer. */
  | { readonly kind: 'removed' }
  /** A tab was opened, which does not know what is answered elsewhere. */
  | { readonly kind: 'opened' }

/** Tells the other tabs of this browser, which are heard by `onNote`. */
export function joinTabs(onNote: (note: TabNote) => void): (note: TabNote) => void {
  const channel = new BroadcastChannel('llava')
  channel.onmessage = ({ data }: MessageEvent<TabNote>) => onNote(data)
  return (note) => channel.postMessage(note)
}
