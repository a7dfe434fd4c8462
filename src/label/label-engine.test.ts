/** Engines over HTTP that are slow, busy, wrong or gone. */
import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { CapacityError } from '../core/errors.ts'
import { label, type LabelEvent } from './index.ts'
import { newPath, folderOf, echo, run, withoutModes, asNobody } from '../../test/label-runs.ts'

describe('servers', () => {
  const input = folderOf(Array.from({ length: 24 }, (_, i) => `${i}.png`))
  type Body = { messages: { content: { type: string; image_url: { url: string } }[] }[] }

  async function withServer(
    answer: (body: Body, url: string) => object | number,
    use: (url: string) => Promise<void>,
  ) {
    const server: Server = createServer(async (request, response) => {
      const text = (await buffer(request)).toString()
      const reply = answer(
        text === '' ? (null as unknown as Body) : (JSON.parse(text) as Body),
        request.url!,
      )
      if (typeof reply === 'number') response.writeHead(reply).end('{}')
      else response.end(JSON.stringify(reply))
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    try {
      await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  }
  const MODELS = { data: [{ id: 'm' }] }
  const WELL = { choices: [{ message: { content: 'well' }, finish_reason: 'stop' }] }

  test('are asked while a large input is listed', async () => {
    // They answered at once, and were listened to once in hundreds of rows.
    const rows = newPath('rows.jsonl')
    writeFileSync(rows, Array.from({ length: 5000 }, (_, i) => `{"text":"${i}"}\n`).join(''))
    const stop = new AbortController()
    let done = 0
    const onEvent = (event: LabelEvent) => {
      if (event.type !== 'progress' || stop.signal.aborted) return
      done = event.done
      if (event.isListed) stop.abort()
    }
    await withServer(
      (_, path) => (path === '/v1/models' ? MODELS : WELL),
      async (url) => {
        const asked = { input: rows, prompts: ['?'], engines: [{ url, batch: 4 }] }
        const labelling = label(
          { ...asked, out: newPath('rows-out.jsonl') },
          { onEvent, signal: stop.signal },
        )
        await assert.rejects(labelling, { name: 'AbortError' })
      },
    )
    assert.ok(done >= 16, `${done} were done when all were listed`)
  })

  test('share the work with a model here, and one that goes is left out', async () => {
    let calls = 0
    const bodies: Body[] = []
    await withServer(
      (body, path) => {
        if (path === '/v1/models') return MODELS
        bodies.push(body)
        return ++calls > 6 ? 500 : WELL
      },
      async (url) => {
        const events: LabelEvent[] = []
        const slow = echo([], () => new Promise((done) => setTimeout(done, 20)))
        const engines = [
          { url, attempts: 1, batch: 1 },
          { model: slow, name: 'here', batch: 1 },
        ]
        const { report, lines } = await run({ input, engines }, (event) => events.push(event))
        assert.deepEqual([report.items, report.failed, lines.length], [24, 0, 24])
        const [server, here] = report.engines
        assert.deepEqual([server!.items, server!.items + here!.items], [6, 24])
        assert.ok(events.some((event) => event.type === 'engine-lost' && event.engine === url))
        assert.match(bodies[0]!.messages[0]!.content[0]!.image_url.url, /^data:image\/png;base64,/)
      },
    )
  })

  test(
    'get clips of frames; one with a frame that may not be read is an error',
    { skip: withoutModes },
    async () => {
      const clips = folderOf(['x/1.png', 'x/2.png', 'y/1.png'])
      chmodSync(join(clips, 'x/2.png'), 0)
      await withServer(
        (_, path) => (path === '/v1/models' ? { data: [{ id: 'm', owned_by: 'vllm' }] } : WELL),
        (url) =>
          asNobody(async () => {
            const { lines } = await run({ input: clips, clipFolders: true, engines: [{ url }] })
            assert.deepEqual(
              lines.map(({ item_id, error }) => [item_id, error?.code]),
              [
                ['x', 'INPUT_LABEL_MEDIA'],
                ['y', undefined],
              ],
            )
          }),
      )
    },
  )

  test(
    'get no frames of a clip with a pipe in it: it is an error, and nobody waits for it',
    { skip: process.platform === 'win32', timeout: 30_000 },
    async () => {
      // Reading it waited for whoever would write into it, and no signal ended the run.
      const clips = folderOf(['x/1.png', 'y/1.png'])
      execFileSync('mkfifo', [join(clips, 'x/2.png')])
      await withServer(
        (_, path) => (path === '/v1/models' ? MODELS : WELL),
        async (url) => {
          const { lines } = await run({ input: clips, clipFolders: true, engines: [{ url }] })
          assert.deepEqual(
            lines.map(({ error }) => error?.code),
            ['INPUT_LABEL_MEDIA', undefined],
          )
        },
      )
    },
  )

  test('that are all gone stop the run, which goes on when they are back', async () => {
    let isDown = false
    await withServer(
      (_, path) => (path === '/v1/models' ? MODELS : isDown ? 503 : WELL),
      async (url) => {
        const out = newPath('out.jsonl')
        const options = { input, out, engines: [{ url, attempts: 1, batch: 2 }] }
        isDown = true
        await assert.rejects(run(options), (error: Error) => {
          assert.ok(error instanceof CapacityError && error.code === 'CAPACITY_LABEL_ENGINES')
          return true
        })
        isDown = false
        const { report } = await run(options)
        assert.deepEqual([report.items, report.failed], [24, 0])
      },
    )
  })

  test('that fail over one item only are well, and the item is to blame', async () => {
    const poison = readFileSync(join(input, '3.png')).toString('base64')
    await withServer(
      (body, path) => {
        if (path === '/v1/models') return MODELS
        return JSON.stringify(body).includes(poison) ? 500 : WELL
      },
      async (url) => {
        const engines = [{ url, attempts: 1, batch: 2 }]
        const { report, lines } = await run({ input, engines, maxErrors: 1 })
        assert.equal(report.failed, 1)
        const [bad] = lines.filter(({ error }) => error !== null)
        assert.deepEqual([bad!.item_id, bad!.error!.code], ['3.png', 'CAPACITY_ENDPOINT'])
      },
    )
  })

  test('that are not there when the run begins are left out, unless there is no other', async () => {
    const gone = 'http://127.0.0.1:9/v1'
    await withServer(
      (_, path) => (path === '/v1/models' ? MODELS : WELL),
      async (url) => {
        const events: LabelEvent[] = []
        const engines = [gone, url].map((one) => ({ url: one, attempts: 1 }))
        const { report } = await run({ input, engines }, (event) => events.push(event))
        assert.deepEqual(
          report.engines.map(({ engine, items }) => [engine, items]),
          [[url, 24]],
        )
        assert.ok(events.some((event) => event.type === 'engine-lost' && event.engine === gone))
      },
    )
    await assert.rejects(run({ input, engines: [{ url: gone, attempts: 1 }] }), {
      code: 'CAPACITY_ENDPOINT',
    })
  })

  for (const refused of [401, 403, 404]) {
    test(`that refuse everybody with ${refused} are at fault, and not what they are asked`, async () => {
      await withServer(
        (_, path) => (path === '/v1/models' ? MODELS : refused),
        async (url) => {
          const slow = echo([], () => new Promise((done) => setTimeout(done, 5)))
          const engines = [
            { url, batch: 2 },
            { model: slow, name: 'm', batch: 1 },
          ]
          const { report } = await run({ input, engines })
          assert.deepEqual([report.items, report.failed], [24, 0])
          await assert.rejects(run({ input, engines: [{ url }] }), {
            code: 'CAPACITY_LABEL_ENGINES',
          })
        },
      )
    })
  }

  test('with several models want one to be named', async () => {
    await withServer(
      () => ({ data: [{ id: 'a' }, { id: 'b' }] }),
      async (url) => {
        await assert.rejects(run({ input, engines: [{ url }] }), /it has a, b; say which/)
      },
    )
  })
})
