/**
 * Conversations and their pictures in this browser's database; nothing of them is kept anywhere else. Other tabs write there
 * too: what is saved joins what is stored, and what was deleted stays so.
 */
import { mergeTurns, type TurnOrigin } from './merge-turns.ts'
import { titleOf, type Conversation, type Turn } from './turns.ts'

export class History {
  readonly #database: IDBDatabase
  readonly #origins = new Map<string, TurnOrigin>()
  /** Conversations that were in the database: where one is there no longer it was deleted. */
  readonly #known = new Set<string>()

  private constructor(database: IDBDatabase) {
    this.#database = database
  }

  /** Rejects where the browser keeps nothing, in a private window, say. */
  static async open(): Promise<History> {
    const request = indexedDB.open('llava', 1)
    request.onupgradeneeded = () => {
      request.result.createObjectStore('conversations', { keyPath: 'id' })
      const media = request.result.createObjectStore('media', { keyPath: 'id' })
      media.createIndex('conversation', 'conversation')
    }
    return new History(await resultOf(request))
  }

  async conversations(): Promise<Conversation[]> {
    const store = this.#database.transaction('conversations').objectStore('conversations')
    const all = await resultOf(store.getAll() as IDBRequest<Conversation[]>)
    for (const one of all) this.#note(one, 'read')
    return all
  }

  async conversation(id: string): Promise<Conversation | null> {
    const store = this.#database.transaction('conversations').objectStore('conversations')
    const found = await resultOf(store.get(id) as IDBRequest<Conversation | undefined>)
    if (found) this.#note(found, 'read')
    return found ?? null
  }

  /**
   * Keeps what this tab did in a conversation, with the bytes of what is shown in it; other tabs' turns stay. Returns the
   * conversation as it is stored now, or null where it was deleted.
   */
  async save(
    mine: Conversation,
    media: readonly StoredMedium[] = [],
  ): Promise<Conversation | null> {
    const change = this.#database.transaction(['conversations', 'media'], 'readwrite')
    const store = change.objectStore('conversations')
    const stored = await resultOf(store.get(mine.id) as IDBRequest<Conversation | undefined>)
    if (!stored && this.#known.has(mine.id)) return null
    const merged = stored ? this.merged(stored, mine) : mine
    store.put(merged)
    for (const medium of media) change.objectStore('media').put(medium)
    await endOf(change)
    this.#note(mine, 'written')
    this.#note(merged, 'read')
    return merged
  }

  /** `stored`, with what this tab has done and not saved yet. */
  merged(stored: Conversation, mine: Conversation): Conversation {
    const turns = mergeTurns(stored.turns, mine.turns, this.#origins)
    const updated = Math.max(stored.updated, mine.updated)
    return { ...stored, turns, title: titleOf(turns), updated }
  }

  /** Another tab deleted it. */
  isGone(id: string, stored: ReadonlySet<string>): boolean {
    return this.#known.has(id) && !stored.has(id)
  }

  async ids(): Promise<ReadonlySet<string>> {
    const store = this.#database.transaction('conversations').objectStore('conversations')
    return new Set((await resultOf(store.getAllKeys())) as string[])
  }

  /** Turns that others are asked in the place of; saving takes them away. */
  replace(turns: readonly Turn[]): void {
    for (const { id } of turns) this.#origins.set(id, 'removed')
  }

  #note({ id, turns }: Conversation, origin: TurnOrigin): void {
    this.#known.add(id)
    for (const turn of turns) if (!this.#origins.has(turn.id)) this.#origins.set(turn.id, origin)
  }

  async medium(id: string): Promise<Blob | null> {
    const store = this.#database.transaction('media').objectStore('media')
    const found = await resultOf(store.get(id) as IDBRequest<StoredMedium | undefined>)
    return found?.blob ?? null
  }

  /** The conversation with all that was shown in it. */
  async remove(id: string): Promise<void> {
    const change = this.#database.transaction(['conversations', 'media'], 'readwrite')
    change.objectStore('conversations').delete(id)
    const media = change.objectStore('media')
    const keys = await resultOf(media.index('conversation').getAllKeys(id))
    for (const key of keys) media.delete(key)
    await endOf(change)
  }

  async clear(): Promise<void> {
    const change = this.#database.transaction(['conversations', 'media'], 'readwrite')
    change.objectStore('conversations').clear()
    change.objectStore('media').clear()
    await endOf(change)
  }
}

export type StoredMedium = {
  readonly id: string
  /** Whose it is. */
  readonly conversation: string
  readonly blob: Blob
}

function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error ?? new Error('internal: the database failed'))
  })
}

function endOf(change: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    change.oncomplete = () => resolve()
    change.onabort = () => reject(change.error ?? new Error('internal: the database stopped'))
  })
}
