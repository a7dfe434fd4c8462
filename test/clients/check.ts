/**
 * The official Python clients and curl, unchanged, against the real program: what they get is what the library gives.
 *
 *     npm run check:clients -- --python FILE [--model mini]
 *
 * Outside the default tests: it needs Python with openai and anthropic, and curl. (The clients of npm are in the default
 * tests: test/end-to-end.)
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { loadModel } from '../../src/index.ts'
import { startServerProcess } from '../hostile/server-process.ts'

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    model: { type: 'string', default: 'models/mini' },
  },
})
const PICTURE = 'fixtures/eval/quick/images/grocery-Anjou_032.jpg'
const QUESTION = 'What product is in the picture?'
const KEY = 'key-of-a-client-0123456789'

const model = await loadModel(values.model)
const content = [
  { type: 'image', image: PICTURE } as const,
  { type: 'text', text: QUESTION } as const,
]
const messages = [{ role: 'user', content } as const]
const seen = await model.generate({ messages, maxTokens: 40 })
const raw = await model.generate({ prompt: 'One, two, three,', maxTokens: 8 })
const tokens = seen.usage.promptTokens
await model.dispose()

const folder = mkdtempSync(join(tmpdir(), 'llava-clients-'))
const keyFile = join(folder, 'keys')
writeFileSync(keyFile, `somebody ${KEY}\n`)
const served = ['--model', values.model, '--served-name', 'served', '--port', '0', '--no-page']
const server = await startServerProcess([...served, '--api-key-file', keyFile])
let failures = 0
try {
  checkPython()
  checkCurl()
} finally {
  const ended = await server.stop()
  if (ended !== '0') check('the end of the server', ended, '0')
  for (const fault of server.faults) check('the log of the server', fault, null)
  rmSync(folder, { recursive: true })
}
process.exitCode = failures > 0 ? 1 : 0

function checkPython(): void {
  const script = join('test', 'clients', 'clients.py')
  const run = spawnSync(values.python, [script, server.url, KEY, 'served', PICTURE, QUESTION], {
    encoding: 'utf8',
  })
  if (run.status !== 0) throw new Error((run.stderr ?? String(run.error)).slice(-1500))
  const { versions, choice, ...got } = JSON.parse(run.stdout) as Record<string, unknown>
  process.stdout.write(`Python: ${String(versions)}\n`)
  const expected: Record<string, unknown> = {
    usage: tokens,
    'usage, streamed': tokens,
    count_tokens: tokens,
    form: ['product'],
    completions: raw.text,
    models: ['served'],
    'wrong key': ['AuthenticationError', 401],
    'wrong model': ['NotFoundError', 404],
    'wrong field': ['BadRequestError', 400],
    'wrong message': ['BadRequestError', 400],
  }
  for (const [name, value] of Object.entries(got)) check(name, value, expected[name] ?? seen.text)
  check('choice', ['pears', 'books'].includes(String(choice)), true)
}

/** The example of docs/serving.md with a picture in it. */
function checkCurl(): void {
  const page = readFileSync('docs/serving.md', 'utf8')
  const [, body = ''] =
    /chat\/completions -H 'content-type: application\/json' -d '([^']+)'/.exec(page) ?? []
  const bytes = readFileSync(PICTURE).toString('base64')
  const filled = body
    .replace('base64,…', `base64,${bytes}`)
    .replace('What is on the table?', QUESTION)
  const file = join(folder, 'body.json')
  writeFileSync(file, filled)
  const headers = ['content-type: application/json', `authorization: Bearer ${KEY}`]
  const flags = headers.flatMap((header) => ['-H', header])
  const run = spawnSync(
    'curl',
    ['-sS', `${server.url}/v1/chat/completions`, ...flags, '-d', `@${file}`],
    { encoding: 'utf8' },
  )
  if (run.status !== 0) throw new Error(run.stderr)
  const answer = JSON.parse(run.stdout) as { choices?: { message: { content: string } }[] }
  check('curl', answer.choices?.[0]?.message.content ?? run.stdout, seen.text)
}

function check(name: string, got: unknown, expected: unknown): void {
  const isRight = isDeepStrictEqual(got, expected)
  if (!isRight) failures++
  const told = isRight
    ? 'as in the library'
    : `FAILED: ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`
  process.stdout.write(`${name}: ${told}\n`)
}
