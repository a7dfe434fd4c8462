/**
 * Beginnings of sequences, kept for whatever begins the same way: a tree of blocks, shared by all that agree so far.
 *
 * A position is known by its key: the token id, or for a picture's row a negative number that stands for the picture's
 * pixels and the row. Each node of the tree is a block of positions behind those of its parent, so a common beginning
 * is kept once; what is shared may end within a block. Each salt has a tree of its own. The least recently used leaf
 * goes first when the budget is full, unless somebody is just copying it.
 *
 * Source of the idea: arXiv:2312.07104 section 3 (RadixAttention); ours has edges of one block each.
 */
import type { DecoderConfig } from '../decoder/decoder.ts'
import { commonLength } from './common-length.ts'
import type { CacheForm } from './decoder-graph.ts'
import { Breath } from './kv-cache.ts'
import { BLOCK_POSITIONS, BlockFormat, type BlockRows, type SlotOf } from './kv-blocks.ts'

/** A sequence by its keys, and who may share it. */
export type Keyed = { readonly salt: string; readonly keys: readonly number[] }

type Node = {
  readonly keys: readonly number[]
  readonly parent: Node | null
  readonly salt: string
  /** By the first of their keys; several may begin alike. */
  readonly children: Map<number, Node[]>
  readonly rows: BlockRows
  /** Who is copying it. */
  pins: number
}

/** A beginning that is kept, until `release`. */
export type Found = { readonly length: number; readonly path: readonly Node[] }

/** A rest of fewer positions is computed again sooner than kept in a block of its own. */
const FEWEST_IN_BLOCK = 8
const NOTHING = new Int8Array(0)

export class PrefixCache {
  readonly #format: BlockFormat
  readonly #roots = new Map<string, Node>()
  /** Least recently used first; a node is always used later than those behind it. */
  readonly #nodes = new Set<Node>()
  /** Of blocks that went, for those that come. */
  #spare: BlockRows[] = []
  #positions = 0
  #evicted = 0

  constructor(config: DecoderConfig, form: CacheForm) {
    this.#format = new BlockFormat(config, form)
  }

  /** Memory of all blocks. */
  get bytes(): number {
    return this.#nodes.size * this.#format.bytes
  }

  get positions(): number {
    return this.#positions
  }

  /** Positions that had to go. */
  get evictedPositions(): number {
    return this.#evicted
  }

  /** The longest beginning that is kept, pinned until it is released. */
  find({ salt, keys }: Keyed): Found {
    const path: Node[] = []
    let length = 0
    let children = this.#roots.get(salt)?.children
    while (children) {
      const { node, shared } = longest(children.get(keys[length] as number) ?? [], keys, length)
      if (!node) break
      path.push(node)
      length += shared
      children = shared === BLOCK_POSITIONS ? node.children : undefined
    }
    this.#use(path)
    for (const node of path) node.pins++
    return { length, path }
  }

  release({ path }: Found): void {
    for (const node of path) node.pins--
  }

  /** Copies positions [start, length) of what was found into a slot, which holds those before. */
  async load(
    { path }: Found,
    target: SlotOf,
    { start, length }: { readonly start: number; readonly length: number },
  ): Promise<void> {
    if (start === 0) target.cache.resetScales(target.slot)
    const breath = new Breath()
    for (const [i, { rows }] of path.entries()) {
      const first = i * BLOCK_POSITIONS
      const from = Math.max(start - first, 0)
      const to = Math.min(length - first, BLOCK_POSITIONS)
      if (from >= to) continue
      await this.#format.copyIn(target, { rows, from, to, position: first + from }, breath)
    }
  }

  /** How many positions of a sequence are kept, in whole blocks. */
  keptLength(sequence: Keyed): number {
    return this.#wholeBlocks(sequence).length * BLOCK_POSITIONS
  }

  /** Keeps the positions of a slot, as far as they fit into `budgetBytes` and are not kept yet. */
  async store(sequence: Keyed, source: SlotOf, budgetBytes: number): Promise<void> {
    const { keys, salt } = sequence
    const path = this.#wholeBlocks(sequence)
    const root = this.#root(salt)
    for (const node of [root, ...path]) node.pins++
    try {
      const breath = new Breath()
      for (let at = path.length * BLOCK_POSITIONS; at < keys.length; at += BLOCK_POSITIONS) {
        const part = keys.slice(at, at + BLOCK_POSITIONS)
        const parent = path.at(-1) ?? root
        if (part.length < FEWEST_IN_BLOCK || isKept(parent, part)) break
        const rows = this.#takeRows(budgetBytes)
        if (!rows) break
        await this.#format.copyOut(source, { rows, position: at, count: part.length }, breath)
        path.push(this.#add(parent, part, rows))
      }
    } finally {
      for (const node of [root, ...path]) node.pins--
      this.#use(path)
      this.#spare = []
      this.#forgetEmptyRoot(salt)
    }
  }

  /** Forgets the least recently used blocks until the others take no more than `bytes`, but for those that are pinned. */
  shrink(bytes: number): void {
    while (this.bytes > Math.max(bytes, 0) && this.#evictOne());
    this.#spare = []
  }

  #root(salt: string): Node {
    const root = this.#roots.get(salt) ?? newNode({ keys: [], parent: null, salt }, NOTHING)
    this.#roots.set(salt, root)
    return root
  }

  /** The nodes of a sequence's beginning that it shares wholly. */
  #wholeBlocks({ salt, keys }: Keyed): Node[] {
    const path: Node[] = []
    let children = this.#roots.get(salt)?.children
    while (children) {
      const at = path.length * BLOCK_POSITIONS
      const { node, shared } = longest(children.get(keys[at] as number) ?? [], keys, at)
      if (!node || shared < BLOCK_POSITIONS) break
      path.push(node)
      children = node.children
    }
    return path
  }

  /** Adds a pinned node; a shorter one that it contains goes. */
  #add(parent: Node, keys: readonly number[], rows: BlockRows): Node {
    for (const sibling of siblings(parent, keys)) {
      const isWithin = commonLength(sibling.keys, keys) === sibling.keys.length
      if (isWithin && sibling.pins === 0 && sibling.children.size === 0) this.#remove(sibling)
    }
    const node = newNode({ keys, parent, salt: parent.salt }, rows)
    node.pins = 1
    parent.children.set(keys[0] as number, [...siblings(parent, keys), node])
    this.#nodes.add(node)
    this.#positions += keys.length
    return node
  }

  /** Memory for a block within the budget, or null. */
  #takeRows(budgetBytes: number): BlockRows | null {
    while (this.bytes + this.#format.bytes > budgetBytes) if (!this.#evictOne()) return null
    return this.#spare.pop() ?? this.#format.allocate()
  }

  #evictOne(): boolean {
    for (const node of this.#nodes) {
      if (node.pins > 0 || node.children.size > 0) continue
      this.#evicted += node.keys.length
      this.#remove(node)
      this.#forgetEmptyRoot(node.salt)
      return true
    }
    return false
  }

  #remove(node: Node): void {
    const { parent, keys, rows } = node
    if (!parent) throw new Error('internal: a root holds no block')
    const others = siblings(parent, keys).filter((other) => other !== node)
    if (others.length > 0) parent.children.set(keys[0] as number, others)
    else parent.children.delete(keys[0] as number)
    this.#nodes.delete(node)
    this.#positions -= keys.length
    this.#spare.push(rows)
  }

  #forgetEmptyRoot(salt: string): void {
    const root = this.#roots.get(salt)
    if (root?.children.size === 0 && root.pins === 0) this.#roots.delete(salt)
  }

  /** From the last to the first, so that none seems older than those behind it. */
  #use(path: readonly Node[]): void {
    for (const node of path.toReversed()) {
      this.#nodes.delete(node)
      this.#nodes.add(node)
    }
  }
}

function newNode(of: Pick<Node, 'keys' | 'parent' | 'salt'>, rows: BlockRows): Node {
  return { ...of, children: new Map(), rows, pins: 0 }
}

function siblings(parent: Node, keys: readonly number[]): readonly Node[] {
  return parent.children.get(keys[0] as number) ?? []
}

/** Whether a child holds all of `keys`. */
function isKept(parent: Node, keys: readonly number[]): boolean {
  return siblings(parent, keys).some((child) => commonLength(child.keys, keys) === keys.length)
}

/** The node that shares most with `keys` from `at` on. */
function longest(
  nodes: readonly Node[],
  keys: readonly number[],
  at: number,
): { readonly node: Node | null; readonly shared: number } {
  let best: { node: Node | null; shared: number } = { node: null, shared: 0 }
  for (const node of nodes) {
    const shared = commonLength(node.keys, keys, at)
    if (shared > best.shared) best = { node, shared }
  }
  return best
}
