/** Conversations and their pictures in this browser's database; nothing of them is kept anywhere else. */
import type { Conversation } from './turns.ts'

export class History {
  readonly #database: IDBDatabase

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

  /** The latest first. */
  async conversations(): Promise<Conversation[]> {
    const store = this.#database.transaction('conversations').objectStore('conversations')
    const all = await resultOf(store.getAll() as IDBRequest<Conversation[]>)
    return all.sort((a, b) => b.updated - a.updated)
  }

  async save(conversation: Conversation): Promise<void> {
    const change = this.#database.transaction('conversations', 'readwrite')
    change.objectStore('conversations').put(conversation)
    await endOf(change)
  }

  async saveMedium(medium: StoredMedium): Promise<void> {
    const change = this.#database.transaction('media', 'readwrite')
    change.objectStore('media').put(medium)
    await endOf(change)
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
