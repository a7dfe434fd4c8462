import assert from 'node:assert/strict'
import { test } from 'node:test'

import { CheckpointError } from '../core/errors.ts'
import { readPickle, type PickleEnvironment, type PickleValue } from './pickle.ts'

const nothing: PickleEnvironment = { global: () => undefined, persistent: () => null }

function bytes(...parts: (string | number[])[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => (typeof part === 'string' ? [...Buffer.from(part, 'latin1')] : part)),
  )
}

function read(...parts: (string | number[])[]): PickleValue {
  return readPickle('test', bytes(...parts), nothing)
}

function refuses(message: RegExp, ...parts: (string | number[])[]) {
  assert.throws(
    () => read(...parts),
    (error) =>
      error instanceof CheckpointError &&
      error.code === 'CHECKPOINT_PICKLE_REFUSED' &&
      message.test(error.message),
  )
}

function fails(message: RegExp, ...parts: (string | number[])[]) {
  assert.throws(
    () => read(...parts),
    (error) => error instanceof CheckpointError && message.test(error.message),
  )
}

test('numbers of every width', () => {
  assert.equal(read('K\xff.'), 255)
  assert.equal(read('M\x01\x02.'), 513)
  assert.equal(read('J\xfe\xff\xff\xff.'), -2)
  assert.equal(read([0x8a, 0], '.'), 0)
  assert.equal(read([0x8a, 1], '\xff.'), -1)
  assert.equal(read([0x8a, 5], [0, 0, 0, 0, 1], '.'), 2 ** 32)
  assert.equal(read([0x8a, 8], [255, 255, 255, 255, 255, 255, 255, 127], '.'), 2n ** 63n - 1n)
  assert.equal(read('G', [0x3f, 0xf8, 0, 0, 0, 0, 0, 0], '.'), 1.5)
})

test('texts, constants, tuples, lists and dicts', () => {
  assert.equal(read('X', [3, 0, 0, 0], [0xc3, 0xbc, 0x21], '.'), 'ü!')
  assert.equal(read([0x8c, 1], 'a.'), 'a')
  assert.deepEqual(read('(N', [0x88, 0x89], 't.'), { kind: 'tuple', items: [null, true, false] })
  assert.deepEqual(read('K\x01K\x02K\x03', [0x87], '.'), { kind: 'tuple', items: [1, 2, 3] })
  assert.deepEqual(read('](K\x01K\x02eK\x03a.'), { kind: 'list', items: [1, 2, 3] })
  assert.deepEqual(read('}K\x01K\x02s(K\x03K\x04u.'), {
    kind: 'dict',
    entries: new Map([
      [1, 2],
      [3, 4],
    ]),
  })
})

test('what is memoized is the same object when it is recalled', () => {
  const twice = read(']', [0x94], 'h\x00', [0x86], '.') as { items: PickleValue[] }
  assert.equal(twice.items[0], twice.items[1])
})

test('a name that is not on the list is refused by name, before it is called', () => {
  refuses(/the name os\.system/, 'cos\nsystem\n(X', [4, 0, 0, 0], 'echotR.')
  refuses(/the name builtins\.eval/, [0x8c, 8], 'builtins', [0x8c, 4], 'eval', [0x93], '.')
  refuses(/the name __builtin__\.__import__/, 'c__builtin__\n__import__\n.')
})

test('every opcode that makes an object, or is old-fashioned, is refused by name', () => {
  refuses(/opcode INST/, '(ios\nsystem\n.')
  refuses(/opcode OBJ/, '(o.')
  refuses(/opcode NEWOBJ/, '))', [0x81], '.')
  refuses(/opcode NEWOBJ_EX/, ')))', [0x92], '.')
  refuses(/opcode EXT1/, [0x82, 1], '.')
  refuses(/opcode PERSID/, 'P1\n.')
  refuses(/opcode STRING/, "S'a'\n.")
  refuses(/opcode BYTEARRAY8/, [0x96], '.')
  refuses(/opcode 0xff/, [0xff], '.')
})

test('only a listed function is called, and BUILD sets nothing but the attributes of a dict', () => {
  refuses(/a call of string x/, 'X', [1, 0, 0, 0], 'x)R.')
  refuses(/opcode BUILD on a list/, ']}b.')
  assert.deepEqual(read('}}b.'), { kind: 'dict', entries: new Map() })
})

test('a pickle that ends early or uses what is not there is damaged', () => {
  fails(/1 more bytes/, '')
  fails(/a value on the stack/, '.')
  fails(/a mark on the stack/, 't.')
  fails(/a value on the stack/, '}(s.')
  fails(/memo 7 to be set/, 'h\x07.')
  fails(/more bytes/, 'X', [0xff, 0xff, 0xff, 0xff], 'a.')
  fails(/more bytes/, [0x8d], [0, 0, 0, 0, 0, 0, 0, 0x10], 'a.')
  fails(/the end of a line/, 'cos')
  fails(/a text or number as key/, '}]Ns.')
  fails(/a value for every key/, '}(K\x01u.')
  fails(/a list/, '}Na.')
})

test('a long pickle of one-byte opcodes stops at the limit', () => {
  for (const opcode of '(\x94') {
    const pickle = new Uint8Array(1_100_000).fill(opcode.charCodeAt(0))
    pickle[0] = 0x4e // NONE, so that there is something to memoize
    assert.throws(() => readPickle('test', pickle, nothing), /at most \d+ values/)
  }
})

test('a list that contains itself is read without walking into it', () => {
  assert.throws(() => read(']', [0x94], 'h\x00a)R.'), /a call of a list/)
})
