/**
 * A regular expression whose work is counted: one that a file brings along may take for ever, as (a+)+b does on a row of a's,
 * and nothing stops a RegExp that has begun.
 *
 * It searches as a RegExp does, by trying one way after another, so it finds the same; slower, and never for longer than a
 * number of steps that grows with the text.
 */
import { CheckpointError } from '../core/errors.ts'
import type { PatternNode, RepeatShape, TextPattern } from './pattern-tree.ts'

/** Steps that a text of so many characters may take; expressions of published tokenizers take some twenty a character. */
const STEPS = { atLeast: 100_000, perCharacter: 400 } as const

/** From a position to the end of the match that begins there, or −1. */
type Matcher = (at: number) => number

export class BoundedPattern implements TextPattern {
  lastIndex = 0
  readonly #where: string
  readonly #flags: string
  readonly #match: Matcher
  readonly #accepts = new Map<string, (code: number) => boolean>()
  #text = ''
  #steps = 0

  /** `flags`: those that the source of `tree` needs in JavaScript. */
  constructor(tree: PatternNode, { where, flags }: { where: string; flags: string }) {
    this.#where = where
    this.#flags = flags
    this.#match = this.#compile(tree, (at) => at)
  }

  /** As a global RegExp does. Throws CheckpointError where the steps of one text run out. */
  exec(text: string): { index: number; 0: string } | null {
    if (this.lastIndex === 0 || text !== this.#text) this.#steps = 0
    this.#text = text
    for (let at = this.lastIndex; at <= text.length; at += widthAt(text, at)) {
      const end = this.#match(at)
      this.#step()
      if (end < 0) continue
      this.lastIndex = end
      return { index: at, 0: text.slice(at, end) }
    }
    this.lastIndex = 0
    return null
  }

  #step(count = 1): void {
    this.#steps += count
    const { length } = this.#text
    const most = STEPS.atLeast + STEPS.perCharacter * length
    if (this.#steps <= most) return
    throw new CheckpointError(
      'CHECKPOINT_TOKENIZER',
      `tokenizer: ${this.#where} should be an expression that is done with ${length} characters in ${most} steps, it is not; use a tokenizer whose expression does not try the same characters in ever new ways.`,
    )
  }

  /** What matches `node` and then what `next` matches. */
  #compile(node: PatternNode, next: Matcher): Matcher {
    switch (node.kind) {
      case 'character': {
        const accepts = this.#character(node.source)
        return (at) => {
          this.#step()
          const width = this.#widthIf(accepts, at)
          return width === 0 ? -1 : next(at + width)
        }
      }
      case 'anchor':
        return this.#anchor(node.source, next)
      case 'sequence':
        return node.parts.reduceRight((rest, part) => this.#compile(part, rest), next)
      case 'either':
        return firstOf(node.options.map((option) => this.#compile(option, next)))
      case 'repeat':
        return this.#repeat(node, next)
      case 'atomic': {
        const body = this.#compile(node.body, (at) => at)
        return (at) => {
          const end = body(at)
          return end < 0 ? -1 : next(end)
        }
      }
      case 'look': {
        const { isBehind, isNegative } = node
        const isThere = isBehind ? this.#behind(node.body) : this.#ahead(node.body)
        return (at) => (isThere(at) === isNegative ? -1 : next(at))
      }
    }
  }

  #anchor(source: string, next: Matcher): Matcher {
    const place = new RegExp(source, `${this.#flags}y`)
    return (at) => {
      this.#step()
      place.lastIndex = at
      return place.test(this.#text) ? next(at) : -1
    }
  }

  #repeat(node: RepeatShape, next: Matcher): Matcher {
    if (node.body.kind === 'character') return this.#run(node, next)
    return matchesInOneWay(node.body) ? this.#series(node, next) : this.#loop(node, next)
  }

  /** Repetitions of what matches in one way only: a list of their ends is all there is to try, however long it gets. */
  #series({ body, min, max, isLazy }: RepeatShape, next: Matcher): Matcher {
    const once = this.#compile(body, (at) => at)
    return (at) => {
      const ends = [at]
      const extend = (): boolean => {
        const last = ends.at(-1) as number
        const count = ends.length - 1
        const end = count < max ? once(last) : -1
        if (end < 0 || (end === last && count >= min)) return false
        return ends.push(end) > 0
      }
      while (ends.length - 1 < (isLazy ? min : max) && extend());
      while (ends.length - 1 >= min) {
        this.#step()
        const found = next(ends.at(-1) as number)
        if (found >= 0) return found
        if (isLazy ? !extend() : ends.pop() === undefined) return -1
      }
      return -1
    }
  }

  /** A run of one character, without a call for each. */
  #run({ body, min, max, isLazy }: RepeatShape, next: Matcher): Matcher {
    const accepts = this.#character(body.source)
    return (at) => {
      let [end, count] = [at, 0]
      const most = isLazy ? min : max
      const extend = (): boolean => {
        const width = count < max ? this.#widthIf(accepts, end) : 0
        end += width
        count += width > 0 ? 1 : 0
        return width > 0
      }
      while (count < most && extend());
      this.#step(count + 1)
      if (count < min) return -1
      for (;;) {
        const found = next(end)
        if (found >= 0) return found
        this.#step()
        if (isLazy ? !extend() : count === min) return -1
        if (isLazy) continue
        count--
        end -= widthBefore(this.#text, end)
      }
    }
  }

  #loop({ body, min, max, isLazy }: RepeatShape, next: Matcher): Matcher {
    // The repetitions that are open, innermost last: where each began, and how many went before.
    let [began, count] = [-1, 0]
    const again = (at: number): number => {
      // A repetition that takes nothing would go on for ever.
      if (at === began && count > min) return -1
      this.#step()
      const [outerBegan, outerCount] = [began, count]
      const more = () => {
        if (outerCount >= max) return -1
        began = at
        count = outerCount + 1
        const found = once(at)
        began = outerBegan
        count = outerCount
        return found
      }
      const leave = () => {
        if (outerCount < min) return -1
        // What follows may come back to this loop, as one of its own.
        began = -1
        count = 0
        const found = next(at)
        began = outerBegan
        count = outerCount
        return found
      }
      const found = isLazy ? leave() : more()
      if (found >= 0) return found
      return isLazy ? more() : leave()
    }
    const once = this.#compile(body, (at) => again(at))
    return (at) => {
      const outer = [began, count] as const
      began = -1
      count = 0
      const found = again(at)
      ;[began, count] = outer
      return found
    }
  }

  #ahead(body: PatternNode): (at: number) => boolean {
    const match = this.#compile(body, (at) => at)
    return (at) => match(at) >= 0
  }

  /** Whether the body ends at a place: it is tried from one character before after another. */
  #behind(body: PatternNode): (at: number) => boolean {
    let wanted = 0
    const match = this.#compile(body, (end) => (end === wanted ? end : -1))
    const longest = longestOf(body)
    return (at) => {
      const outer = wanted
      wanted = at
      let start = at
      let isFound = match(start) >= 0
      for (let count = 0; !isFound && count < longest && start > 0; count++) {
        this.#step()
        start -= widthBefore(this.#text, start)
        isFound = match(start) >= 0
      }
      wanted = outer
      return isFound
    }
  }

  /** Code units of the character at a place, if it is one of those wanted, else 0. */
  #widthIf(accepts: (code: number) => boolean, at: number): number {
    if (at >= this.#text.length) return 0
    const code = this.#text.codePointAt(at) as number
    return accepts(code) ? (code > 0xffff ? 2 : 1) : 0
  }

  #character(source: string): (code: number) => boolean {
    const known = this.#accepts.get(source)
    if (known) return known
    const one = new RegExp(`^${source}$`, this.#flags)
    const seen = new Int8Array(SEEN)
    const accepts = (code: number): boolean => {
      if (code >= SEEN) return one.test(String.fromCodePoint(code))
      if (seen[code] === 0) seen[code] = one.test(String.fromCodePoint(code)) ? 1 : -1
      return seen[code] === 1
    }
    this.#accepts.set(source, accepts)
    return accepts
  }
}

/** Characters that are tested once only: all of alphabetic scripts' that are common. */
const SEEN = 0x800

function firstOf(options: readonly Matcher[]): Matcher {
  return (at) => {
    for (const option of options) {
      const end = option(at)
      if (end >= 0) return end
    }
    return -1
  }
}

function matchesInOneWay(node: PatternNode): boolean {
  switch (node.kind) {
    case 'character':
    case 'anchor':
    case 'look':
    case 'atomic':
      return true
    case 'sequence':
      return node.parts.every(matchesInOneWay)
    case 'either':
      return false
    case 'repeat':
      return node.min === node.max && matchesInOneWay(node.body)
  }
}

/** The most characters that a node matches. */
function longestOf(node: PatternNode): number {
  switch (node.kind) {
    case 'character':
      return 1
    case 'anchor':
    case 'look':
      return 0
    case 'sequence':
      return node.parts.reduce((sum, part) => sum + longestOf(part), 0)
    case 'either':
      return Math.max(...node.options.map(longestOf))
    case 'repeat': {
      const once = longestOf(node.body)
      return once === 0 ? 0 : once * node.max
    }
    case 'atomic':
      return longestOf(node.body)
  }
}

/** Code units of the character at a place; 1 at the end. */
function widthAt(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
}

function widthBefore(text: string, at: number): number {
  return at > 1 && (text.codePointAt(at - 2) as number) > 0xffff ? 2 : 1
}
