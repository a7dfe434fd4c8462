/**
 * Files that nobody vouches for, changed at random: a reader answers with tensors or with a CheckpointError, quickly, and
 * never takes more memory than the file's size accounts for.
 *
 * The default run repeats itself. With LLAVA_FUZZ_RUNS=100000 it looks for new cases and prints the seed of a failure.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'

import { collectGarbage } from '../../test/collect-garbage.ts'
import { CheckpointError } from '../core/errors.ts'
import { memoryBytes, type FileBytes } from './file-bytes.ts'
import { readGguf } from './gguf.ts'
import { readPickle } from './pickle.ts'
import { readPytorch } from './pytorch.ts'
import { readSafetensors } from './safetensors.ts'
import { readShardIndex } from './sharded.ts'
import type { WeightSource } from './source.ts'

const RUNS = process.env.LLAVA_FUZZ_RUNS
const OPTIONS = RUNS === undefined ? { numRuns: 400, seed: 1706 } : { numRuns: Number(RUNS) }

const FOLDER = 'fixtures/weights'
const corpus = (pattern: RegExp) =>
  readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .filter((name) => pattern.test(name))
    .map((name) => new Uint8Array(readFileSync(`${FOLDER}/${name}`)))

// A Q4_0 block of 18 bytes becomes 128 bytes of float32: no tensor grows more.
const MAX_GROWTH = 8
/** Of this process, not of the clock: other tests run at the same time. */
const MAX_MICROSECONDS = 1e6

/** Opens and reads everything. Anything but a CheckpointError is a bug. */
function readAll(read: (file: FileBytes) => WeightSource, bytes: Uint8Array): void {
  const before = process.cpuUsage()
  try {
    const source = read(memoryBytes('fuzzed', bytes))
    for (const name of source.tensors.keys()) {
      assert.ok(source.read(name).data.byteLength <= MAX_GROWTH * bytes.length, name)
    }
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error
    assert.match(error.message, /^weights: /)
  }
  assert.ok(process.cpuUsage(before).user < MAX_MICROSECONDS, 'a small file takes a second')
}

/** Numbers that break careless arithmetic, as eight little-endian bytes. */
const LIES = [
  0n,
  1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 40n,
  2n ** 53n,
  2n ** 60n,
  2n ** 63n,
  2n ** 64n - 1n,
]

type Change = { kind: 'byte' | 'lie' | 'cut' | 'repeat'; at: number; value: number }

const changes = fc.array(
  fc.record<Change>({
    kind: fc.constantFrom('byte', 'byte', 'lie', 'cut', 'repeat'),
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    value: fc.integer({ min: 0, max: 255 }),
  }),
  { minLength: 1, maxLength: 6 },
)

function applyChange(bytes: Uint8Array, { kind, at, value }: Change): Uint8Array {
  const place = Math.floor(at * bytes.length)
  const result = bytes.slice()
  if (kind === 'cut') return result.subarray(0, place)
  if (kind === 'repeat')
    return Uint8Array.from([
      ...result.subarray(0, place),
      ...result.subarray(Math.max(0, place - value)),
    ])
  if (kind === 'byte') result[place] = value
  else setUint64(result, place, LIES[value % LIES.length] as bigint)
  return result
}

function setUint64(bytes: Uint8Array, at: number, value: bigint): void {
  for (let i = 0; i < 8 && at + i < bytes.length; i++)
    bytes[at + i] = Number((value >> BigInt(8 * i)) & 255n)
}

const READERS = {
  safetensors: { read: readSafetensors, files: corpus(/\.safetensors$/) },
  PyTorch: { read: readPytorch, files: corpus(/\.bin$/) },
  GGUF: { read: readGguf, files: corpus(/\.gguf$/) },
}

for (const [name, { read, files }] of Object.entries(READERS)) {
  test(`${name}: changed files of the corpus are read or refused`, () => {
    assert.ok(files.length > 0)
    fc.assert(
      fc.property(fc.constantFrom(...files), changes, (file, list) =>
        readAll(read, list.reduce(applyChange, file)),
      ),
      OPTIONS,
    )
  })

  test(`${name}: each byte of the first file's head set to 0xff, and each cut, is read or refused`, () => {
    const [file] = files as [Uint8Array]
    for (let at = 0; at < Math.min(file.length, 1500); at++) {
      readAll(read, applyChange(file, { kind: 'byte', at: at / file.length, value: 255 }))
      readAll(read, file.subarray(0, at))
    }
  })

  test(`${name}: random bytes are refused`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => readAll(read, bytes)),
      OPTIONS,
    )
  })
}

test('safetensors: headers of the right form with any numbers are read or refused', () => {
  const size = fc.oneof(
    fc.integer({ min: -1, max: 9 }),
    fc.constantFrom(...LIES.map(Number)),
    fc.double(),
  )
  const entry = fc.record({
    dtype: fc.constantFrom('F32', 'F16', 'I8', 'BOOL', 'F8_E4M3', ''),
    shape: fc.array(size, { maxLength: 3 }),
    data_offsets: fc.array(size, { minLength: 1, maxLength: 3 }),
  })
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ maxLength: 4 }), entry, { maxKeys: 3 }),
      fc.nat(40),
      (header, length) => {
        const json = new TextEncoder().encode(JSON.stringify(header))
        const bytes = new Uint8Array(8 + json.length + length)
        setUint64(bytes, 0, BigInt(json.length))
        bytes.set(json, 8)
        readAll(readSafetensors, bytes)
      },
    ),
    OPTIONS,
  )
})

test('pickle: any run of opcodes is read or refused', () => {
  const opcode = fc.constantFrom(
    ...Buffer.from(
      'NK\x01M\x00\x01}](()t\x85\x86\x87esuaq\x00h\x00Q0102.RbcX\x8a\x95\x94\x93',
      'latin1',
    ),
  )
  const environment = { global: () => undefined, persistent: () => null }
  fc.assert(
    fc.property(fc.array(opcode, { maxLength: 60 }), (opcodes) => {
      try {
        readPickle('weights: fuzzed', Uint8Array.from(opcodes), environment)
      } catch (error) {
        if (!(error instanceof CheckpointError)) throw error
      }
    }),
    OPTIONS,
  )
})

test('index: any JSON, and changed indexes, are read or refused', () => {
  const index = readFileSync(`${FOLDER}/sharded-torch/pytorch_model.bin.index.json`)
  const read = (bytes: Uint8Array) => {
    try {
      for (const file of readShardIndex(memoryBytes('index.json', bytes)).values())
        assert.doesNotMatch(file, /[/\\]/)
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error
    }
  }
  fc.assert(
    fc.property(fc.json(), (json) => read(new TextEncoder().encode(json))),
    OPTIONS,
  )
  fc.assert(
    fc.property(changes, (list) => read(list.reduce(applyChange, new Uint8Array(index)))),
    OPTIONS,
  )
})

test('lies about size take no memory', () => {
  collectGarbage()
  const before = process.resourceUsage().maxRSS
  for (const { read, files } of Object.values(READERS)) {
    for (const file of files) {
      for (const lie of LIES) {
        for (let at = 0; at < Math.min(file.length - 8, 400); at += 4) {
          const bytes = file.slice()
          setUint64(bytes, at, lie)
          readAll(read, bytes)
        }
      }
    }
  }
  // The peak of the process in KiB, in which one believed lie would show; the allowance is for the compiler and the heap.
  assert.ok(process.resourceUsage().maxRSS - before < 200 * 1024)
})
