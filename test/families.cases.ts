/** What every family must do with every checkpoint of its kind, whatever the engine does to be fast. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Rng } from '../src/core/rng.ts'
import { loadModel, type Answer, type ContentPart, type Message, type Model } from '../src/index.ts'
import { createRuntime } from '../src/runtime/node.ts'
import type { Runtime } from '../src/runtime/runtime.ts'
import { PREFILL_CHUNK } from '../src/serve/decoder-runner.ts'
import { logSumExp } from '../src/serve/logprobs.ts'
import {
  writeTinyCheckpoint,
  type TinyCheckpoint,
  type WrittenCheckpoint,
} from './tiny/checkpoint.ts'
import { embeddingsOf, fullForward } from './tiny/full-forward.ts'

/** float32 in another order of sums, through a few layers: log-probabilities, features. */
const TOLERANCE = 2e-4

/** Over the length of one prefill run. */
const LONG = 'A question of many words. '.repeat(40)

const GREEDY = { maxTokens: 6, ignoreEos: true, logprobs: true } as const

type Request = {
  readonly messages: Message[]
  readonly seed?: number
  readonly temperature?: number
}

export function familyCases(checkpoint: TinyCheckpoint): void {
  describe(checkpoint.name, () => {
    const folder = mkdtempSync(join(tmpdir(), 'llava-tiny-'))
    let written: WrittenCheckpoint
    let runtime: Runtime
    let model: Model
    /** Keeps nothing between calls. */
    let cold: Model
    before(async () => {
      written = await writeTinyCheckpoint(join(folder, 'model'), checkpoint)
      runtime = await createRuntime()
      model = await loadModel(written.folder, { precision: 'f32' })
      cold = await loadModel(written.folder, { precision: 'f32', prefixCache: false })
    })
    after(async () => {
      await model.dispose()
      await cold.dispose()
      runtime.dispose()
      rmSync(folder, { recursive: true })
    })
    const hasEyes = 'vision_config' in checkpoint.config

    test('prefill then decode gives the logits of one full forward', async () => {
      for (const request of requests(hasEyes)) {
        const answer = await cold.generate({ ...request, ...GREEDY })
        const rows = await embeddingsOf(cold, written, request, answer.tokens)
        const { logits, vocabSize } = await fullForward(runtime, written, rows)
        const first = logits.length / vocabSize - answer.tokens.length - 1
        answer.logprobs!.forEach(({ id, logprob }, i) => {
          const row = logits.subarray((first + i) * vocabSize, (first + i + 1) * vocabSize)
          assertNear(logprob, row[id]! - logSumExp(row), `token ${i}`)
        })
      }
    })

    test('a prompt in several runs gives the logits of one', async () => {
      const request = { messages: [user(LONG)] }
      const rows = await embeddingsOf(cold, written, request)
      const { logits, vocabSize } = await fullForward(runtime, written, rows)
      const length = logits.length / vocabSize
      assert.ok(length > PREFILL_CHUNK)
      const half = Math.ceil(length / 2)
      const positions = [length - 1, 0, half - 1, half, half + 1, PREFILL_CHUNK]
      const { data, shape } = await cold.logits({ ...request, positions })
      assert.deepEqual(shape, [positions.length, vocabSize])
      positions.forEach((position, i) => {
        for (let id = 0; id < vocabSize; id++) {
          assertNear(data[i * vocabSize + id]!, logits[position * vocabSize + id]!, `${position}`)
        }
      })
      const all = await cold.logits({ ...request, positions: 'all' })
      assert.deepEqual(all.shape, [length, vocabSize])
      const last = await cold.logits(request)
      assert.deepEqual(last.data, all.data.slice(-vocabSize))
    })

    test('a batch of prompts of different lengths equals the single runs', async () => {
      const batch: Request[] = [
        ...requests(hasEyes),
        { messages: [user(LONG)] },
        { messages: [user('Once more?')], temperature: 1, seed: 4 },
        { messages: [user('Once more?')], temperature: 1, seed: 5 },
      ]
      const together = await cold.generateBatch(
        batch.map((request, i) => ({ ...request, ...GREEDY, maxTokens: 4 + i })),
      )
      for (const [i, request] of batch.entries()) {
        const alone = await cold.generate({ ...request, ...GREEDY, maxTokens: 4 + i })
        assertSameAnswer(together[i]!, alone)
      }
    })

    test('a prompt that begins like an earlier one gives the answer of a cold start', async () => {
      for (const { messages } of requests(hasEyes)) {
        const first = await model.generate({ messages, ...GREEDY })
        const again: Message[] = [
          ...messages,
          { role: 'assistant', content: first.text },
          user('And then?'),
        ]
        const warm = await model.generate({ messages: again, ...GREEDY })
        assert.ok(warm.usage.cachedTokens >= first.usage.promptTokens - 1, 'what was there is used')
        assertSameAnswer(warm, await cold.generate({ messages: again, ...GREEDY }))
        const same = await model.generate({ messages: again, ...GREEDY })
        // Two positions are always computed: with one, sums are added up in another order.
        assert.equal(same.usage.cachedTokens, same.usage.promptTokens - 2)
        assertSameAnswer(same, warm)
      }
    })

    test('a conversation that is continued goes on in the middle of the answer', async () => {
      const question = user('What is it?')
      const whole = await cold.generate({ messages: [question], ...GREEDY })
      const head = cold.tokenizer.decode(whole.tokens.slice(0, 3))
      // Random bytes may be no text; then there is nothing that could be continued.
      if (head.includes('\ufffd')) return
      const messages: Message[] = [question, { role: 'assistant', content: head }]
      const rest = await cold.generate({ messages, ...GREEDY, maxTokens: 3 })
      assert.deepEqual(rest.tokens, whole.tokens.slice(3))
    })

    test('a score is the sum of the log-probabilities of the answer', async () => {
      const prompt = { messages: [user('Say something.')] }
      const { tokens, logprobs, total, mean } = await cold.score({
        ...prompt,
        continuation: 'Yes.',
      })
      const rows = await embeddingsOf(cold, written, prompt, tokens)
      const { logits, vocabSize } = await fullForward(runtime, written, rows)
      const first = logits.length / vocabSize - tokens.length - 1
      tokens.forEach((id, i) => {
        const row = logits.subarray((first + i) * vocabSize, (first + i + 1) * vocabSize)
        assertNear(logprobs[i]!, row[id]! - logSumExp(row), `token ${i}`)
      })
      assertNear(total, mean * tokens.length, 'total')
    })

    if (!hasEyes) return

    test('pictures do not see one another: several give the rows that each gives alone', async () => {
      const shown = [picture(1, 40, 30), picture(2, 20, 50), picture(3, 31, 29)]
      const { images } = await cold.encodeImages({ messages: [user('Which?', ...shown)] })
      assert.equal(images.length, 3)
      for (const [i, one] of shown.entries()) {
        const alone = await cold.encodeImages({ messages: [user('Which?', one)] })
        assert.deepEqual(images[i], alone.images[0])
      }
    })

    test('a picture is where its place is, and counts what countTokens says', async () => {
      const messages = [user('Look:', picture(1, 40, 30)), user('And?', picture(2, 20, 50))]
      const prepared = await cold.prepare({ messages })
      const counted = cold.countTokens({ messages })
      assert.equal(counted.image, prepared.imageSlots.length)
      assert.equal(counted.text + counted.image, prepared.inputIds.length)
      assert.equal(prepared.images.length, 2)
      const tokens = prepared.images.map((image) => image.tokens)
      assert.equal(tokens[0]! + tokens[1]!, counted.image)
      const { placeholder } = cold.config.image!
      const places = prepared.inputIds.flatMap((id, i) => (id === placeholder ? [i] : []))
      assert.deepEqual([...prepared.imageSlots], places)
    })

    test('another picture is no prefix of this one', async () => {
      const ask = (seed: number) => ({ messages: [user('What is it?', picture(seed, 40, 30))] })
      const first = await model.generate({ ...ask(11), ...GREEDY })
      const other = await model.generate({ ...ask(12), ...GREEDY })
      const textBefore = first.usage.promptTokens - first.usage.imageTokens
      assert.ok(other.usage.cachedTokens < textBefore)
      assertSameAnswer(other, await cold.generate({ ...ask(12), ...GREEDY }))
      const again = await model.generate({ ...ask(11), ...GREEDY })
      assert.ok(again.usage.cachedTokens > again.usage.imageTokens)
      assertSameAnswer(again, first)
    })
  })
}

/** A short text, and with eyes one and two pictures. */
function requests(hasEyes: boolean): Request[] {
  const text = [
    { messages: [user('Hello')] },
    { messages: [{ role: 'system', content: 'Be brief.' } as const, user('What is 2 + 2?')] },
  ]
  if (!hasEyes) return text
  return [
    ...text,
    { messages: [user('What is this?', picture(1, 40, 30))] },
    { messages: [user('Which is larger?', picture(2, 20, 50), picture(3, 31, 29))] },
  ]
}

function user(text: string, ...pictures: ContentPart[]): Message {
  return { role: 'user', content: [...pictures, { type: 'text', text }] }
}

function picture(seed: number, width: number, height: number): ContentPart {
  const rng = new Rng(seed)
  const data = Uint8Array.from({ length: width * height * 3 }, () => rng.integer(256))
  return { type: 'image', image: { data, width, height } }
}

/** The same tokens with the same probabilities; equal numbers need not come from equal sums. */
function assertSameAnswer(actual: Answer, expected: Answer): void {
  assert.deepEqual(actual.tokens, expected.tokens)
  assert.equal(actual.text, expected.text)
  assert.equal(actual.finishReason, expected.finishReason)
  assert.equal(actual.usage.promptTokens, expected.usage.promptTokens)
  actual.logprobs!.forEach(({ logprob }, i) =>
    assertNear(logprob, expected.logprobs![i]!.logprob, `token ${i}`),
  )
}

function assertNear(actual: number, expected: number, what: string): void {
  const isNear = Math.abs(actual - expected) <= TOLERANCE * Math.max(1, Math.abs(expected))
  assert.ok(isNear, `${what}: ${actual} is not ${expected}`)
}
