/** What the server tells about its work: lines of fields, of which none holds what people ask or get unless they want it. */

export type LogLevel = 'info' | 'warn' | 'error'

export type Log = (level: LogLevel, fields: Readonly<Record<string, unknown>>) => void

/** Longer texts are pictures, or as good as ones. */
const LONGEST_TEXT = 2000

/** A body as it may be logged: texts cut, bytes of media left out. */
export function promptForLog(body: unknown): unknown {
  if (typeof body === 'string') {
    if (/^data:/i.test(body)) return `${body.slice(0, 32)}… (${body.length} characters)`
    return body.length > LONGEST_TEXT ? `${body.slice(0, LONGEST_TEXT)}…` : body
  }
  if (Array.isArray(body)) return body.map(promptForLog)
  if (typeof body !== 'object' || body === null) return body
  return Object.fromEntries(Object.entries(body).map(([key, value]) => [key, promptForLog(value)]))
}
