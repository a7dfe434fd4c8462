/** Requests that no friend would send, each with what may come back. */
import { connect } from 'node:net'
import type { Rng } from '../../src/core/rng.ts'
import { allBombs, mutated, type Bomb } from './bombs.ts'

export type Attack = {
  readonly name: string
  readonly path?: string
  readonly method?: string
  readonly body: string | Uint8Array | null
  readonly headers?: Readonly<Record<string, string>>
  /** Statuses that are right; 429 and 503 always are. */
  readonly right: (status: number) => boolean
  /** Too much of something: refused before it is whole, and cut off if it is sent on for long. */
  readonly isCut?: boolean
}

const CHAT = '/v1/chat/completions'
const isRefused = (status: number) => status >= 400 && status < 500
const isAnything = (status: number) => status === 200 || isRefused(status)

function chat(fields: object): string {
  return JSON.stringify({
    messages: [{ role: 'user', content: 'Hello' }],
    max_tokens: 2,
    ...fields,
  })
}

const bombs = allBombs()

function bombed({ name, kind, url }: Bomb): Attack {
  const part =
    kind === 'image'
      ? { type: 'image_url', image_url: { url } }
      : { type: 'video_url', video_url: { url }, frames: 4 }
  return {
    name: `bomb ${name}`,
    body: chat({ messages: [{ role: 'user', content: [part] }] }),
    right: isAnything,
  }
}

/** What is drawn next. */
export function drawAttack(rng: Rng): Attack {
  const share = rng.uniform()
  if (share < 0.35) return bombed(bombs[rng.integer(bombs.length)] as Bomb)
  if (share < 0.6) return bombed(mutated(rng))
  const list = ATTACKS[rng.integer(ATTACKS.length)] as (rng: Rng) => Attack
  return list(rng)
}

function refusedChat(name: string, fields: object, right = isRefused): (rng: Rng) => Attack {
  return () => ({ name, body: chat(fields), right })
}

function deep(levels: number, open: string, close: string): string {
  return open.repeat(levels) + close.repeat(levels)
}

const TEXT_PART = '{"type":"text","text":"a"},'

/** 10 kB to 40 MB of one thing in the place of `…` in a body. */
function many(
  name: string,
  path: string,
  [body, item]: readonly [string, string],
  rng: Rng,
): Attack {
  const bytes = 10_000 * 2 ** rng.integer(13)
  const items = item.repeat(Math.ceil(bytes / item.length)).replace(/,$/, '')
  return {
    name: `many ${name}`,
    path,
    body: body.replace('…', items),
    right: isAnything,
    isCut: true,
  }
}

const nested = (levels: number): object =>
  levels === 0 ? { type: 'null' } : { type: 'array', items: nested(levels - 1) }

const ATTACKS: readonly ((rng: Rng) => Attack)[] = [
  refusedChat('fetch', { messages: [picture('http://169.254.169.254/latest')] }),
  refusedChat('file', { messages: [picture('file:///etc/passwd')] }),
  refusedChat('path', { messages: [picture('/etc/passwd')] }),
  refusedChat('prototype', { __proto__: null, constructor: { prototype: { n: 2 } } }),
  refusedChat('many answers', { n: 1e9 }),
  refusedChat('long answer', { max_tokens: 1e12 }),
  refusedChat('schema too deep', { json_schema: nested(60) }),
  refusedChat('schema of many', {
    json_schema: { enum: Array.from({ length: 5000 }, (_, i) => `value ${i}`) },
  }),
  refusedChat('schema of everything', { json_schema: { not: {} } }),
  refusedChat('empty grammar', { ebnf: 'root ::= root' }, isAnything),
  refusedChat('regex that grows', { regex: '.*a.{12}'.repeat(3), max_tokens: 2 }, isAnything),
  refusedChat('regex nested', { regex: '((((a+)+)+)+)+$' }, isAnything),
  refusedChat('regex huge', { regex: '(a{1,1000}){1,1000}' }, isAnything),
  refusedChat(
    'template',
    { messages: [{ role: 'user', content: '{% for i in range(999999999) %}x{% endfor %}' }] },
    isAnything,
  ),
  refusedChat('own template', { chat_template: '{{ 1 }}' }),
  refusedChat('bias of all', {
    logit_bias: Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [i, 1])),
  }),
  refusedChat('too long', { messages: [{ role: 'user', content: 'word '.repeat(60_000) }] }),
  refusedChat('many messages', {
    messages: Array.from({ length: 5000 }, () => ({ role: 'user', content: 'a' })),
  }),
  refusedChat('many pictures', {
    messages: [
      {
        role: 'user',
        content: Array.from({ length: 100 }, () => ({
          type: 'image_url',
          image_url: { url: 'data:image/png;base64,AAAA' },
        })),
      },
    ],
  }),
  (rng) => many('ids', '/v1/completions', ['{"prompt":[…]}', '1,'], rng),
  (rng) => many('tokens', '/detokenize', ['{"tokens":[…]}', '5,'], rng),
  (rng) => many('input ids', '/generate', ['{"input_ids":[…]}', '7,'], rng),
  (rng) => many('empty messages', CHAT, ['{"messages":[…]}', '{},'], rng),
  (rng) =>
    many('text parts', CHAT, ['{"messages":[{"role":"user","content":[…]}]}', TEXT_PART], rng),
  (rng) => many('solid text', CHAT, ['{"messages":[{"role":"user","content":"…"}]}', 'x'], rng),
  () => ({ name: 'deep lists', body: deep(100_000, '[', ']'), right: isRefused }),
  () => ({
    name: 'deep objects',
    body: deep(20_000, '{"a":', '') + '1' + '}'.repeat(20_000),
    right: isRefused,
  }),
  () => ({ name: 'broken UTF-8', body: Uint8Array.of(0x7b, 0xff, 0xfe, 0x7d), right: isRefused }),
  () => ({
    name: 'not JSON',
    body: 'a=b',
    headers: { 'content-type': 'text/plain' },
    right: isRefused,
  }),
  () => ({
    name: 'wrong key',
    body: chat({}),
    headers: { authorization: 'Bearer nobody' },
    right: (status) => status === 401,
  }),
  () => ({
    name: 'no key',
    body: chat({}),
    headers: { authorization: '' },
    right: (status) => status === 401,
  }),
  () => ({
    name: 'other origin',
    body: chat({}),
    headers: { origin: 'https://evil.example' },
    right: (status) => status === 403,
  }),
  (rng) => ({
    name: 'large',
    body: chat({ user: 'x'.repeat(1 << (18 + rng.integer(5))) }),
    right: isAnything,
  }),
  (rng) => ({
    name: 'huge',
    body:
      rng.uniform() < 0.1
        ? chat({ user: 'x'.repeat(66 << 20) })
        : chat({ user: 'x'.repeat(8 << 20) }),
    right: isAnything,
    isCut: true,
  }),
  (rng) => ({
    name: 'stranger',
    path: `/${encodeURIComponent(['../package.json', '.git/config', '%2e%2e', 'v1//models', '\u0000'][rng.integer(5)] as string)}`,
    method: 'GET',
    body: null,
    right: isRefused,
  }),
  (rng) => ({
    name: 'method',
    method: ['PUT', 'DELETE', 'PATCH'][rng.integer(3)] as string,
    body: chat({}),
    right: isRefused,
  }),
]

function picture(url: string) {
  return { role: 'user', content: [{ type: 'image_url', image_url: { url } }] }
}

/** Connections that send a byte now and then, or nothing at all; resolves with how long it was let do so. */
export function slowClient(port: number, rng: Rng, signal: AbortSignal): Promise<number> {
  const socket = connect(port, '127.0.0.1')
  const start = performance.now()
  const head = `POST ${CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n`
  const beginnings = [
    'GET /health HTTP/1.1\r\nhost: localhost\r\nx-slow: ',
    '',
    `${head}content-length: 100000\r\n\r\n{"messages": "`,
    `${head}transfer-encoding: chunked\r\n\r\n1\r\n{\r\n`,
    'POST / HTTP/1.1\r\nhost: a\r\nhost: b\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n',
    'GET  HTTP/9.9\r\n\r\n',
    '\u0016\u0003\u0001\u0002\u0000',
  ]
  socket.on('connect', () => socket.write(beginnings[rng.integer(beginnings.length)] as string))
  const drip = setInterval(() => socket.writable && socket.write('a'), 1500)
  const leave = () => socket.destroy()
  signal.addEventListener('abort', leave, { once: true })
  return new Promise((resolve) => {
    socket.on('error', () => {})
    socket.on('close', () => {
      clearInterval(drip)
      signal.removeEventListener('abort', leave)
      resolve(performance.now() - start)
    })
  })
}
