/** Files that take something to open: a few stay open, and the one that was wanted longest ago goes first. */
type Opened<T> = { readonly file: Promise<T>; readers: number; isWanted: boolean }

/** A file that stays open until it is given back. */
export type Lent<T> = AsyncDisposable & { readonly file: T }

export class FewOpen<T> {
  readonly #most: number
  readonly #open: (path: string) => Promise<T>
  readonly #close: (file: T) => Promise<void>
  readonly #opened = new Map<string, Opened<T>>()

  constructor(parts: {
    readonly most: number
    readonly open: (path: string) => Promise<T>
    readonly close: (file: T) => Promise<void>
  }) {
    this.#most = parts.most
    this.#open = parts.open
    this.#close = parts.close
  }

  /** Throws what opening throws. */
  async borrow(path: string): Promise<Lent<T>> {
    const opened = this.#opened.get(path) ?? {
      file: this.#open(path),
      readers: 0,
      isWanted: true,
    }
    opened.readers++
    this.#opened.delete(path)
    this.#opened.set(path, opened)
    const giveBack = () => {
      opened.readers--
      return this.#closeUnread(opened)
    }
    try {
      await this.#evict()
      return { file: await opened.file, [Symbol.asyncDispose]: giveBack }
    } catch (error) {
      // It is tried anew when it is wanted again.
      if (this.#opened.get(path) === opened) this.#opened.delete(path)
      await giveBack()
      throw error
    }
  }

  async close(): Promise<void> {
    const all = [...this.#opened.values()]
    this.#opened.clear()
    for (const opened of all) await this.#forget(opened)
  }

  async #evict(): Promise<void> {
    const [oldest] = this.#opened
    if (this.#opened.size <= this.#most || !oldest) return
    this.#opened.delete(oldest[0])
    await this.#forget(oldest[1])
  }

  async #forget(opened: Opened<T>): Promise<void> {
    opened.isWanted = false
    await this.#closeUnread(opened)
  }

  /** Whoever reads last closes what is wanted no more. */
  async #closeUnread({ file, readers, isWanted }: Opened<T>): Promise<void> {
    if (isWanted || readers > 0) return
    // One that could not be opened told so whoever wanted it.
    const opened = await file.catch(() => null)
    if (opened !== null) await this.#close(opened)
  }
}
