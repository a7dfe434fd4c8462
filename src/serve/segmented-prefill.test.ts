/** Prompts that are read in one run give the very logits and caches that each gives alone. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { DecoderConfig } from '../decoder/decoder.ts'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { drawIds, TINY, TinyDecoder } from '../../test/tiny-decoder.ts'
import type { PrefillRequest } from './decoder-runner.ts'
import type { KvCache } from './kv-cache.ts'

let runtime: Runtime
before(async () => {
  runtime = await createRuntime()
})
after(() => runtime.dispose())

/** Products of float32 may add up in another order where a processor has other kernels for other numbers of rows. */
const ROUNDING = { f32: 1e-5, int8: 0, q4: 0 } as const
const CAPACITY = 160

/** What is there, and what is read, of each prompt. */
type Lengths = readonly (readonly [past: number, added: number])[]
const TRIALS: readonly Lengths[] = [
  [
    [0, 2],
    [70, 2],
  ],
  [
    [70, 20],
    [70, 21],
    [71, 19],
  ],
  [
    [5, 40],
    [90, 3],
    [0, 17],
    [33, 8],
  ],
  [
    [100, 31],
    [1, 32],
    [2, 33],
    [64, 16],
  ],
]

async function trial(decoder: TinyDecoder, lengths: Lengths) {
  const { runner } = decoder
  const requestsOf = async (cache: KvCache): Promise<PrefillRequest[]> => {
    const requests: PrefillRequest[] = []
    for (const [slot, [past, added]] of lengths.entries()) {
      const prompt = decoder.prompt(drawIds(past + added, 7 * past + added))
      const embeddings = await prompt.embeddings(0)
      const first = past * decoder.config.hiddenSize
      if (past > 0) {
        const part = embeddings.subarray(0, first)
        await runner.prefill({ cache, slot, cachedLength: 0, embeddings: part, logitRows: [] }, {})
      }
      const logitRows = slot === 1 ? [0, added - 1] : [added - 1]
      const rest = { embeddings: embeddings.subarray(first), logitRows }
      requests.push({ cache, slot, cachedLength: past, ...rest })
    }
    return requests
  }
  const [together, alone] = [0, 1].map(() => runner.newCache(4, CAPACITY)) as [KvCache, KvCache]
  const read = await runner.prefillTogether(await requestsOf(together), {})
  const expected: Float32Array[] = []
  for (const request of await requestsOf(alone)) expected.push(await runner.prefillRun(request, {}))
  const cachesOf = ({ layers }: KvCache) =>
    layers.flatMap(({ key, value }) => [key.data, value.data])
  const result = {
    actual: [...read, ...cachesOf(together)] as Float32Array[],
    expected: [...expected, ...cachesOf(alone)] as Float32Array[],
  }
  together.dispose()
  alone.dispose()
  return result
}

function assertEqual(actual: Float32Array, expected: Float32Array, tolerance: number): void {
  assert.equal(actual.length, expected.length)
  const off = actual.reduce((most, x, i) => Math.max(most, Math.abs(x - expected[i]!)), 0)
  assert.ok(off <= tolerance, `off by ${off}`)
}

const window = { ...TINY.attention, slidingWindow: 9 }
const CONFIGS: Readonly<Record<string, DecoderConfig>> = {
  'heads of a width that is filled up': TINY,
  'a head for each query, windows': {
    ...TINY,
    hiddenSize: 64,
    attention: { ...window, numKvHeads: 4, headDim: 16 },
  },
  'windows in some layers': { ...TINY, kind: 'qwen2', attention: window, fullLayers: [1] },
}

for (const weights of ['f32', 'int8', 'q4'] as const) {
  for (const [name, config] of Object.entries(CONFIGS)) {
    test(`${weights}: ${name}`, async () => {
      const decoder = await TinyDecoder.create(runtime, 'f32', { config, weights })
      await decoder.runner.prepareTogether()
      for (const lengths of TRIALS) {
        const { actual, expected } = await trial(decoder, lengths)
        for (const [i, one] of actual.entries()) {
          assertEqual(one, expected[i]!, ROUNDING[weights])
        }
      }
      await decoder.dispose()
    })
  }
}

test('until there is a session for several, prompts are read one by one; so is a prompt of one position', async () => {
  const decoder = await TinyDecoder.create(runtime, 'f32')
  const { runner } = decoder
  const { prefillRun } = runner
  let alone = 0
  runner.prefillRun = (...args) => {
    alone++
    return prefillRun.apply(runner, args)
  }
  const cache = runner.newCache(2, CAPACITY)
  const read = async (lengths: readonly number[]) => {
    alone = 0
    const requests = lengths.map((length, slot) => {
      const embeddings = new Float32Array(length * TINY.hiddenSize).fill(slot + 1)
      return { cache, slot, cachedLength: 0, embeddings, logitRows: [length - 1] }
    })
    await runner.prefillTogether(requests, {})
    return alone
  }
  assert.equal(await read([5, 6]), 2)
  await runner.prepareTogether()
  assert.equal(await read([5, 6]), 0)
  assert.equal(await read([5, 1]), 2)
  assert.equal(await read([5]), 1)
  cache.dispose()
  await decoder.dispose()
})
