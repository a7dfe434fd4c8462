/**
 * A pickle machine that can build plain data and nothing else.
 *
 * Python's own runs any function that a file names. This one knows only numbers, texts, tuples, lists and dicts; names
 * (opcode GLOBAL) and foreign objects (BINPERSID) are asked of an environment that has a short list and refuses the
 * rest. Opcodes: CPython, Lib/pickletools.py. Every opcode reads at least one byte, so time is bounded by the
 * file's length; memory is bounded by the number of values.
 */
import { CheckpointError } from '../core/errors.ts'

export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | { readonly kind: 'tuple' | 'list'; readonly items: PickleValue[] }
  | PickleDict
  | PickleFunction
  | PickleObject

export type PickleDict = {
  readonly kind: 'dict'
  readonly entries: Map<string | number | bigint, PickleValue>
}

/** A name that REDUCE may call. */
export type PickleFunction = {
  readonly kind: 'function'
  readonly name: string
  call(args: readonly PickleValue[]): PickleValue
}

/** A handle for something that the environment made and keeps; the machine only passes it on. */
export type PickleObject = { readonly kind: 'object'; readonly name: string }

export type PickleEnvironment = {
  /** What `module.name` stands for, or undefined to refuse it. */
  global(name: string): PickleFunction | PickleObject | undefined
  /** The object with a persistent id. */
  persistent(id: PickleValue): PickleValue
}

/** Runs one pickle; `where` begins every message. Throws CheckpointError for anything but the opcodes below. */
export function readPickle(
  where: string,
  bytes: Uint8Array,
  environment: PickleEnvironment,
): PickleValue {
  const machine: Machine = new Machine(where, bytes, environment)
  for (;;) {
    const opcode = machine.readByte()
    if (opcode === STOP) return machine.pop()
    const step = STEPS.get(opcode)
    if (step === undefined)
      machine.refuse(`opcode ${REFUSED_NAMES.get(opcode) ?? `0x${opcode.toString(16)}`}`)
    step(machine)
  }
}

/** How a value is called in messages; never walks into it, since pickled lists may contain themselves. */
export function describePickled(value: PickleValue | undefined): string {
  if (value === undefined || value === null) return 'nothing'
  if (typeof value !== 'object') return `${typeof value} ${String(value).slice(0, 40)}`
  if (value.kind === 'function' || value.kind === 'object') return value.name
  return `a ${value.kind}`
}

// A value takes up to some hundred times the memory of its byte; a tensor takes about twenty values.
const MAX_VALUES = 1_000_000

class Machine {
  readonly #memo = new Map<number, PickleValue>()
  readonly #where: string
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #environment: PickleEnvironment
  readonly #stack: PickleValue[] = []
  readonly #marks: number[] = []
  #at = 0
  #numValues = 0

  constructor(where: string, bytes: Uint8Array, environment: PickleEnvironment) {
    this.#where = where
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#environment = environment
  }

  push(value: PickleValue): void {
    this.#count()
    this.#stack.push(value)
  }

  pop(): PickleValue {
    const floor = this.#marks.at(-1) ?? 0
    const value = this.#stack.length > floor ? this.#stack.pop() : undefined
    return value === undefined ? this.fail('a value on the stack') : value
  }

  mark(): void {
    this.#count()
    this.#marks.push(this.#stack.length)
  }

  popToMark(): PickleValue[] {
    const mark = this.#marks.pop()
    return mark === undefined ? this.fail('a mark on the stack') : this.#stack.splice(mark)
  }

  top(): PickleValue {
    const value = this.pop()
    this.#stack.push(value)
    return value
  }

  /** Remembers the top of the stack under `key`; the next number if there is none. */
  memoize(key = this.#memo.size): void {
    this.#count()
    this.#memo.set(key, this.top())
  }

  recall(key: number): void {
    this.push(this.#memo.get(key) ?? this.fail(`memo ${key} to be set`))
  }

  readByte(): number {
    return this.#view.getUint8(this.#take(1))
  }

  readUint16(): number {
    return this.#view.getUint16(this.#take(2), true)
  }

  readInt32(): number {
    return this.#view.getInt32(this.#take(4), true)
  }

  readUint32(): number {
    return this.#view.getUint32(this.#take(4), true)
  }

  readUint64(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true))
  }

  /** Big-endian, unlike everything else in a pickle. */
  readFloat64(): number {
    return this.#view.getFloat64(this.#take(8), false)
  }

  readBytes(length: number): Uint8Array {
    const start = this.#take(length)
    return this.#bytes.subarray(start, start + length)
  }

  readText(length: number): string {
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(this.readBytes(length))
  }

  readLine(): string {
    const end = this.#bytes.indexOf(10, this.#at)
    if (end < 0) this.fail('the end of a line')
    const line = this.readText(end - this.#at)
    this.#take(1)
    return line
  }

  pushGlobal(name: string): void {
    this.push(this.#environment.global(name) ?? this.refuse(`the name ${name.slice(0, 80)}`))
  }

  pushPersistent(id: PickleValue): void {
    this.push(this.#environment.persistent(id))
  }

  refuse(what: string): never {
    throw new CheckpointError(
      'CHECKPOINT_PICKLE_REFUSED',
      `${this.#where}: expected tensors and plain data, the pickle asks for ${what}; ` +
        'this could run code and is refused, save only a state dict or convert it to safetensors.',
    )
  }

  fail(expected: string): never {
    throw new CheckpointError(
      'CHECKPOINT_PICKLE',
      `${this.#where}: expected ${expected} before byte ${this.#at} of the pickle; the file is damaged.`,
    )
  }

  #count(): void {
    if (++this.#numValues > MAX_VALUES) this.fail(`at most ${MAX_VALUES} values`)
  }

  #take(length: number): number {
    const start = this.#at
    if (length > this.#bytes.length - start) this.fail(`${length} more bytes`)
    this.#at += length
    return start
  }
}

type Step = (machine: Machine) => void

const STOP = 0x2e

const STEPS: ReadonlyMap<number, Step> = new Map<number, Step>([
  // Frame and protocol
  [0x80, (m) => void m.readByte()], // PROTO
  [0x95, (m) => void m.readUint64()], // FRAME
  // Constants
  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4b, (m) => m.push(m.readByte())], // BININT1
  [0x4d, (m) => m.push(m.readUint16())], // BININT2
  [0x4a, (m) => m.push(m.readInt32())], // BININT
  [0x8a, (m) => m.push(littleEndian(m.readBytes(m.readByte())))], // LONG1
  [0x47, (m) => m.push(m.readFloat64())], // BINFLOAT
  [0x8c, (m) => m.push(m.readText(m.readByte()))], // SHORT_BINUNICODE
  [0x58, (m) => m.push(m.readText(m.readUint32()))], // BINUNICODE
  [0x8d, (m) => m.push(m.readText(m.readUint64()))], // BINUNICODE8
  // Stack and memo
  [0x28, (m) => m.mark()], // MARK
  [0x30, (m) => void m.pop()], // POP
  [0x31, (m) => void m.popToMark()], // POP_MARK
  [0x71, (m) => m.memoize(m.readByte())], // BINPUT
  [0x72, (m) => m.memoize(m.readUint32())], // LONG_BINPUT
  [0x94, (m) => m.memoize()], // MEMOIZE
  [0x68, (m) => m.recall(m.readByte())], // BINGET
  [0x6a, (m) => m.recall(m.readUint32())], // LONG_BINGET
  // Tuples, lists, dicts
  [0x29, (m) => m.push({ kind: 'tuple', items: [] })], // EMPTY_TUPLE
  [0x85, (m) => pushTuple(m, 1)], // TUPLE1
  [0x86, (m) => pushTuple(m, 2)], // TUPLE2
  [0x87, (m) => pushTuple(m, 3)], // TUPLE3
  [0x74, (m) => m.push({ kind: 'tuple', items: m.popToMark() })], // TUPLE
  [0x5d, (m) => m.push({ kind: 'list', items: [] })], // EMPTY_LIST
  [0x61, (m) => append(m, [m.pop()])], // APPEND
  [0x65, (m) => append(m, m.popToMark())], // APPENDS
  [0x7d, (m) => m.push({ kind: 'dict', entries: new Map() })], // EMPTY_DICT
  [0x73, (m) => setItems(m, [m.pop(), m.pop()].reverse())], // SETITEM
  [0x75, (m) => setItems(m, m.popToMark())], // SETITEMS
  // Names and what is made of them
  [0x63, (m) => m.pushGlobal(`${m.readLine()}.${m.readLine()}`)], // GLOBAL
  [0x93, stackGlobal], // STACK_GLOBAL
  [0x52, reduce], // REDUCE
  [0x62, build], // BUILD
  [0x51, (m) => m.pushPersistent(m.pop())], // BINPERSID
])

/** Opcodes that exist, make objects or old-fashioned text, and are not read; named in the refusal. */
const REFUSED_NAMES: ReadonlyMap<number, string> = new Map([
  [0x32, 'DUP'],
  [0x46, 'FLOAT'],
  [0x49, 'INT'],
  [0x4c, 'LONG'],
  [0x50, 'PERSID'],
  [0x53, 'STRING'],
  [0x54, 'BINSTRING'],
  [0x55, 'SHORT_BINSTRING'],
  [0x56, 'UNICODE'],
  [0x42, 'BINBYTES'],
  [0x43, 'SHORT_BINBYTES'],
  [0x64, 'DICT'],
  [0x67, 'GET'],
  [0x69, 'INST'],
  [0x6c, 'LIST'],
  [0x6f, 'OBJ'],
  [0x70, 'PUT'],
  [0x81, 'NEWOBJ'],
  [0x82, 'EXT1'],
  [0x83, 'EXT2'],
  [0x84, 'EXT4'],
  [0x8b, 'LONG4'],
  [0x8e, 'BINBYTES8'],
  [0x8f, 'EMPTY_SET'],
  [0x90, 'ADDITEMS'],
  [0x91, 'FROZENSET'],
  [0x92, 'NEWOBJ_EX'],
  [0x96, 'BYTEARRAY8'],
  [0x97, 'NEXT_BUFFER'],
  [0x98, 'READONLY_BUFFER'],
])

/** Two's complement; a bigint only where a number would not be exact. */
function littleEndian(bytes: Uint8Array): number | bigint {
  let value = 0n
  for (const byte of bytes.toReversed()) value = (value << 8n) | BigInt(byte)
  value = BigInt.asIntN(8 * bytes.length, value)
  const narrow = Number(value)
  return Number.isSafeInteger(narrow) ? narrow : value
}

function pushTuple(machine: Machine, length: number): void {
  const items = Array.from({ length }, () => machine.pop()).reverse()
  machine.push({ kind: 'tuple', items })
}

function append(machine: Machine, items: readonly PickleValue[]): void {
  const list = machine.top()
  if (list === null || typeof list !== 'object' || list.kind !== 'list') machine.fail('a list')
  for (const item of items) list.items.push(item)
}

function setItems(machine: Machine, pairs: readonly PickleValue[]): void {
  const dict = machine.top()
  if (!isDict(dict)) machine.fail('a dict')
  if (pairs.length % 2 !== 0) machine.fail('a value for every key')
  for (let i = 0; i < pairs.length; i += 2) {
    const key = pairs[i] as PickleValue
    if (typeof key !== 'string' && typeof key !== 'number' && typeof key !== 'bigint')
      machine.fail('a text or number as key')
    dict.entries.set(key, pairs[i + 1] as PickleValue)
  }
}

function stackGlobal(machine: Machine): void {
  const name = machine.pop()
  const module = machine.pop()
  if (typeof name !== 'string' || typeof module !== 'string') machine.fail('a module and a name')
  machine.pushGlobal(`${module}.${name}`)
}

function reduce(machine: Machine): void {
  const args = machine.pop()
  const callee = machine.pop()
  if (args === null || typeof args !== 'object' || args.kind !== 'tuple')
    machine.fail('a tuple of arguments')
  if (callee === null || typeof callee !== 'object' || callee.kind !== 'function') {
    machine.refuse(`a call of ${describePickled(callee)}`)
  }
  machine.push(callee.call(args.items))
}

/** Attributes given to a state dict (`_metadata`) say nothing about tensors; on anything else BUILD could run code. */
function build(machine: Machine): void {
  const state = machine.pop()
  const target = machine.top()
  if (!isDict(target) || !isDict(state))
    machine.refuse(`opcode BUILD on ${describePickled(target)}`)
}

function isDict(value: PickleValue): value is PickleDict {
  return value !== null && typeof value === 'object' && value.kind === 'dict'
}
