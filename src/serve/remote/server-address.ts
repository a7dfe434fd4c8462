/** Where a server is and the key that it is asked with, checked before anybody calls it. */
import type { Faults } from '../faults.ts'

/** These complete "should be …" in a message. */
export const SERVER_URL = 'a URL like http://127.0.0.1:8000, without a name or key in it'
export const SERVER_KEY = 'a text of characters that an HTTP header takes'

/** Paths are written behind it: it has no query. `fetch` refuses the name and password of a URL. */
export function isServerUrl(value: unknown): value is string {
  if (typeof value !== 'string' || !/^https?:\/\/[^\s?#]+$/i.test(value)) return false
  if (!URL.canParse(value)) return false
  const { username, password } = new URL(value)
  return username + password === ''
}

export function isServerKey(value: unknown): value is string {
  if (typeof value !== 'string') return false
  try {
    return new Headers({ authorization: `Bearer ${value}` }).has('authorization')
  } catch {
    return false
  }
}

/** Notes what is wrong with them. */
export function checkServerAddress(
  { url, apiKey }: { readonly url?: unknown; readonly apiKey?: unknown },
  { faults, code, path = '' }: { faults: Faults; code: string; path?: string },
): void {
  const at = (name: string) => (path === '' ? name : `${path}.${name}`)
  if (!isServerUrl(url)) faults.mismatch(code, at('url'), SERVER_URL, url)
  if (apiKey === undefined || isServerKey(apiKey)) return
  // Nobody is shown a key.
  faults.add(code, `${at('apiKey')} should be ${SERVER_KEY}, another value came`, at('apiKey'))
}
