import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { CheckpointError } from '../core/errors.ts'
import { memoryBytes } from './file-bytes.ts'
import { openFileBytes } from './node.ts'
import { openWeightFile } from './open-checkpoint.ts'
import { readPytorch } from './pytorch.ts'

const FIXTURES = 'fixtures/weights'

for (const name of ['torch.bin', 'torch-protocol4.bin']) {
  test(`${name}: every dtype and layout is what torch sees`, () => {
    const expected = openWeightFile(`${FIXTURES}/torch.safetensors`)
    const source = openWeightFile(`${FIXTURES}/${name}`)
    assert.deepEqual([...source.tensors.keys()].sort(), [...expected.tensors.keys()].sort())
    for (const key of expected.tensors.keys()) {
      assert.deepEqual(source.read(key), expected.read(key), key)
      assert.deepEqual(source.tensors.get(key)?.shape, expected.tensors.get(key)?.shape)
    }
    source.close()
    expected.close()
  })
}

test('contiguous tensors are views of the file, and shared storages are the same bytes', () => {
  const content = new Uint8Array(readFileSync(`${FIXTURES}/torch.bin`))
  const source = readPytorch(memoryBytes('torch.bin', content))
  const whole = source.read('layout.contiguous').data
  const slice = source.read('layout.slice').data
  assert.equal(whole.buffer, content.buffer)
  assert.equal(slice.byteOffset, whole.byteOffset + 2 * 8 * 4)
})

function refuses(code: string, message: RegExp, file: string | Uint8Array) {
  const read = () =>
    typeof file === 'string'
      ? readPytorch(openFileBytes(`${FIXTURES}/${file}`))
      : readPytorch(memoryBytes('x.bin', file))
  assert.throws(read, (error) => {
    assert.ok(error instanceof CheckpointError, String(error))
    assert.match(error.message, message)
    assert.equal(error.code, code)
    return true
  })
}

test('files that are not a state dict say what they are', () => {
  refuses(
    'CHECKPOINT_PYTORCH',
    /a bare pickle came, the form from before PyTorch 1\.6/,
    'legacy.bin',
  )
  refuses(
    'CHECKPOINT_PYTORCH',
    /expected a tensor for model, a dict came; save only the state dict/,
    'nested.bin',
  )
  refuses('CHECKPOINT_PICKLE_REFUSED', /the name torch\.nn\.modules\.linear\.Linear/, 'module.bin')
  refuses(
    'CHECKPOINT_PICKLE_REFUSED',
    /the name torch\._utils\._rebuild_sparse_tensor/,
    'sparse.bin',
  )
  refuses('CHECKPOINT_PYTORCH', /something else came/, new Uint8Array(100))
  refuses('CHECKPOINT_PYTORCH', /something else came/, new Uint8Array(0))
})

test('a tensor that repeats one element 2^40 times is refused', () => {
  refuses(
    'CHECKPOINT_PYTORCH',
    /at most 16777216 elements in a tensor that repeats some, number 1099511627776/,
    'expanded.bin',
  )
})

const evil = 'cposix\nsystem\nX\x04\0\0\0true\x85R.'
const text = (value: string) => Buffer.from(value, 'latin1')

test('a malicious pickle is refused by name', () => {
  refuses('CHECKPOINT_PICKLE_REFUSED', /the name posix\.system/, zip({ 'a/data.pkl': text(evil) }))
})

const tensor = (shape: string, stride: string, offset = 'K\0', numElements = 'K\x04') =>
  text(
    `}X\x01\0\0\0actorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0${'0'}X\x03\0\0\0cpu${numElements}tQ` +
      `${offset}${shape}${stride}\x89)tRs.`,
  )
const data = { 'a/data/0': new Uint8Array(16), 'a/byteorder': text('little') }

test('a tensor may not leave its storage, nor a storage its entry', () => {
  const sound = readPytorch(
    memoryBytes(
      'x.bin',
      zip({ 'a/data.pkl': tensor('K\x02K\x02\x86', 'K\x02K\x01\x86'), ...data }),
    ),
  )
  assert.deepEqual(sound.read('a').shape, [2, 2])
  for (const [pickle, message] of [
    [tensor('K\x02K\x02\x86', 'K\x03K\x01\x86'), /within its storage of 4 elements/],
    [tensor('K\x02K\x02\x86', 'K\x02K\x01\x86', 'K\x01'), /within its storage/],
    [tensor('K\x02K\x02\x86', 'K\x02\x85'), /the stride of a tensor/],
    [tensor('J\xff\xff\xff\xff\x85', 'K\x01\x85'), /the shape of a tensor/],
    [tensor('K\x05\x85', 'K\x01\x85', 'K\0', 'K\x05'), /storage 0 to fit its 16 bytes/],
    [tensor('N', 'K\x01\x85'), /the shape of a tensor, nothing came/],
  ] as const) {
    refuses('CHECKPOINT_PYTORCH', message, zip({ 'a/data.pkl': pickle, ...data }))
  }
  const pickle = tensor('K\x02K\x02\x86', 'K\x02K\x01\x86')
  refuses('CHECKPOINT_PYTORCH', /an entry data\/0 in the archive/, zip({ 'a/data.pkl': pickle }))
})

test('a tensor that was expanded is read as torch wrote it', () => {
  // Shape [3, 2], stride [0, 1] over the storage 1, 2, 3, 4.
  const storage = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer)
  const pickle = tensor('K\x03K\x02\x86', 'K\0K\x01\x86')
  const source = readPytorch(
    memoryBytes('x.bin', zip({ 'a/data.pkl': pickle, ...data, 'a/data/0': storage })),
  )
  assert.deepEqual([...source.read('a').data], [1, 2, 1, 2, 1, 2])
})

test('big-endian files are refused', () => {
  refuses(
    'CHECKPOINT_PYTORCH',
    /byteorder says "big"/,
    zip({ 'a/data.pkl': text('}.'), 'a/byteorder': text('big') }),
  )
})

test('an archive must be whole, stored, and hold one pickle', () => {
  const whole = zip({ 'a/data.pkl': text('}.') })
  refuses('CHECKPOINT_ZIP', /no directory at its end/, whole.subarray(0, -1))
  refuses(
    'CHECKPOINT_ZIP',
    /a\/data\.pkl is compressed \(method 8\)/,
    zip({ 'a/data.pkl': text('}.') }, { method: 8 }),
  )
  refuses('CHECKPOINT_ZIP', /is encrypted/, zip({ 'a/data.pkl': text('}.') }, { flags: 1 }))
  refuses(
    'CHECKPOINT_ZIP',
    /has two sizes/,
    zip({ 'a/data.pkl': text('}.') }, { claimedSize: 1 << 30 }),
  )
  refuses(
    'CHECKPOINT_PYTORCH',
    /expected one data\.pkl in the archive, it has 0/,
    zip({ 'a/b': text('}.') }),
  )
  refuses(
    'CHECKPOINT_PYTORCH',
    /it has 2/,
    zip({ 'a/data.pkl': text('}.'), 'b/data.pkl': text('}.') }),
  )
})

test('zip64 archives are read', () => {
  const source = readPytorch(
    memoryBytes(
      'x.bin',
      zip({ 'a/data.pkl': tensor('K\x04\x85', 'K\x01\x85'), ...data }, { zip64: true }),
    ),
  )
  assert.deepEqual(source.read('a').shape, [4])
})

type ZipOptions = { method?: number; flags?: number; claimedSize?: number; zip64?: boolean }

function zip(files: Record<string, Uint8Array>, options: ZipOptions = {}): Uint8Array {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let at = 0
  const add = (...buffers: Buffer[]) => {
    for (const buffer of buffers) {
      parts.push(buffer)
      at += buffer.length
    }
  }
  for (const [name, content] of Object.entries(files)) {
    directory.push(directoryHeader(name, content.length, at, options))
    const local = Buffer.alloc(30)
    local.writeUInt32LE(0x04034b50, 0)
    local.writeUInt16LE(name.length, 26)
    local.writeUInt16LE(5, 28)
    add(local, Buffer.from(name), Buffer.alloc(5), Buffer.from(content))
  }
  const start = at
  add(...directory)
  const size = at - start
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  if (options.zip64) {
    const record = Buffer.alloc(56)
    record.writeUInt32LE(0x06064b50, 0)
    record.writeBigUInt64LE(BigInt(directory.length), 32)
    record.writeBigUInt64LE(BigInt(size), 40)
    record.writeBigUInt64LE(BigInt(start), 48)
    const locator = Buffer.alloc(20)
    locator.writeUInt32LE(0x07064b50, 0)
    locator.writeBigUInt64LE(BigInt(at), 8)
    add(record, locator)
    end.fill(0xff, 4, 20)
  } else {
    end.writeUInt16LE(directory.length, 10)
    end.writeUInt32LE(size, 12)
    end.writeUInt32LE(start, 16)
  }
  add(end)
  return new Uint8Array(Buffer.concat(parts))
}

function directoryHeader(name: string, size: number, offset: number, options: ZipOptions): Buffer {
  const header = Buffer.alloc(46)
  header.writeUInt32LE(0x02014b50, 0)
  header.writeUInt16LE(options.flags ?? 0, 8)
  header.writeUInt16LE(options.method ?? 0, 10)
  header.writeUInt16LE(name.length, 28)
  if (!options.zip64) {
    header.writeUInt32LE(size, 20)
    header.writeUInt32LE(options.claimedSize ?? size, 24)
    header.writeUInt32LE(offset, 42)
    return Buffer.concat([header, Buffer.from(name)])
  }
  header.fill(0xff, 20, 28)
  header.fill(0xff, 42, 46)
  header.writeUInt16LE(28, 30)
  const extra = Buffer.alloc(28)
  extra.writeUInt16LE(1, 0)
  extra.writeUInt16LE(24, 2)
  for (const [i, value] of [size, size, offset].entries())
    extra.writeBigUInt64LE(BigInt(value), 4 + 8 * i)
  return Buffer.concat([header, Buffer.from(name), extra])
}
