/**
 * API keys: kept as SHA-256 digests, compared in a time that does not depend on where they differ.
 *
 * Keys are long random texts, so a fast hash does: nobody can try enough of them.
 */
import { ConfigError } from '../../core/errors.ts'

export type ApiKey = { readonly name: string; readonly digest: Uint8Array }

/** Shorter ones could be guessed. */
const SHORTEST_KEY = 16

/**
 * Keys from a text of lines: `KEY`, or `NAME KEY`, where KEY is the key itself or `sha256:` and its digest in hex. Empty
 * lines and those that begin with # are skipped. Throws ConfigError, which never shows a key.
 */
export async function parseApiKeys(text: string): Promise<ApiKey[]> {
  const keys: ApiKey[] = []
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const words = line.trim().split(/\s+/)
    if (words[0] === '' || words[0]?.startsWith('#')) continue
    const [secret, name = `key-${keys.length + 1}`] = words.reverse()
    if (words.length > 2 || secret === undefined) throw badLine(i, 'a key, or a name and a key')
    if (keys.some((key) => key.name === name))
      throw badLine(i, `a name of its own beside "${name}"`)
    keys.push({ name, digest: await digestOf(secret, i) })
  }
  return keys
}

async function digestOf(secret: string, line: number): Promise<Uint8Array> {
  const hex = /^sha256:([0-9a-f]{64})$/i.exec(secret)?.[1]
  if (hex !== undefined) {
    return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
  }
  if (secret.startsWith('sha256:')) throw badLine(line, 'sha256: and 64 hexadecimal digits')
  if (secret.length < SHORTEST_KEY)
    throw badLine(line, `a key of ${SHORTEST_KEY} characters or more`)
  return sha256(secret)
}

function badLine(line: number, expected: string): ConfigError {
  return new ConfigError(
    'CONFIG_API_KEYS',
    `apiKeys: line ${line + 1} should hold ${expected}, something else is there.`,
  )
}

/** The key that was presented, or null. All keys are compared, whichever fits. */
export async function findApiKey(
  keys: readonly ApiKey[],
  presented: string,
): Promise<ApiKey | null> {
  const digest = await sha256(presented)
  let found: ApiKey | null = null
  for (const key of keys) if (isSame(key.digest, digest)) found = key
  return found
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length
  for (let i = 0; i < b.length; i++) difference |= (a[i] ?? 0) ^ (b[i] as number)
  return difference === 0
}

async function sha256(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
}

/** The key of a request: a bearer token, or Anthropic's header. */
export function presentedKey({ headers }: Request): string | null {
  const bearer = /^bearer +(\S+)$/i.exec(headers.get('authorization') ?? '')?.[1]
  return bearer ?? headers.get('x-api-key')
}
