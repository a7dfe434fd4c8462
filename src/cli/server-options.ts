/** Servers as the command line names them, and their keys. */
import { describeValue } from '../core/describe-value.ts'
import { isServerKey, isServerUrl, SERVER_KEY, SERVER_URL } from '../serve/remote/server-address.ts'
import type { Arguments } from './arguments.ts'
import { UsageError } from './usage-error.ts'
import type { Session } from './verb.ts'

export const ENGINE_KEYS = ['LLAVA_ENGINE_KEY', 'OPENAI_API_KEY']
export const JUDGE_KEYS = ['LLAVA_JUDGE_KEY', 'OPENAI_API_KEY']

/** Throws UsageError. */
export function serverUrls(args: Arguments, name: string): readonly string[] {
  const urls = args.texts(name)
  for (const url of urls) checkServerUrl(name, url)
  return urls
}

/** Throws UsageError. */
export function checkServerUrl(name: string, url: string): void {
  if (isServerUrl(url)) return
  throw new UsageError(`--${name} should be ${SERVER_URL}; ${describeValue(url)} came.`)
}

/** The first of these variables that is set. Throws UsageError. */
export function serverKey(
  { environment }: Pick<Session, 'environment'>,
  names: readonly string[],
): string | undefined {
  const name = names.find((one) => environment[one] !== undefined)
  const key = name === undefined ? undefined : environment[name]
  if (key === undefined || isServerKey(key)) return key
  throw new UsageError(`$${name} should be ${SERVER_KEY}; another value came.`)
}
