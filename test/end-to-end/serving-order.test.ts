/**
 * Over whole models with pictures: the order of events never changes a greedy answer. Alone or sixteen together, cold,
 * warm or evicted, streamed, in a batch or by calls of their own, each request gets the same text.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { CapacityError, loadModel, type GenerateRequest, type Model } from '../../src/index.ts'
import { firstOf } from '../thorough.ts'

const picture = (seed: number, width: number, height: number) => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * seed + (i >> 5) * 31) % 256),
})
const PICTURES = [picture(3, 40, 30), picture(5, 97, 41), picture(7, 33, 120)]
const QUESTIONS = [
  'Hello there',
  'What is on the table, and why?',
  'Describe the picture at length.',
]

/** Sixteen: of every picture and none, with common beginnings. */
const REQUESTS: readonly GenerateRequest[] = Array.from({ length: 16 }, (_, i) => {
  const image = PICTURES[i % 4]
  const text = { type: 'text', text: QUESTIONS[i % 3]! } as const
  const content = image ? [{ type: 'image', image } as const, text] : [text]
  return { messages: [{ role: 'user', content }], maxTokens: 6 + (i % 5), ignoreEos: true }
})

const FOLDER = mkdtempSync(join(tmpdir(), 'llava-order-'))
after(() => rmSync(FOLDER, { recursive: true }))

const KINDS = [
  { name: 'llava-mlp', precision: 'f32', kvCache: 'f32' },
  { name: 'next-qwen', precision: 'q4', kvCache: 'int8' },
  { name: 'next-qwen', precision: 'f32', kvCache: 'f32' },
  { name: 'next-qwen', precision: 'int8', kvCache: 'f32' },
  { name: 'llava-mlp', precision: 'int8', kvCache: 'int8' },
] as const

for (const { name, ...form } of firstOf(2, KINDS)) {
  describe(`${name} in ${form.precision} over ${form.kvCache}`, () => {
    const load = (options = {}) =>
      loadModel(`fixtures/inference/${name}`, { ...form, cacheDir: FOLDER, ...options })
    const alone: string[] = []
    let model: Model
    before(async () => {
      model = await load()
      await using cold = await load({ prefixCache: false, maxRows: 1, pictureBytes: 0 })
      for (const request of REQUESTS) alone.push((await cold.generate(request)).text)
    })
    after(() => model.dispose())

    const ask = (of: Model, order: readonly number[] = REQUESTS.map((_, i) => i)) =>
      Promise.all(order.map(async (i) => [i, (await of.generate(REQUESTS[i]!)).text] as const))
    const assertSame = (answers: readonly (readonly [number, string])[]) => {
      for (const [i, text] of answers) assert.equal(text, alone[i], `request ${i}`)
    }

    test('sixteen calls at once, and again when all is kept', async () => {
      assert.ok(new Set(alone).size > 4, 'the answers differ')
      assertSame(await ask(model))
      const { counters } = model.stats()
      assert.ok(counters.steppedRows > counters.steps, 'some were decoded together')
      const reversed = REQUESTS.map((_, i) => i).reverse()
      assertSame(await ask(model, reversed))
      for (const i of reversed) assertSame(await ask(model, [i]))
      const { cachedTokens, promptTokens, pictures, cachedPictures } = model.stats().counters
      assert.ok(cachedTokens > promptTokens / 2)
      assert.ok(cachedPictures > pictures / 2)
    })

    test('a batch, and streams that begin one after another', async () => {
      const batch = await model.generateBatch(REQUESTS)
      assertSame(batch.map(({ text }, i) => [i, text]))
      const read = async (i: number) => {
        for (let turn = 0; turn < 3 * i; turn++) await new Promise(setImmediate)
        let text = ''
        for await (const event of model.stream(REQUESTS[i]!)) {
          if (event.type === 'done') text = event.text
        }
        return [i, text] as const
      }
      assertSame(await Promise.all(REQUESTS.map((_, i) => read(i))))
    })

    test('where little is kept and three run together, beside others that are stopped', async () => {
      await using small = await load({ maxRows: 3, kvBytes: 400_000, pictureBytes: 20_000 })
      const stop = new AbortController()
      const noise = REQUESTS.slice(0, 6).map((request) =>
        small.generate({ ...request, maxTokens: 400, signal: stop.signal }),
      )
      const asked = ask(small)
      setTimeout(() => stop.abort(), 30)
      assertSame(await asked)
      await Promise.all(noise)
      assertSame(await ask(small))
      assert.ok(small.stats().counters.evictedTokens > 0)
    })

    test('an answer to one tenant is no help to another', async () => {
      await using shared = await load()
      const cached = async (cacheSalt: string) =>
        (await shared.generate({ ...REQUESTS[0]!, cacheSalt })).usage.cachedTokens
      assert.deepEqual([await cached('a'), await cached('b')], [0, 0])
      assert.ok((await cached('a')) > 0)
      const { pictures, cachedPictures } = shared.stats().counters
      assert.deepEqual([pictures, cachedPictures], [3, 1])
    })

    test('several answers to a prompt read it once', async () => {
      await using fresh = await load()
      const request = { ...REQUESTS[2]!, n: 4, temperature: 1, seed: 5 }
      const answer = await fresh.generate(request)
      assert.equal(fresh.stats().counters.prefilledTokens, answer.usage.promptTokens)
      assert.equal(new Set(answer.sequences?.map(({ text }) => text)).size, 4)
      assert.deepEqual(
        (await model.generate(request)).sequences?.map(({ tokens }) => tokens),
        answer.sequences?.map(({ tokens }) => tokens),
      )
    })

    test('more than may wait are refused with a code, and the others are answered', async () => {
      await using busy = await load({ maxRows: 1, maxWaiting: 3 })
      const results = await Promise.allSettled(REQUESTS.map((request) => busy.generate(request)))
      const refused = results.filter(({ status }) => status === 'rejected')
      assert.equal(refused.length, 13)
      for (const { reason } of refused as PromiseRejectedResult[]) {
        assert.ok(reason instanceof CapacityError && reason.code === 'CAPACITY_QUEUE')
      }
      assert.equal(busy.stats().counters.refused, 13)
      results.forEach((result, i) => {
        if (result.status === 'fulfilled') assert.equal(result.value.text, alone[i])
      })
    })
  })
}
