/** The options of `llava serve` that are not the model's. */
import { LONGEST_SECONDS } from '../core/longest-wait.ts'
import { SERVER_DEFAULTS, type ServerConfig } from '../serve/http/server-config.ts'
import type { Arguments } from './arguments.ts'
import { wholeNumber } from './number-options.ts'
import { UsageError } from './usage-error.ts'
import type { OptionSpec } from './verb.ts'

const ADDRESS: readonly OptionSpec[] = [
  { name: 'host', kind: 'text', value: 'address', about: 'Where to listen (default: 127.0.0.1)' },
  { name: 'port', kind: 'number', value: 'n', about: 'Port; 0 takes a free one (default: 8080)' },
  {
    name: 'served-name',
    kind: 'text',
    value: 'name',
    about: "What clients call the model (default: its folder's name)",
  },
  { name: 'tls-cert', kind: 'text', value: 'file', about: 'Certificate in PEM; with --tls-key' },
  { name: 'tls-key', kind: 'text', value: 'file', about: 'Its key' },
]

const ACCESS: readonly OptionSpec[] = [
  {
    name: 'api-key-file',
    kind: 'text',
    value: 'file',
    about: 'Keys, one a line: KEY, or NAME KEY, or NAME sha256:DIGEST (default: $LLAVA_API_KEY)',
  },
  {
    name: 'allow-host',
    kind: 'texts',
    value: 'name',
    about: 'A name of this server beside localhost; repeat for more',
  },
  {
    name: 'allow-origin',
    kind: 'texts',
    value: 'origin',
    about: 'A web page that may use it: https://app.example; repeat for more',
  },
  {
    name: 'allow-media-host',
    kind: 'texts',
    value: 'host',
    about: 'Fetch pictures from this host (*.example.com, *); repeat for more',
  },
  {
    name: 'allow-media-address',
    kind: 'texts',
    value: 'range',
    about: 'And from these addresses that are not public; repeat for more',
  },
  { name: 'media-root', kind: 'text', value: 'folder', about: 'Read file: URLs below this folder' },
  { name: 'log-prompts', kind: 'flag', about: 'Write what people ask into the log' },
  { name: 'no-page', kind: 'flag', about: 'Serve no web page at /' },
]

/** Numbers of the config, which must be whole, at least so much and, of some, at most. */
const LIMITS = {
  'max-running': ['maxRunning', 1, 'Answers given at a time'],
  'max-queued': ['maxQueued', 0, 'Requests that may wait'],
  'max-choices': ['maxChoices', 1, 'Answers to one request'],
  'max-answer-tokens': ['maxTokens', 1, 'Tokens of an answer'],
  'max-parts': ['maxParts', 1, 'Parts of all messages of a request'],
  'max-media': ['maxMedia', 0, 'Pictures and clips of a request'],
  'max-media-bytes': ['maxMediaBytes', 1, 'Bytes of one of them'],
  'max-pixels': ['maxPixels', 1, 'Pixels of all of them'],
  'max-body-bytes': ['maxBodyBytes', 1, 'Bytes of a request'],
  'max-json-values': ['maxJsonValues', 1, 'Values in its JSON: each id and each part counts'],
  'requests-per-minute': ['requestsPerMinute', 1, 'Requests of a key'],
  'tokens-per-minute': ['tokensPerMinute', 1, 'Tokens of a key, prompts and answers'],
  'answer-seconds': ['answerSeconds', 1, 'Time for an answer', LONGEST_SECONDS],
  'shutdown-seconds': [
    'shutdownSeconds',
    0,
    'Time for answers to end when the server stops',
    LONGEST_SECONDS,
  ],
} as const satisfies Record<
  string,
  readonly [keyof ServerConfig, least: number, about: string, most?: number]
>

export const SERVER_OPTIONS: readonly OptionSpec[] = [
  ...ADDRESS.map((spec) => ({ ...spec, group: 'Server' })),
  ...ACCESS.map((spec) => ({ ...spec, group: 'Access' })),
  ...Object.entries(LIMITS).map(([name, [field, , about]]): OptionSpec => ({
    name,
    kind: 'number',
    value: 'n',
    about: `${about} (default: ${SERVER_DEFAULTS[field] ?? 'no limit'})`,
    group: 'Limits',
  })),
]

/** The config of the flags that were given. Throws UsageError. */
export function serverConfig(args: Arguments): Partial<ServerConfig> {
  const limits = Object.entries(LIMITS).flatMap(([name, [field, least, , most]]) => {
    const value = wholeNumber(args, name, [least, most])
    return value === undefined ? [] : [[field, value] as const]
  })
  return {
    ...Object.fromEntries(limits),
    allowedHosts: args.texts('allow-host').map((text) => hostOf('allow-host', text)),
    allowedOrigins: args.texts('allow-origin').map(originOf),
    logPrompts: args.flag('log-prompts'),
  }
}

/** A host as URLs write it. Throws UsageError for what is more than one, or a pattern. */
export function hostOf(flag: string, text: string): string {
  const url = /[\s:/?#@\\*]/.test(text.replace(/^\[[\da-f:.]+\]$/i, '')) ? null : `http://${text}`
  if (url !== null && URL.canParse(url)) return new URL(url).hostname
  throw new UsageError(
    `--${flag} should be a host's name alone, app.example, without scheme, port or path; "${text}" came.`,
  )
}

/** A host as `hostOf`, all below one (`*.example.com`), or all (`*`). Throws UsageError. */
export function hostPatternOf(flag: string, text: string): string {
  if (text === '*') return text
  const [, below = '', host = ''] = /^(\*\.)?(.*)$/s.exec(text) ?? []
  return `${below}${hostOf(flag, host)}`
}

/** An origin as browsers write it. Throws UsageError for what is none, or is more than one. */
export function originOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null
  const isOrigin = url !== null && `${url.origin}/` === url.href && !/[?#]/.test(text)
  if (isOrigin && (url.protocol === 'http:' || url.protocol === 'https:')) return url.origin
  throw new UsageError(
    `--allow-origin should be the beginning of a page's address, https://app.example, without a path; "${text}" came.`,
  )
}
