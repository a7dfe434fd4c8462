/** Requests drawn from the server's own OpenAPI document: mostly what it allows, with faults of every kind put in. */
import type { Rng } from '../../src/core/rng.ts'

export type Schema = {
  readonly type?: string | readonly string[]
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Schema
  readonly items?: Schema
  readonly minItems?: number
  readonly maxItems?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
}

export type Operation = {
  readonly method: string
  readonly path: string
  readonly body: Schema | null
}

type Document = {
  readonly paths: Readonly<
    Record<
      string,
      Record<
        string,
        { readonly requestBody?: { readonly content: Record<string, { readonly schema: Schema }> } }
      >
    >
  >
}

export function operationsOf({ paths }: Document): Operation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { requestBody }]) => ({
      method: method.toUpperCase(),
      path,
      body: requestBody?.content['application/json']?.schema ?? null,
    })),
  )
}

const WORDS = [
  '',
  'a',
  'Hello',
  '<image>',
  '<|im_end|>',
  '\u0000',
  '\ud800',
  '\ufdd0',
  '𝕏'.repeat(40),
  '{{ 7 * 7 }}',
  "'; DROP TABLE answers; --",
  '../../../etc/passwd',
  '__proto__',
  'constructor',
  'data:image/png;base64,AAAA',
  'data:image/png;base64,====',
  'file:///etc/passwd',
  'http://169.254.169.254/',
  '(a+)+$',
  'root ::= root',
  '{"type":"object"}',
  'x'.repeat(3000),
]
const NUMBERS = [0, 1, -1, 0.5, 2, 1e308, -1e308, 1e-320, 2 ** 31, 2 ** 53, -(2 ** 53), NaN, 4096]
const STRANGERS: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  '',
  'x',
  [],
  {},
  [[]],
  { a: {} },
]

/** A body for an operation; with `faults` 0 the document allows it. */
export function drawBody(schema: Schema, rng: Rng, faults: number): unknown {
  return new Draw(rng, faults).value(schema, 0)
}

class Draw {
  readonly #rng: Rng
  readonly #faults: number

  constructor(rng: Rng, faults: number) {
    this.#rng = rng
    this.#faults = faults
  }

  value(schema: Schema, depth: number): unknown {
    if (this.#isFault()) return this.#one(STRANGERS)
    if (schema.const !== undefined) return schema.const
    if (schema.enum) return this.#one(schema.enum)
    if (schema.anyOf) return this.value(this.#one(schema.anyOf), depth)
    const type = this.#one([schema.type ?? 'string'].flat())
    if (type === 'null') return null
    if (type === 'boolean') return this.#rng.uniform() < 0.5
    if (type === 'string') return this.#one(WORDS)
    if (type === 'integer' || type === 'number') return this.#number(schema, type === 'integer')
    if (type === 'array') return this.#list(schema, depth)
    return this.#object(schema, depth)
  }

  #isFault(): boolean {
    return this.#rng.uniform() < this.#faults
  }

  #one<T>(list: readonly T[]): T {
    return list[this.#rng.integer(list.length)] as T
  }

  #number({ minimum = -4, maximum = 4, exclusiveMinimum }: Schema, isWhole: boolean): number {
    if (this.#isFault()) return this.#one(NUMBERS)
    const least = exclusiveMinimum ?? minimum
    // Long answers cost time and teach nothing.
    const most = isWhole ? Math.min(maximum, least + 6) : maximum
    const value = least + this.#rng.uniform() * (most - least)
    return isWhole ? Math.round(value) : value
  }

  #list({ items = {}, minItems = 0, maxItems = 3 }: Schema, depth: number): unknown[] {
    if (this.#isFault()) return Array.from({ length: this.#one([0, 200, 2000]) }, () => 1)
    const length = Math.min(maxItems, minItems + this.#rng.integer(depth > 3 ? 1 : 3))
    return Array.from({ length }, () => this.value(items, depth + 1))
  }

  #object(schema: Schema, depth: number): Record<string, unknown> {
    const { properties = {}, required = [], additionalProperties } = schema
    const drawn: Record<string, unknown> = {}
    for (const [name, property] of Object.entries(properties)) {
      const share = required.includes(name) ? 1 - this.#faults : 0.12
      if (this.#rng.uniform() < share) drawn[name] = this.value(property, depth + 1)
    }
    if (this.#isFault()) drawn[this.#one(WORDS)] = this.#one(STRANGERS)
    if (typeof additionalProperties === 'object' && depth < 4) {
      drawn[String(this.#rng.integer(400))] = this.value(additionalProperties, depth + 1)
    }
    return drawn
  }
}

/** The text of a body, sometimes broken on the way. */
export function written(body: unknown, rng: Rng): string {
  const text = JSON.stringify(body) ?? 'undefined'
  if (rng.uniform() > 0.05) return text
  const at = rng.integer(text.length + 1)
  const kind = rng.integer(4)
  if (kind === 0) return text.slice(0, at)
  if (kind === 1) return text.slice(0, at) + '\u0000' + text.slice(at)
  if (kind === 2) return text.slice(0, at) + '[' + text.slice(at)
  return text.replace(/\d+/, '1e999')
}
