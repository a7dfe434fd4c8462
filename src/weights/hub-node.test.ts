import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'

import { CheckpointError, InputError } from '../core/errors.ts'
import { resolveModel, type HubEvent, type ResolveOptions } from './hub-node.ts'

const root = await mkdtemp(join(tmpdir(), 'llava-hub-'))
const servers: Server[] = []
after(async () => {
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
  await rm(root, { recursive: true, force: true })
})

const ID = 'tiny/llava'
const COMMIT = 'c'.repeat(40)
const WEIGHTS = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * 31) >> 3))

type Fault = 'cut' | 'corrupt' | 'status'

/** A server on this machine that answers as the hub does: commits, trees, files with ranges. */
class FakeHub {
  readonly files = new Map<string, Buffer>([
    ['config.json', Buffer.from('{"model_type":"llava"}')],
    ['model.safetensors', WEIGHTS],
    ['nested/extra.json', Buffer.from('{}')],
    ['pytorch_model.bin', Buffer.from('pickle')],
  ])
  readonly requests: string[] = []
  /** What goes wrong with the next requests of a file, in order. */
  readonly faults: Fault[] = []
  token: string | undefined
  commit = COMMIT
  endpoint = ''

  async listen(): Promise<this> {
    const server = createServer((request, response) => this.#answer(request, response))
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    this.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return this
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURIComponent(request.url!.split('?')[0]!)
    this.requests.push(`${path}${request.headers.range ? ` ${request.headers.range}` : ''}`)
    if (this.token && request.headers.authorization !== `Bearer ${this.token}`)
      return void response.writeHead(401).end()
    if (path.startsWith(`/api/models/${ID}/revision/`))
      return this.#json(response, { _id: '1', id: ID, sha: this.commit, lastModified: 0 })
    if (path === `/api/models/${ID}/tree/${this.commit}`) return this.#json(response, this.#tree())
    const file = this.files.get(path.replace(`/${ID}/resolve/${this.commit}/`, ''))
    if (!file) return void response.writeHead(404, { 'X-Error-Code': 'RepoNotFound' }).end()
    this.#send(file, request, response)
  }

  #json(response: ServerResponse, value: unknown): void {
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(value))
  }

  #tree(): unknown[] {
    return [{ type: 'directory', path: 'nested', size: 0, oid: '0' }].concat(
      [...this.files].map(([path, content]) => {
        const oid = createHash('sha1')
          .update(`blob ${content.length}\0`)
          .update(content)
          .digest('hex')
        const sha256 = createHash('sha256').update(content).digest('hex')
        const lfs = /\.(safetensors|bin|gguf)$/.test(path) && {
          lfs: { oid: sha256, size: content.length, pointerSize: 130 },
        }
        return { type: 'file', path, size: content.length, oid, ...lfs }
      }),
    )
  }

  #send(file: Buffer, request: IncomingMessage, response: ServerResponse): void {
    const fault = this.faults.shift()
    if (fault === 'status') return void response.writeHead(503).end()
    const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    let body = file.subarray(start)
    if (fault === 'corrupt') body = Buffer.from(body.map((byte) => byte ^ 1))
    response.writeHead(start > 0 ? 206 : 200, { 'Content-Length': body.length })
    if (fault !== 'cut') return void response.end(body)
    response.write(body.subarray(0, Math.floor(body.length / 2)), () =>
      setTimeout(() => response.destroy(), 20),
    )
  }
}

let caches = 0
async function setUp(): Promise<{
  hub: FakeHub
  options: ResolveOptions
  events: HubEvent[]
  repository: string
}> {
  const hub = await new FakeHub().listen()
  const cacheDir = join(root, String(caches++))
  const events: HubEvent[] = []
  const options = {
    cacheDir,
    endpoint: hub.endpoint,
    offline: false,
    onProgress: (event: HubEvent) => void events.push(event),
    wait: async () => {},
  }
  return { hub, options, events, repository: join(cacheDir, 'models--tiny--llava') }
}

async function blobs(repository: string): Promise<string[]> {
  return readdir(join(repository, 'blobs'))
}

test('a model is downloaded into the layout that Python shares, and only what loading it takes', async () => {
  const { options, events, repository } = await setUp()
  const folder = await resolveModel(ID, options)
  assert.equal(folder, join(repository, 'snapshots', COMMIT))
  assert.deepEqual((await readdir(folder)).sort(), ['config.json', 'model.safetensors'])
  assert.deepEqual(await readFile(join(folder, 'model.safetensors')), WEIGHTS)
  assert.equal(await readFile(join(repository, 'refs', 'main'), 'utf8'), COMMIT)
  const hash = createHash('sha256').update(WEIGHTS).digest('hex')
  assert.ok((await lstat(join(folder, 'model.safetensors'))).isSymbolicLink())
  assert.equal(await readlink(join(folder, 'model.safetensors')), join('..', '..', 'blobs', hash))
  assert.equal((await blobs(repository)).length, 2)
  assert.equal(events.at(-1)!.done, events.at(-1)!.total)
  assert.equal(events.at(-1)!.total, WEIGHTS.length + 22)
})

test('what is in the cache is used without a request, by branch and by commit, offline or not', async () => {
  const { hub, options } = await setUp()
  const folder = await resolveModel(ID, options)
  hub.requests.length = 0
  assert.equal(await resolveModel(ID, options), folder)
  assert.equal(await resolveModel(ID, { ...options, offline: true }), folder)
  assert.equal(await resolveModel(ID, { ...options, offline: true, revision: COMMIT }), folder)
  assert.deepEqual(hub.requests, [])
})

test('a cut connection is resumed where it stopped, within one call', async () => {
  const { hub, options } = await setUp()
  hub.files.delete('config.json')
  hub.files.set('config.json', Buffer.from('{}'))
  hub.faults.push('cut', 'cut', 'status')
  const folder = await resolveModel(ID, options)
  assert.deepEqual(await readFile(join(folder, 'model.safetensors')), WEIGHTS)
  const ranges = hub.requests.filter((request) => / bytes=[1-9]\d+-299999$/.test(request))
  assert.ok(ranges.length >= 2, hub.requests.join('\n'))
})

test('an interrupted download goes on in the next call; nothing half-written is ever in a snapshot', async () => {
  const { hub, options, repository } = await setUp()
  const controller = new AbortController()
  const onProgress = (event: HubEvent) => {
    if (event.file === 'model.safetensors' && event.done > 100_000)
      controller.abort(new Error('stop'))
  }
  hub.faults.push('cut')
  await assert.rejects(
    resolveModel(ID, { ...options, onProgress, signal: controller.signal }),
    /stop/,
  )
  assert.deepEqual(await readdir(join(repository, 'snapshots', COMMIT)), ['config.json'])
  const partial = (await blobs(repository)).filter((name) => name.endsWith('.incomplete'))
  assert.equal(partial.length, 1)
  hub.requests.length = 0
  const folder = await resolveModel(ID, options)
  assert.deepEqual(await readFile(join(folder, 'model.safetensors')), WEIGHTS)
  assert.ok(hub.requests.some((request) => / bytes=[1-9]\d+-/.test(request)))
  assert.ok((await blobs(repository)).every((name) => !name.endsWith('.incomplete')))
})

test('a damaged beginning left by an earlier try is thrown away; a file that stays corrupt is refused', async () => {
  const { hub, options, repository } = await setUp()
  const hash = createHash('sha256').update(WEIGHTS).digest('hex')
  await mkdir(join(repository, 'blobs'), { recursive: true })
  await writeFile(join(repository, 'blobs', `${hash}.incomplete`), Buffer.alloc(1000))
  const folder = await resolveModel(ID, options)
  assert.deepEqual(await readFile(join(folder, 'model.safetensors')), WEIGHTS)

  const second = await setUp()
  second.hub.files.delete('config.json')
  second.hub.files.delete('nested/extra.json')
  second.hub.faults.push('corrupt', 'corrupt')
  await assert.rejects(resolveModel(ID, second.options), {
    code: 'CHECKPOINT_DOWNLOAD_CORRUPT',
    message: /model\.safetensors with hash/,
  })
  assert.deepEqual(await blobs(second.repository), [])
  assert.equal(hub.faults.length, 0)
})

test('small files are checked too, by the hash that git gives them', async () => {
  const { hub, options } = await setUp()
  for (const path of hub.files.keys()) if (path !== 'config.json') hub.files.delete(path)
  hub.faults.push('corrupt', 'corrupt')
  await assert.rejects(resolveModel(ID, { ...options, allow: ['config.json'] }), {
    code: 'CHECKPOINT_DOWNLOAD_CORRUPT',
  })
})

test('a connection that brings nothing is given up after a few tries, and what came is kept', async () => {
  const { hub, options } = await setUp()
  hub.faults.push(...Array.from({ length: 20 }, () => 'status' as const))
  await assert.rejects(resolveModel(ID, options), {
    code: 'CHECKPOINT_DOWNLOAD',
    message: /expected \d+ bytes of .* the download goes on where it stopped/,
  })
  hub.faults.length = 0
  await resolveModel(ID, options)
})

test('without a network the error says what is missing and where it was looked for', async () => {
  const { hub, options, repository } = await setUp()
  await assert.rejects(resolveModel(ID, { ...options, offline: true }), (error) => {
    assert.ok(error instanceof CheckpointError)
    assert.equal(error.code, 'CHECKPOINT_NOT_CACHED')
    assert.ok(error.message.includes(repository))
    assert.match(error.message, /--offline or HF_HUB_OFFLINE/)
    return true
  })
  assert.deepEqual(hub.requests, [])
  const folder = await resolveModel(ID, options)
  await unlink(join(folder, 'model.safetensors'))
  await assert.rejects(
    resolveModel(ID, { ...options, offline: true }),
    /expected model\.safetensors of tiny\/llava in /,
  )
  const nowhere = { ...options, endpoint: 'http://127.0.0.1:9' }
  await assert.rejects(resolveModel(ID, nowhere), {
    code: 'CHECKPOINT_NOT_CACHED',
    message: /127\.0\.0\.1:9 cannot be reached/,
  })
})

test('shards that an index lists are part of the model', async () => {
  const { hub, options } = await setUp()
  hub.files.delete('model.safetensors')
  const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']
  const index = { weight_map: Object.fromEntries(shards.map((shard, i) => [`t${i}`, shard])) }
  hub.files.set('model.safetensors.index.json', Buffer.from(JSON.stringify(index)))
  for (const shard of shards) hub.files.set(shard, Buffer.from(shard))
  const folder = await resolveModel(ID, options)
  await unlink(join(folder, shards[1]!))
  await assert.rejects(
    resolveModel(ID, { ...options, offline: true }),
    /expected model-00002-of-00002\.safetensors of/,
  )
  await resolveModel(ID, options)
  assert.equal(await readFile(join(folder, shards[1]!), 'utf8'), shards[1])
})

test('a deleted blob is downloaded again behind the link that is left', async () => {
  const { options, repository } = await setUp()
  const folder = await resolveModel(ID, options)
  await rm(join(repository, 'blobs'), { recursive: true })
  assert.equal(await resolveModel(ID, options), folder)
  assert.deepEqual(await readFile(join(folder, 'model.safetensors')), WEIGHTS)
})

test('patterns choose other files, those in folders too', async () => {
  const { options } = await setUp()
  const folder = await resolveModel(ID, { ...options, allow: ['nested/*', '*.bin'] })
  assert.deepEqual((await readdir(folder)).sort(), ['nested', 'pytorch_model.bin'])
  await assert.rejects(resolveModel(ID, { ...options, allow: ['*.gguf'] }), {
    code: 'CHECKPOINT_NOT_FOUND',
    message: /match \*\.gguf in tiny\/llava, it has config\.json/,
  })
})

test('a token is sent, read from its file if need be; without it the error says what to do', async () => {
  const { hub, options } = await setUp()
  hub.token = 'hf_secret'
  await assert.rejects(resolveModel(ID, options), {
    code: 'CHECKPOINT_HUB_DENIED',
    message: /without a token \(401\).*HF_TOKEN/,
  })
  const tokenFile = join(root, 'token')
  await writeFile(tokenFile, 'hf_secret\n')
  await resolveModel(ID, { ...options, tokenFile, revision: 'v1' })
  const error = await resolveModel(ID, { ...options, token: 'hf_wrong' }).catch(
    (error: Error) => error,
  )
  assert.ok(error instanceof CheckpointError && !error.message.includes('hf_wrong'))
})

test('a model or revision that does not exist is not found', async () => {
  const { options } = await setUp()
  await assert.rejects(resolveModel('no/model', options), { code: 'CHECKPOINT_NOT_FOUND' })
})

test('names that would leave the cache are refused, from the user and from the hub', async () => {
  const { hub, options } = await setUp()
  for (const id of ['', '../x', 'a/../b', 'a/b/c', 'a--b/c', '/a', 'a b', '.hidden/x', 'x/y.git']) {
    await assert.rejects(resolveModel(id, options), InputError)
  }
  for (const revision of ['', '..', '../x', 'a//b', '/main']) {
    await assert.rejects(resolveModel(ID, { ...options, revision }), InputError)
  }
  assert.deepEqual(hub.requests, [])
  hub.files.set('../../evil.json', Buffer.from('{}'))
  await assert.rejects(resolveModel(ID, options), { code: 'CHECKPOINT_HUB_ANSWER' })
  hub.files.delete('../../evil.json')
  hub.commit = '../../../evil'
  await assert.rejects(resolveModel(ID, options), { code: 'CHECKPOINT_HUB_ANSWER' })
})

test('two calls at once both succeed', async () => {
  const { options, repository } = await setUp()
  const [first, second] = await Promise.all([resolveModel(ID, options), resolveModel(ID, options)])
  assert.equal(first, second)
  assert.deepEqual(await readFile(join(first, 'model.safetensors')), WEIGHTS)
  assert.equal((await blobs(repository)).length, 2)
  assert.equal(dirname(dirname(first)), repository)
})
