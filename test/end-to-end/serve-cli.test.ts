/** `llava serve` as a user runs it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { llava } from './run-cli.ts'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
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

test('wrong settings are refused before a model is loaded', async () => {
  const refused: readonly [readonly string[], RegExp][] = [
    [['--max-running', '0'], /--max-running should be a whole number from 1/],
    [['--tls-cert', 'fixtures/tls/cert.pem'], /belong together/],
    [['--api-key-file', 'none.txt'], /none\.txt cannot be read/],
    [['--allow-media-address', '10.0.0.1'], /needs --allow-media-host/],
  ]
  for (const [flags, message] of refused) {
    const { code, stderr } = await llava(['serve', '--model', 'no-such-model', ...flags])
    assert.equal(code, 2)
    assert.match(stderr, message)
  }
})
