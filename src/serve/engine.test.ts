/** Which cache a call gets, what it keeps of others, and what does not fit. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { CapacityError } from '../core/errors.ts'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { drawIds, TINY, TinyDecoder } from '../../test/tiny-decoder.ts'
import { Engine } from './engine.ts'
import { sequenceBytes } from './kv-cache.ts'

let runtime: Runtime
let decoder: TinyDecoder
before(async () => {
  runtime = await createRuntime()
  decoder = await TinyDecoder.create(runtime, 'int8', { weights: 'int8' })
})
after(() => {
  decoder.dispose()
  runtime.dispose()
})

const PLENTY = 1 << 30

test('a conversation goes on behind its last prompt, also in a cache that is too small for it', async () => {
  const engine = newEngine({})
  const start = drawIds(300, 1)
  const first = await ask(engine, start, 4)
  assert.equal(first.cachedLength, 0)
  const second = await ask(engine, [...start, ...first.tokens, ...drawIds(20, 2)], 900)
  // Its answer came one by one, and is read again.
  assert.equal(second.cachedLength, start.length)
})

test('a question that only begins like a kept conversation leaves it as it is', async () => {
  const engine = newEngine({})
  const system = drawIds(20, 1)
  const long = [...system, ...drawIds(100, 2)]
  const { tokens } = await ask(engine, long, 2)
  assert.equal((await ask(engine, [...system, ...drawIds(15, 3)], 2)).cachedLength, system.length)
  const again = await ask(engine, [...long, ...tokens, 5], 2)
  assert.equal(again.cachedLength, long.length)
})

test('what another prompt left of a beginning changes no answer', async () => {
  const engine = newEngine({})
  const system = drawIds(20, 1)
  const question = [...system, ...drawIds(30, 3)]
  const alone = await ask(newEngine({}), question, 6)
  await ask(engine, [...system, ...drawIds(100, 2)], 2)
  const after = await ask(engine, question, 6)
  assert.deepEqual(after, { ...alone, cachedLength: system.length })
})

test('the same prompt several times in a call gives the same logits', async () => {
  const engine = newEngine({ prefixCache: false })
  const ids = drawIds(50, 1)
  const alone = await ask(engine, ids, 4)
  const seen: number[][] = [[], [], []]
  await engine.generate(
    seen.map((tokens) => ({ prompt: decoder.prompt(ids), maxTokens: 4, next: greedy(tokens, 4) })),
  )
  for (const tokens of seen) assert.deepEqual(tokens, alone.tokens)
})

test('what does not fit into memory is refused with what it needs', async () => {
  const needed = sequenceBytes(TINY, 'int8', 400)
  const small = newEngine({ freeBytes: () => needed - 1 })
  await assert.rejects(
    () => ask(small, drawIds(400, 1), 2),
    (error: Error) =>
      error instanceof CapacityError && error.message.includes('400 positions need'),
  )
  await ask(newEngine({ freeBytes: () => needed }), drawIds(400, 1), 2)
})

test('kept beginnings make room for what is asked now', async () => {
  let free = PLENTY
  const engine = newEngine({ freeBytes: () => free })
  const kept = drawIds(300, 1)
  await ask(engine, kept, 2)
  await ask(engine, drawIds(200, 2), 2)
  free = 0
  // Longer than anything before: without what is kept there is no memory for it.
  await ask(engine, drawIds(400, 3), 2)
  free = PLENTY
  const again = await ask(engine, [...kept, 1], 2)
  assert.ok(again.cachedLength < 210, `${again.cachedLength} positions were kept`)
})

function newEngine({
  prefixCache = true,
  freeBytes = () => PLENTY,
}: {
  prefixCache?: boolean
  freeBytes?: () => number
}): Engine {
  const { runner, table } = decoder
  const limits = { maxRows: 4, kvBytes: PLENTY, keptBytes: PLENTY, prefixCache, freeBytes }
  // The decoder is shared and outlives the engines, whose kept caches go with the runtime.
  return new Engine({ runner, table, ...limits })
}

async function ask(
  engine: Engine,
  ids: readonly number[],
  maxTokens: number,
): Promise<{ tokens: number[]; cachedLength: number }> {
  const tokens: number[] = []
  let cached = -1
  await engine.generate([
    {
      prompt: decoder.prompt(ids),
      maxTokens,
      next: greedy(tokens, 4),
      onPrefilled: (length) => {
        cached = length
      },
    },
  ])
  return { tokens, cachedLength: cached }
}

/** The likeliest tokens, `count` of them. */
function greedy(tokens: number[], count: number): (logits: Float32Array) => number | null {
  return (logits) => {
    const best = logits.indexOf(Math.max(...logits))
    tokens.push(best)
    return tokens.length < count ? best : null
  }
}
