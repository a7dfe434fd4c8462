/** Workers that come after their front, or come back as others, played by a `fetch` of the test. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseGenerationConfig } from '../../generation-config.ts'
import { connectUpstreams, type UpstreamOptions } from './connect.ts'
import type { PromptSide } from './prompt-side.ts'

type Played = { id: string; ownedBy: string } | null

/** A front whose one worker is what `played` says; null: nobody is there. */
async function frontOf(first: Played, options: Partial<UpstreamOptions> = {}) {
  let played = first
  const logged: Record<string, unknown>[] = []
  const fetch = async () => {
    if (played === null) throw new TypeError('fetch failed')
    return Response.json({ data: [{ id: played.id, owned_by: played.ownedBy }] })
  }
  const upstreams = await connectUpstreams({
    workers: [{ url: 'http://127.0.0.1:9', fetch: fetch as typeof globalThis.fetch }],
    health: { everySeconds: 3600, failures: 3, successes: 2 },
    now: 0,
    log: (_, fields) => logged.push(fields),
    ...options,
  })
  return {
    ...upstreams,
    logged,
    state: () => upstreams.pool.list()[0]?.state,
    async becomes(next: Played, checks: number) {
      played = next
      for (let i = 0; i < checks; i++) await upstreams.pool.check()
    },
  }
}

const OURS = { id: 'a', ownedBy: 'llava-ts' }
const VLLM = { id: 'a', ownedBy: 'vllm' }

test('a worker that comes after its front is held to what the checkpoint demands', async () => {
  // It was asked without no_repeat_ngram_size; one that was there at the start was refused.
  const side = {
    config: { maxContext: 64, image: null, video: null },
    generation: parseGenerationConfig({ no_repeat_ngram_size: 3 }),
  } as unknown as PromptSide
  await assert.rejects(frontOf(VLLM, { side, id: 'a' }), { code: 'CONFIG_UPSTREAM' })
  const front = await frontOf(null, { side, id: 'a' })
  try {
    await front.becomes(VLLM, 5)
    assert.equal(front.state(), 'down')
    const whys = front.logged.map(({ event, why }) => `${String(event)} ${String(why)}`)
    assert.equal(whys.length, 2, whys.join('\n'))
    assert.match(whys[1]!, /^worker-down .*no_repeat_ngram_size, which http:\S+ \(vllm\)/)
    await front.becomes(OURS, 2)
    assert.equal(front.state(), 'up')
    await front.becomes(VLLM, 1)
    assert.equal(front.state(), 'down')
  } finally {
    front.close()
  }
})

test('a worker that comes back with another model is down, unless the front has a name for whatever it serves', async () => {
  // The front was ready, and told whoever asked that no worker could be reached.
  const front = await frontOf(OURS)
  const named = await frontOf(OURS, { id: 'name' })
  try {
    for (const one of [front, named]) await one.becomes({ ...OURS, id: 'b' }, 1)
    assert.deepEqual([front.state(), named.state()], ['down', 'up'])
    const [model] = front.models
    await assert.rejects(model!.countTokens({ prompt: 'Hi' }, new AbortController().signal), {
      code: 'CAPACITY_UPSTREAM',
      message: /no worker that serves "a" can be reached/,
    })
    assert.match(String(front.logged.at(-1)?.['why']), /should serve a, .* it serves b\./)
    await front.becomes(OURS, 2)
    assert.equal(front.state(), 'up')
  } finally {
    front.close()
    named.close()
  }
})
