/** Friends and enemies at once, for a time, and what was seen meanwhile. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { Rng } from '../../src/core/rng.ts'
import { drawAttack, slowClient } from './attackers.ts'
import { drawBody, operationsOf, written, type Operation } from './fuzz-document.ts'
import { judgeMemory, type MemorySample, type MemoryVerdict } from './memory-phases.ts'
import type { ServerProcess } from './server-process.ts'
import type { ValidRequest } from './valid-requests.ts'

export type HostileReport = {
  readonly figures: Readonly<Record<string, number | string>>
  readonly memory: MemoryVerdict
  readonly findings: readonly string[]
}

type Parts = {
  readonly server: ServerProcess
  readonly known: readonly ValidRequest[]
  readonly keys: Readonly<Record<'alice' | 'bob', string>>
  readonly rng: Rng
  readonly seconds: number
  readonly signal: AbortSignal
}

/** The parts of memory that `/metrics` tells. */
const MEMORY_PART =
  /^llava_(?:memory_bytes\{kind="(\w+)"\}|engine\{model="[^"]*",name="(kvBytes|pictureBytes)"\}) (\d+)/gm
const FRIENDS = 3
const ENEMIES = 3
const FUZZERS = 2
const SLOW = 12
const MOST_FINDINGS = 60
/** Tokens of a secret question behind its marker, at least. */
const SECRET_TOKENS = 10
/** A friend comes back so often when the server is full. */
const MOST_TRIES = 200

export class HostileRun {
  readonly #parts: Parts
  readonly #findings = new Map<string, number>()
  readonly #counts = new Map<string, number>()
  readonly #memory: MemorySample[] = []
  readonly #pings: number[] = []
  readonly #start = performance.now()
  #operations: readonly Operation[] = []
  #checks = new Map<string, ValidateFunction>()
  #secrets = 0

  constructor(parts: Parts) {
    this.#parts = parts
  }

  async run(): Promise<HostileReport> {
    await this.#readDocument()
    const people = [
      ...times(FRIENDS, () => this.#loop((rng) => this.#friend(rng))),
      this.#loop((rng) => this.#secret(rng)),
      this.#loop((rng) => this.#quitter(rng)),
      ...times(ENEMIES, () => this.#loop((rng) => this.#enemy(rng))),
      ...times(FUZZERS, () => this.#loop((rng) => this.#fuzzer(rng))),
      ...times(SLOW, () => this.#loop((rng) => this.#slow(rng))),
      this.#watch(),
    ]
    await Promise.all(people)
    const { seconds, server } = this.#parts
    const memory = judgeMemory(this.#memory, Math.min(seconds, this.#seconds))
    if (!memory.isFlat) this.#found('memory grew by more than 5 % after the warm-up')
    if (server.ended() !== null) this.#found(`the server died: ${server.ended()}`)
    else await this.#everybodyIsAnswered()
    return { figures: this.#figures(), memory, findings: this.#told() }
  }

  get #isOver(): boolean {
    const { signal, seconds, server } = this.#parts
    const isLate = performance.now() - this.#start > seconds * 1000
    return isLate || signal.aborted || server.ended() !== null
  }

  async #loop(act: (rng: Rng) => Promise<void>): Promise<void> {
    const rng = new Rng(this.#parts.rng.nextUint32())
    while (!this.#isOver) {
      try {
        await act(rng)
      } catch (error) {
        if (!this.#isOver) this.#found(`a client failed: ${describe(error)}`)
      }
    }
  }

  /** A request that must be answered right. */
  async #friend(rng: Rng): Promise<void> {
    const known = this.#parts.known[rng.integer(this.#parts.known.length)] as ValidRequest
    const response = await this.#answered(known.path, JSON.stringify(known.body), 'alice')
    if (!response) return
    if (response.status !== 200) {
      this.#found(
        `valid ${known.path} got ${response.status}: ${(await response.text()).slice(0, 300)}`,
      )
      return
    }
    const text = await known.textOf(response)
    this.#count('valid requests answered')
    if (text !== known.text) {
      this.#found(
        `valid ${known.path} got ${JSON.stringify(text)} for ${JSON.stringify(known.text)}`,
      )
    }
  }

  /** What one key asks for the first time is in the cache of no other, and comes back to nobody else. */
  async #secret(rng: Rng): Promise<void> {
    const marker = `secret-${this.#secrets++}-${rng.nextUint32()}`
    const content = `${marker} is what nobody else may ever see, and it is long enough to be kept.`
    const body = JSON.stringify({
      input: content,
      max_output_tokens: 3,
      metadata: { marker },
      include: [],
    })
    let alices = 0
    for (const [i, who] of (['alice', 'alice', 'bob'] as const).entries()) {
      const response = await this.#answered('/v1/responses', body, who)
      if (!response) return
      const text = await response.text()
      const markers = new Set(text.match(/secret-\d+-\d+/g))
      if (response.status !== 200 || markers.size !== 1 || !markers.has(marker)) {
        this.#found(`${who} asked with ${marker} and got ${response.status} ${text.slice(0, 300)}`)
      }
      const cached = Number(/"cached_tokens":(\d+)/.exec(text)?.[1])
      if (i === 1) alices = cached
      // What the template begins with he has from his own questions, and no word behind the secret.
      if (i === 2 && cached > 0 && cached > alices - SECRET_TOKENS) {
        this.#found(`bob found ${cached} cached tokens where alice found ${alices}`)
      }
    }
    this.#count('secrets kept')
  }

  async #quitter(rng: Rng): Promise<void> {
    const left = new AbortController()
    const stream = rng.uniform() < 0.6
    const body = JSON.stringify({
      messages: [{ role: 'user', content: `Tell me ${rng.integer(1000)} things.` }],
      max_tokens: 400,
      ignore_eos: true,
      stream,
    })
    const timer = setTimeout(() => left.abort(), rng.integer(400))
    try {
      const response = await this.#send('/v1/chat/completions', body, 'bob', {
        signal: left.signal,
      })
      await response.text()
    } catch {
      this.#count('requests aborted')
    } finally {
      clearTimeout(timer)
    }
  }

  async #enemy(rng: Rng): Promise<void> {
    const attack = drawAttack(rng)
    const start = performance.now()
    let status: number
    try {
      const response = await this.#send(attack.path ?? '/v1/chat/completions', attack.body, 'bob', {
        method: attack.method ?? 'POST',
        headers: attack.headers ?? {},
      })
      status = response.status
      this.#checkLeak(await response.text(), attack.name)
    } catch (error) {
      if (attack.isCut || this.#isOver) return
      this.#found(`attack ${attack.name}: ${describe(error)}`)
      return
    }
    this.#count(`attacks answered ${status}`)
    if (status !== 503 && status !== 429 && !attack.right(status)) {
      this.#found(`attack ${attack.name} got ${status}`)
    }
    const seconds = (performance.now() - start) / 1000
    if (seconds > 60) this.#found(`attack ${attack.name} took over a minute`)
  }

  async #fuzzer(rng: Rng): Promise<void> {
    const operation = this.#operations[rng.integer(this.#operations.length)] as Operation
    const faults = [0, 0.01, 0.05, 0.3][rng.integer(4)] as number
    const body = operation.body && written(drawBody(operation.body, rng, faults), rng)
    const path = operation.path.replace(/\{\w+\}/g, 'mini-vit-crop')
    const response = await this.#send(path, body, 'bob', { method: operation.method })
    const text = await response.text()
    this.#count(`drawn requests answered ${response.status}`)
    this.#checkLeak(text, path)
    this.#checkAgainstDocument(operation, response, text, body)
  }

  async #slow(rng: Rng): Promise<void> {
    const { server, signal } = this.#parts
    const held = await slowClient(
      server.port,
      rng,
      AbortSignal.any([signal, AbortSignal.timeout(this.#left())]),
    )
    this.#count('slow clients cut off')
    if (held > 140_000) this.#found(`a slow client was let be for ${Math.round(held / 1000)} s`)
    await pause(rng.integer(200))
  }

  /** Memory and whether the server still hears, every second. */
  async #watch(): Promise<void> {
    while (!this.#isOver) {
      await this.#sampleMemory()
      const start = performance.now()
      try {
        const response = await this.#send('/health', null, 'alice', { method: 'GET' })
        await response.text()
        this.#pings.push(performance.now() - start)
        if (response.status !== 200) this.#found(`/health got ${response.status}`)
      } catch (error) {
        if (!this.#isOver) this.#found(`/health: ${describe(error)}`)
      }
      await pause(1000)
    }
  }

  async #sampleMemory(): Promise<void> {
    const at = this.#seconds
    try {
      const response = await this.#send('/metrics', null, 'alice', { method: 'GET' })
      const told = [...(await response.text()).matchAll(MEMORY_PART)]
      const parts = Object.fromEntries(
        told.map(([, kind, size, value]) => [kind ?? size ?? '', Number(value)]),
      )
      this.#memory.push({ at, ...this.#parts.server.memory(), parts })
    } catch (error) {
      if (!this.#isOver) this.#found(`/metrics: ${describe(error)}`)
    }
  }

  /** Since the beginning. */
  get #seconds(): number {
    return (performance.now() - this.#start) / 1000
  }

  /** When all is over, every known request once more. */
  async #everybodyIsAnswered(): Promise<void> {
    for (const known of this.#parts.known) {
      const response = await this.#answered(known.path, JSON.stringify(known.body), 'bob', true)
      const text =
        response?.status === 200 ? await known.textOf(response) : `status ${response?.status}`
      if (text !== known.text) this.#found(`afterwards ${known.path} got ${JSON.stringify(text)}`)
    }
  }

  /** The response, after as many tries as a full server wants; null: the time is over. */
  async #answered(
    path: string,
    body: string,
    who: 'alice' | 'bob',
    isAfterwards = false,
  ): Promise<Response | null> {
    for (let tries = 0; tries < MOST_TRIES && (isAfterwards || !this.#isOver); tries++) {
      const response = await this.#send(path, body, who, {})
      if (response.status !== 503) return response
      await response.text()
      this.#count('times that a friend found it full')
      await pause(250)
    }
    if (isAfterwards || !this.#isOver) this.#found(`${path} was full ${MOST_TRIES} times in a row`)
    return null
  }

  #send(
    path: string,
    body: string | Uint8Array | null,
    who: 'alice' | 'bob',
    {
      method = 'POST',
      headers = {},
      signal,
    }: {
      readonly method?: string
      readonly headers?: Readonly<Record<string, string>>
      readonly signal?: AbortSignal
    },
  ): Promise<Response> {
    return fetch(this.#parts.server.url + path, {
      method,
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${this.#parts.keys[who]}`,
        ...headers,
      },
      ...(body !== null && method !== 'GET' && { body: body as BodyInit }),
      ...(signal && { signal }),
    })
  }

  async #readDocument(): Promise<void> {
    const response = await this.#send('/openapi.json', null, 'alice', { method: 'GET' })
    const document = (await response.json()) as Parameters<typeof operationsOf>[0] & {
      readonly components: object
    }
    this.#operations = operationsOf(document)
    const ajv = new Ajv2020({ strict: false })
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const [method, { responses }] of Object.entries(methods) as [string, never][]) {
        for (const [status, { content }] of Object.entries(responses) as [
          string,
          { content: Record<string, { schema: object }> },
        ][]) {
          for (const [type, { schema }] of Object.entries(content)) {
            const key = `${method.toUpperCase()} ${path} ${status} ${type}`
            this.#checks.set(key, ajv.compile({ ...schema, components: document.components }))
          }
        }
      }
    }
  }

  #checkAgainstDocument(
    operation: Operation,
    response: Response,
    text: string,
    body: unknown,
  ): void {
    const [type = ''] = (response.headers.get('content-type') ?? '').split(';')
    const where = `${operation.method} ${operation.path} ${response.status} ${type}`
    const isValid = this.#checks.get(where)
    const shown = String(body).slice(0, 400)
    if (!isValid) {
      this.#found(`${where} is not in the document; the request was ${shown}`)
      return
    }
    const values =
      type === 'application/json'
        ? [text]
        : type === 'text/event-stream'
          ? [...text.matchAll(/^data: (\{.*)$/gm)].map(([, data]) => data as string)
          : []
    for (const value of values) {
      if (!isValid(JSON.parse(value))) {
        const [error] = isValid.errors ?? []
        this.#found(`${where} ${error?.instancePath} ${error?.message}; the request was ${shown}`)
      }
    }
  }

  /** Nobody's answer holds what only a friend knows, a path of the server, or a trace of its code. */
  #checkLeak(text: string, name: string): void {
    if (/secret-\d+-\d+/.test(text)) this.#found(`${name} got somebody's secret`)
    if (/key-of-|\bat .*\.js:\d+|node_modules/.test(text))
      this.#found(`${name} got ${text.slice(0, 200)}`)
  }

  #left(): number {
    return Math.max(1, Math.ceil(this.#parts.seconds * 1000 - (performance.now() - this.#start)))
  }

  #figures(): Record<string, number | string> {
    const pings = [...this.#pings].sort((a, b) => a - b)
    return {
      seconds: Math.round(this.#seconds),
      ...Object.fromEntries([...this.#counts].sort(([a], [b]) => a.localeCompare(b))),
      'memory at most, MB': Math.round(
        Math.max(0, ...this.#memory.map(({ bytes }) => bytes)) / 1e6,
      ),
      '/health p50 ms': (pings[pings.length >> 1] ?? 0).toFixed(1),
      '/health p99 ms': (pings[Math.floor(pings.length * 0.99)] ?? 0).toFixed(1),
    }
  }

  #count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
  }

  #found(what: string): void {
    if (this.#findings.size < MOST_FINDINGS || this.#findings.has(what)) {
      this.#findings.set(what, (this.#findings.get(what) ?? 0) + 1)
    }
  }

  #told(): string[] {
    return [...this.#findings].map(([what, often]) =>
      often > 1 ? `${what} (${often} times)` : what,
    )
  }
}

function times<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function describe(error: unknown): string {
  const cause =
    error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : ''
  return `${error instanceof Error ? error.message : String(error)}${cause}`
}
