/** The items of a `for` one after another, and what `loop` knows about them. */
import { isEqual } from './compare.ts'
import type { Environment } from './environment.ts'
import { fail } from './failure.ts'
import { iterate, sizeOf } from './sequences.ts'
import { HostObject, Tuple, Undefined, type Arguments, type Value } from './values.ts'

export class LoopState {
  readonly #env: Environment
  readonly #iterator: IterableIterator<Value>
  readonly #depth: number
  readonly #recurse: ((iterable: Value) => Value) | undefined
  #length: number | undefined
  #ahead: Value[] = []
  #index0 = -1
  #previous: Value | undefined
  #current: Value | undefined
  #lastChanged: Tuple | undefined
  /** The value of the name `loop`. */
  readonly self: HostObject

  constructor(
    env: Environment,
    iterable: Value,
    depth: number,
    recurse?: (iterable: Value) => Value,
  ) {
    this.#env = env
    this.#iterator = iterate(iterable, env.budget)
    this.#length = sizeOf(iterable)
    this.#depth = depth
    this.#recurse = recurse
    this.self = new HostObject('LoopContext', '<LoopContext>', {
      call: (args) => this.#call(args),
      attribute: (name) => this.#attribute(name),
    })
  }

  /** Moves on; undefined after the last item. */
  next(): Value | undefined {
    const item = this.#ahead.length > 0 ? this.#ahead.shift() : this.#take()
    if (item === undefined) return undefined
    this.#index0++
    this.#previous = this.#current
    this.#current = item
    return item
  }

  #take(): Value | undefined {
    const next = this.#iterator.next()
    return next.done === true ? undefined : next.value
  }

  /** The item after the current one, taken early. */
  #peek(): Value | undefined {
    if (this.#ahead.length === 0) {
      const item = this.#take()
      if (item !== undefined) this.#ahead.push(item)
    }
    return this.#ahead[0]
  }

  /** A generator has no length: it is walked to its end to get one. */
  #size(): number {
    if (this.#length === undefined) {
      this.#ahead.push(...this.#iterator)
      this.#length = this.#index0 + 1 + this.#ahead.length
    }
    return this.#length
  }

  #attribute(name: string): Value | undefined {
    switch (name) {
      case 'index0':
        return BigInt(this.#index0)
      case 'index':
        return BigInt(this.#index0 + 1)
      case 'first':
        return this.#index0 === 0
      case 'last':
        return this.#peek() === undefined
      case 'length':
        return BigInt(this.#size())
      case 'revindex0':
        return BigInt(this.#size() - this.#index0 - 1)
      case 'revindex':
        return BigInt(this.#size() - this.#index0)
      case 'depth0':
        return BigInt(this.#depth)
      case 'depth':
        return BigInt(this.#depth + 1)
      case 'previtem':
        return this.#index0 > 0 ? this.#previous : new Undefined('there is no previous item')
      case 'nextitem': {
        const next = this.#peek()
        return next === undefined ? new Undefined('there is no next item') : next
      }
      case 'cycle':
        return this.#method(name, (args) => this.#cycle(args))
      case 'changed':
        return this.#method(name, (args) => this.#changed(args))
      default:
        return undefined
    }
  }

  #method(name: string, call: (args: Arguments) => Value): HostObject {
    return new HostObject('method', `<bound method LoopContext.${name}>`, { call })
  }

  #cycle({ positional }: Arguments): Value {
    if (positional.length === 0) fail('TypeError', 'no items for cycling given')
    return positional[this.#index0 % positional.length] as Value
  }

  #changed({ positional }: Arguments): boolean {
    const values = new Tuple(positional)
    const isSame =
      this.#lastChanged !== undefined && isEqual(this.#lastChanged, values, this.#env.budget)
    this.#lastChanged = values
    return !isSame
  }

  #call({ positional: [iterable] }: Arguments): Value {
    if (this.#recurse === undefined) {
      return fail(
        'TypeError',
        "The loop must have the 'recursive' marker to be called recursively.",
      )
    }
    return this.#recurse(iterable ?? null)
  }
}
