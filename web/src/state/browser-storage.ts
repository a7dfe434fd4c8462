/** Small texts that the browser keeps. Where it refuses to, they last as long as the page. */

export function keptText(kind: Kind, key: string): string | null {
  return memory.get(key) ?? storageOf(kind)?.getItem(key) ?? null
}

/** null forgets it. A text that there is no room for is only remembered. */
export function keepText(kind: Kind, key: string, text: string | null): void {
  memory.delete(key)
  const storage = storageOf(kind)
  if (text === null) return storage?.removeItem(key)
  if (!storage) return void memory.set(key, text)
  try {
    storage.setItem(key, text)
  } catch {
    memory.set(key, text) // full
  }
}

/** `session` ends with the tab. */
type Kind = 'local' | 'session'

const memory = new Map<string, string>()

/** Browsers that are told to keep nothing throw at the name itself. */
function storageOf(kind: Kind): Storage | null {
  try {
    return kind === 'local' ? localStorage : sessionStorage
  } catch {
    return null
  }
}
