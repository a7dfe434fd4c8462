import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { loadModel, type GenerateRequest, type Model } from '../index.ts'
import { writeTinyCheckpoint } from '../../test/tiny/checkpoint.ts'
import { LLAVA_CLIP, TEXT_ONLY } from '../../test/tiny/checkpoints.ts'
import { drawIds, TinyDecoder } from '../../test/tiny-decoder.ts'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { Engine } from './engine.ts'
import { decodeByLookup, lookUp, type LookupCounts } from './prompt-lookup.ts'
import type { SequenceRequest } from './scheduled-sequence.ts'

describe('what is guessed', () => {
  const guess = (keys: number[], ngram = 3, maxTokens = 4) => lookUp(keys, { ngram, maxTokens })

  test('what followed the longest end that occurred before, the last time', () => {
    assert.deepEqual(guess([1, 2, 3, 4, 5, 9, 2, 3, 4]), [5, 9, 2, 3])
    assert.deepEqual(guess([1, 2, 7, 1, 2, 8, 1, 2]), [8, 1, 2])
    assert.deepEqual(guess([5, 6, 9, 4, 6]), [9, 4, 6])
    assert.deepEqual(guess([1, 1, 1]), [1])
  })

  test('nothing where nothing occurred, or a picture comes', () => {
    assert.deepEqual(guess([1, 2, 3]), [])
    assert.deepEqual(guess([1]), [])
    assert.deepEqual(guess([]), [])
    assert.deepEqual(guess([7, -5, -6, 7]), [])
    assert.deepEqual(guess([-5, 3, -5]), [])
    assert.deepEqual(guess([7, 8, -5, 7]), [8])
  })

  test('at most as many as asked for, after at most so many tokens', () => {
    assert.deepEqual(guess([1, 2, 3, 4, 5, 1], 1, 2), [2, 3])
    assert.deepEqual(guess([9, 2, 3, 1, 2, 7, 9, 2], 2), [3, 1, 2, 7])
    assert.deepEqual(guess([9, 2, 3, 1, 2, 7, 9, 2], 1), [7, 9, 2])
  })
})

describe('checking guesses', () => {
  let runtime: Runtime
  let decoder: TinyDecoder
  let engine: Engine
  before(async () => {
    runtime = await createRuntime()
    decoder = await TinyDecoder.create(runtime, 'f32')
    const limits = { maxRows: 2, kvBytes: 1 << 30, keptBytes: 0, prefixCache: false }
    engine = new Engine({ ...decoder, ...limits, freeBytes: () => 1 << 30 })
  })
  after(() => {
    decoder.dispose()
    runtime.dispose()
  })

  /** Chooses `answer` whatever the logits are, and keeps them. */
  function scripted(answer: readonly number[]): { seen: Float32Array[]; request: SequenceRequest } {
    const seen: Float32Array[] = []
    const next = (logits: Float32Array) => {
      seen.push(logits.slice())
      return seen.length < answer.length ? (answer[seen.length - 1] as number) : null
    }
    return {
      seen,
      request: { prompt: decoder.prompt(drawIds(30, 7)), maxTokens: answer.length, next },
    }
  }

  async function countRuns(request: SequenceRequest): Promise<LookupCounts> {
    const size = { rows: 1, filled: 30, capacity: 30 + request.maxTokens }
    const lookup = { ngram: 3, maxTokens: 10 }
    return engine.withGroup(size, (group) => decodeByLookup(group, request, { lookup }))
  }

  test('a text that repeats itself takes a fraction of the runs', async () => {
    const { request } = scripted(Array.from({ length: 120 }, (_, i) => i % 7))
    const { runs, guessed, accepted } = await countRuns(request)
    assert.ok(runs < 30, `${runs} runs for 120 tokens`)
    assert.ok(accepted > 85 && accepted <= guessed)
  })

  test('after wrong guesses the logits are those of single steps', async () => {
    const noise = drawIds(120, 3)
    const answer = noise.map((id, i) => (i % 9 === 8 ? id : i % 4))
    const looked = scripted(answer)
    const { guessed, accepted } = await countRuns(looked.request)
    assert.ok(accepted > 20 && accepted < guessed, `${accepted} of ${guessed}`)
    const plain = scripted(answer)
    await engine.generate([plain.request])
    assert.equal(looked.seen.length, plain.seen.length)
    looked.seen.forEach((logits, i) =>
      logits.forEach((value, id) =>
        assert.ok(Math.abs(value - plain.seen[i]![id]!) < 1e-4, `token ${i}, logit ${id}`),
      ),
    )
  })
})

describe('an answer by look-up is the answer without', () => {
  const folder = mkdtempSync(join(tmpdir(), 'llava-lookup-'))
  after(() => rmSync(folder, { recursive: true }))

  async function withModel(
    options: Parameters<typeof loadModel>[1],
    use: (model: Model) => Promise<void>,
    checkpoint = TEXT_ONLY,
  ): Promise<void> {
    const path = join(folder, checkpoint.name.replaceAll(/\W+/g, '-'))
    await writeTinyCheckpoint(path, checkpoint)
    await using model = await loadModel(path, options)
    await use(model)
  }

  const text = 'the cat sat on the mat and the dog sat on the log. '
  const requests: readonly GenerateRequest[] = [
    { prompt: text.repeat(3), maxTokens: 40, ignoreEos: true },
    { prompt: text.repeat(3), maxTokens: 40, ignoreEos: true, logprobs: true },
    { prompt: 'abc', maxTokens: 60, ignoreEos: true, repetitionPenalty: 1.2 },
    { prompt: text, maxTokens: 30, temperature: 0.8, seed: 5, ignoreEos: true },
    { prompt: text.repeat(2), maxTokens: 1 },
  ]

  const fine = { default: 'int8', layers: { 'decoder.layers.*': 'int8a16' } } as const
  for (const precision of ['f32', 'int8', fine] as const) {
    test(`${JSON.stringify(precision)}: the same tokens, whatever chooses them`, () =>
      withModel({ precision, kvCache: 'f32' }, async (model) => {
        for (const request of requests) {
          const plain = await model.generate(request)
          for (const lookup of [true, { ngram: 1, maxTokens: 3 }]) {
            const looked = await model.generate({ ...request, lookup })
            assert.deepEqual(looked.tokens, plain.tokens)
            assert.equal(looked.text, plain.text)
            assert.equal(looked.finishReason, plain.finishReason)
            plain.logprobs?.forEach(({ logprob }, i) =>
              assert.ok(Math.abs(logprob - looked.logprobs![i]!.logprob) < 1e-3),
            )
          }
        }
      }))
  }

  test('stop strings end it where they end the other', () =>
    withModel({ precision: 'f32' }, async (model) => {
      const request = { prompt: text.repeat(3), maxTokens: 40, ignoreEos: true }
      const { tokens } = await model.generate(request)
      for (const at of [3, 11, 25]) {
        const stop = model.tokenizer.decode(tokens.slice(at, at + 2))
        if (stop === '' || stop.includes('\ufffd')) continue
        const plain = await model.generate({ ...request, stop })
        const looked = await model.generate({ ...request, stop, lookup: true })
        assert.deepEqual(
          [looked.text, looked.tokens, looked.finishReason],
          [plain.text, plain.tokens, plain.finishReason],
        )
      }
    }))

  test('pictures stand in the prompt, other answers are made beside it', () =>
    withModel(
      { precision: 'f32' },
      async (model) => {
        const image = { data: new Uint8Array(40 * 30 * 3).fill(99), width: 40, height: 30 }
        const content = [{ type: 'image', image } as const, { type: 'text', text } as const]
        const request = {
          messages: [{ role: 'user', content } as const],
          maxTokens: 20,
          ignoreEos: true,
        }
        const plain = await model.generate(request)
        const batch = await model.generateBatch([{ ...request, lookup: true }, request])
        assert.deepEqual(
          batch.map(({ tokens }) => tokens),
          [plain.tokens, plain.tokens],
        )
      },
      LLAVA_CLIP,
    ))

  test('what cannot be the same is refused by name', async () => {
    await withModel({ precision: 'int8', kvCache: 'int8' }, async (model) => {
      await assert.rejects(model.generate({ prompt: 'a', lookup: true }), {
        code: 'INPUT_LOOKUP',
        message: /lookup.*kvCache 'f32'/,
      })
    })
    await withModel({ precision: 'int8+q4', kvCache: 'f32' }, async (model) => {
      await assert.rejects(model.generate({ prompt: 'a', lookup: true }), {
        code: 'INPUT_LOOKUP',
        message: /int8\+q4|other weights/,
      })
    })
    // A run and so many steps differ by tenths of a log-probability where activations are rounded to 8 bits: once allowed.
    const layers = { 'decoder.layers.1.mlp.*': 'int8' } as const
    for (const precision of ['q8', 'q4', 'q4b128', { default: 'f32', layers }] as const) {
      await withModel({ precision, kvCache: 'f32' }, async (model) => {
        await assert.rejects(model.generate({ prompt: 'a', lookup: true }), {
          code: 'INPUT_LOOKUP',
          message:
            typeof precision === 'string'
              ? new RegExp(`8 bits by decoder\\.layers\\.0\\.\\S+ in ${precision}; .* f32`)
              : /8 bits by decoder\.layers\.1\.mlp\.\S+ in int8; /,
        })
      })
    }
    await withModel({ precision: 'f32' }, async (model) => {
      const refusals = [
        { lookup: true, numBeams: 2 },
        { lookup: true, n: 2, temperature: 1 },
        { lookup: { ngram: 0 } },
        { lookup: { words: 3 } },
        { lookup: 3 },
      ]
      for (const options of refusals) {
        await assert.rejects(model.generate({ prompt: 'a', ...(options as object) }), {
          code: 'INPUT_OPTION',
          message: /lookup/,
        })
      }
    })
  })
})
