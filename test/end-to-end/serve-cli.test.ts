/** `llava serve` as a user runs it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { checkAddress, listen } from '../../src/serve/http-node.ts'
import { llava, program } from './run-cli.ts'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../../../dist/program/main.js', import.meta.url))
const MODEL = ['--model', 'fixtures/inference/mini-vit-crop', '--precision', 'f32']

test('it says where it listens, wants its keys, logs lines of JSON, and ends well when told to', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'llava-serve-'))
  const keys = join(folder, 'keys.txt')
  writeFileSync(keys, 'alice key-of-alice-0123456789\n')
  const flags = ['--port', '0', '--json', '--api-key-file', keys, '--served-name', 'tiny']
  const child = spawn(process.execPath, [PROGRAM, 'serve', ...MODEL, ...flags])
  try {
    const log = text(child.stderr)
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
    const { url, model } = JSON.parse(line) as { url: string; model: string }
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/)
    assert.equal(model, 'tiny')
    assert.equal((await fetch(`${url}/v1/models`)).status, 401)
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': 'key-of-alice-0123456789' },
      body: JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }], max_tokens: 4 }),
    })
    assert.equal(response.status, 200)
    await response.text()
    child.kill('SIGTERM')
    const [code] = (await once(child, 'exit')) as [number]
    assert.equal(code, 0)
    const lines = (await log).split('\n').filter((one) => one.startsWith('{'))
    const events = lines.map((one) => JSON.parse(one) as { event: string; code?: string })
    assert.deepEqual(
      events.map(({ event }) => event),
      ['request', 'answer', 'request'],
    )
    assert.equal(events[0]?.code, 'INPUT_API_KEY')
  } finally {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  }
})

test('it goes on when nobody reads its log any more', async () => {
  const flags = ['--port', '0', '--json', '--no-page']
  const child = spawn(process.execPath, [PROGRAM, 'serve', ...MODEL, ...flags])
  try {
    child.stderr.destroy()
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
    const { url } = JSON.parse(line) as { url: string }
    for (let i = 0; i < 3; i++) assert.equal((await fetch(`${url}/health`)).status, 200)
  } finally {
    child.kill('SIGKILL')
  }
})

test('a precision whose answers depend on who else asks is pointed out', async () => {
  for (const [precision, isPointedOut] of [
    ['int8+q4', true],
    ['int8', false],
  ] as const) {
    const model = ['--model', MODEL[1] as string, '--precision', precision]
    const flags = ['--port', '0', '--json', '--no-page']
    const child = spawn(process.execPath, [PROGRAM, 'serve', ...model, ...flags])
    try {
      const said = text(child.stderr)
      await once(createInterface(child.stdout), 'line')
      child.kill('SIGTERM')
      assert.equal(/may depend on who else asks/.test(await said), isPointedOut)
    } finally {
      child.kill('SIGKILL')
    }
  }
})

test('an address that cannot be had is told before a model is loaded, and no bug', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  try {
    const flags = [
      'serve',
      '--model',
      'no-such-model',
      '--no-page',
      '--json',
      '--port',
      String(port),
    ]
    const { code, stdout } = await llava(flags)
    assert.equal(code, 1)
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string } }
    assert.equal(error.code, 'CONFIG_ADDRESS')
    assert.match(error.message, /is taken; stop what listens there/)
    for (const address of [
      { host: '127.0.0.1', port },
      { host: '127.0.0.1', port: 70_000 },
      { host: '192.0.2.1', port: 0 },
    ]) {
      await assert.rejects(checkAddress(address), { code: 'CONFIG_ADDRESS' })
    }
  } finally {
    other.close()
  }
  const app = { fetch: async () => new Response(), drain: async () => {}, shutdownSeconds: 0 }
  const tls = { cert: 'no certificate', key: 'no key' }
  await assert.rejects(listen(app, { host: '127.0.0.1', port: 0, tls }), { code: 'CONFIG_TLS' })
})

test('help shows no option that does nothing here', async () => {
  const { stdout } = await program(['serve', '--help'])
  assert.match(stdout, /--allow-media-host/)
  assert.doesNotMatch(stdout, /--allow-remote/)
  assert.match((await program(['ask', '--help'])).stdout, /--allow-remote/)
})

test('wrong settings are refused before a model is loaded', async () => {
  const refused: readonly [readonly string[], RegExp][] = [
    [['--max-running', '0'], /--max-running should be a whole number from 1/],
    [['--tls-cert', 'fixtures/tls/cert.pem'], /belong together/],
    [['--api-key-file', 'none.txt'], /none\.txt cannot be read/],
    [['--allow-host', 'a.example:80'], /--allow-host should be a host's name alone/],
    [['--allow-media-host', 'https://a.example'], /--allow-media-host should be a host's name/],
    [['--allow-media-address', '10.0.0.1'], /needs --allow-media-host/],
    [['--allow-remote'], /--allow-remote does nothing here: .*--allow-media-host/],
  ]
  for (const [flags, message] of refused) {
    const { code, stderr } = await llava(['serve', '--model', 'no-such-model', ...flags])
    assert.equal(code, 2)
    assert.match(stderr, message)
  }
})
