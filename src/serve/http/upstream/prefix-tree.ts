/**
 * Which worker has read which beginnings of prompts: an approximate radix tree over texts in which pictures are their hashes.
 *
 * Approximate, because a worker's own cache forgets without telling; a guess that is wrong costs a prefill, not an answer.
 * The idea is that of SGLang's router (docs.sglang.ai, "SGLang Model Gateway", cache-aware routing).
 */

type Node<W> = {
  text: string
  /** By the first character of their texts. */
  children: Map<string, Node<W>>
  /** Who has read up to the end of this node, and when they last did. */
  workers: Map<W, number>
}

export class PrefixTree<W> {
  readonly #maxCharacters: number
  readonly #root: Node<W> = emptyNode('')
  readonly #sizes = new Map<W, number>()
  #clock = 0

  /** `maxCharacters`: of all workers together; what was used longest ago is forgotten first. */
  constructor(maxCharacters: number) {
    this.#maxCharacters = maxCharacters
  }

  /** Characters that are remembered of a worker. */
  sizeOf(worker: W): number {
    return this.#sizes.get(worker) ?? 0
  }

  /** How many of the first characters of `key` each worker has read. Workers that have read none are not in it. */
  match(key: string): Map<W, number> {
    const found = new Map<W, number>()
    let node = this.#root
    let at = 0
    while (at < key.length) {
      const child = node.children.get(key.charAt(at))
      if (!child) break
      const length = commonStart(child.text, key, at)
      for (const worker of child.workers.keys()) found.set(worker, at + length)
      at += length
      if (length < child.text.length) break
      node = child
    }
    return found
  }

  /** Notes that a worker has read `key`. */
  add(key: string, worker: W): void {
    const now = ++this.#clock
    let node = this.#root
    let at = 0
    while (at < key.length) {
      const child = this.#childFor(node, key, at)
      if (!child.workers.has(worker)) this.#grow(worker, child.text.length)
      child.workers.set(worker, now)
      at += child.text.length
      node = child
    }
    this.#trim()
  }

  /** Forgets what a worker has read: it was started anew. */
  forget(worker: W): void {
    this.#forgetBelow(this.#root, worker)
    this.#sizes.delete(worker)
  }

  /** The child that `key` goes on with from `at`: split where the two part, new where there is none. */
  #childFor(node: Node<W>, key: string, at: number): Node<W> {
    const first = key.charAt(at)
    const child = node.children.get(first)
    if (!child) {
      const added = emptyNode<W>(key.slice(at))
      node.children.set(first, added)
      return added
    }
    const length = commonStart(child.text, key, at)
    if (length === child.text.length) return child
    const upper: Node<W> = {
      text: child.text.slice(0, length),
      children: new Map([[child.text.charAt(length), child]]),
      workers: new Map(child.workers),
    }
    child.text = child.text.slice(length)
    node.children.set(first, upper)
    return upper
  }

  #grow(worker: W, characters: number): void {
    this.#sizes.set(worker, this.sizeOf(worker) + characters)
  }

  #forgetBelow(node: Node<W>, worker: W): void {
    for (const [first, child] of node.children) {
      if (!child.workers.delete(worker)) continue
      this.#forgetBelow(child, worker)
      if (child.workers.size === 0) node.children.delete(first)
    }
  }

  /** Down to three quarters, so that it is not done for each prompt. */
  #trim(): void {
    let total = 0
    for (const size of this.#sizes.values()) total += size
    if (total <= this.#maxCharacters) return
    const uses = [...this.#uses(this.#root)].sort((a, b) => a.at - b.at)
    for (const { node, worker } of uses) {
      if (total <= this.#maxCharacters * 0.75) break
      // Whoever has read on from here has used this later, or at the same time: ends come before beginnings.
      node.workers.delete(worker)
      this.#grow(worker, -node.text.length)
      total -= node.text.length
    }
    this.#prune(this.#root)
  }

  /** Every reading, ends before beginnings. */
  *#uses(node: Node<W>): Generator<{ node: Node<W>; worker: W; at: number }> {
    for (const child of node.children.values()) {
      yield* this.#uses(child)
      for (const [worker, at] of child.workers) yield { node: child, worker, at }
    }
  }

  #prune(node: Node<W>): void {
    for (const [first, child] of node.children) {
      if (child.workers.size === 0) node.children.delete(first)
      else this.#prune(child)
    }
  }
}

function emptyNode<W>(text: string): Node<W> {
  return { text, children: new Map(), workers: new Map() }
}

/** How many of the first characters of `text` are those of `key` from `at` on. */
function commonStart(text: string, key: string, at: number): number {
  const limit = Math.min(text.length, key.length - at)
  let length = 0
  while (length < limit && text.charCodeAt(length) === key.charCodeAt(at + length)) length++
  return length
}
