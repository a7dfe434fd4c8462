/** `llava serve --upstream`: the same server with its models behind other servers. */
import { basename } from 'node:path'
import type { Log, ServedModel, ServerConfig, WorkerControl } from '../serve/http/index.ts'
import { LONGEST_SECONDS } from '../core/longest-wait.ts'
import { addressOf } from '../serve/http/upstream/worker-api.ts'
import { isServerKey } from '../serve/remote/server-address.ts'
import type { Arguments } from './arguments.ts'
import { LOAD_OPTIONS, loadOptions } from './load-flags.ts'
import { wholeFrom1 } from './number-options.ts'
import { refuseIdle } from './refuse-idle.ts'
import { serverKey, serverUrls } from './server-options.ts'
import { readTextFile } from './read-text-file.ts'
import { UsageError } from './usage-error.ts'
import type { OptionSpec, Session } from './verb.ts'

export const UPSTREAM_OPTIONS: readonly OptionSpec[] = (
  [
    {
      name: 'upstream',
      kind: 'texts',
      value: 'url',
      about: 'Serve what this server of ours, vLLM’s or SGLang’s serves; repeat for more',
    },
    {
      name: 'upstream-api-key-file',
      kind: 'text',
      value: 'file',
      about: 'The key that they want (default: $LLAVA_UPSTREAM_API_KEY)',
    },
    {
      name: 'operator-key-file',
      kind: 'text',
      value: 'file',
      about: 'Keys, as in --api-key-file, of who may drain workers at /workers',
    },
    {
      name: 'upstream-attempts',
      kind: 'number',
      value: 'n',
      about: 'Workers that are asked for one answer at most (default: 3)',
    },
    {
      name: 'upstream-health-seconds',
      kind: 'number',
      value: 'n',
      about: 'Time between two checks of a worker (default: 5)',
    },
  ] satisfies OptionSpec[]
).map((spec) => ({ ...spec, group: 'Upstream' }))

/** What is answered at a time where a whole row of machines does it; flags say otherwise. */
export const UPSTREAM_LIMITS: Partial<ServerConfig> = { maxRunning: 256, maxQueued: 512 }

export type UpstreamSettings = {
  readonly urls: readonly string[]
  readonly apiKey: string | undefined
  /** Of those who may drain workers. */
  readonly operatorKeyFile: string | undefined
  readonly attempts: number | undefined
  readonly everySeconds: number | undefined
}

/** Null without `--upstream`. Throws UsageError. */
export function upstreamSettings(
  args: Arguments,
  session: Pick<Session, 'environment'>,
): UpstreamSettings | null {
  const urls = serverUrls(args, 'upstream')
  if (urls.length === 0) {
    refuseIdle(args, OF_WORKERS, 'without --upstream')
    return null
  }
  checkDiffer(urls)
  checkIdle(args)
  const file = args.text('upstream-api-key-file')
  return {
    urls,
    apiKey: file === undefined ? serverKey(session, UPSTREAM_KEYS) : readKey(file),
    operatorKeyFile: args.text('operator-key-file'),
    attempts: wholeFrom1(args, 'upstream-attempts'),
    everySeconds: wholeFrom1(args, 'upstream-health-seconds', LONGEST_SECONDS),
  }
}

const OF_WORKERS = UPSTREAM_OPTIONS.map(({ name }) => name).filter((name) => name !== 'upstream')

const UPSTREAM_KEYS = ['LLAVA_UPSTREAM_API_KEY']

/** Of the engine that this server then does not have. */
const OF_ENGINE = [
  'precision',
  'layer-precision',
  'cache-dir',
  'threads',
  'kv-bytes',
  'picture-bytes',
  'max-rows',
  'kv-cache',
]

/** Throws UsageError for options that would do nothing. */
function checkIdle(args: Arguments): void {
  refuseIdle(args, OF_ENGINE, 'with --upstream; give it to the workers')
  if (args.has('model')) return
  const names = LOAD_OPTIONS.map(({ name }) => name)
  const where = 'with --upstream alone; name the checkpoint with --model, or leave it out'
  refuseIdle(args, names, where)
}

export type Connected = {
  readonly models: readonly ServedModel[]
  readonly workers: WorkerControl
  dispose(): Promise<void>
}

/** Models of the workers. With `--model` prompts are rendered and counted by that checkpoint, whose weights stay unread. */
export async function connectFromFlags(
  args: Arguments,
  session: Session,
  { settings, log }: { readonly settings: UpstreamSettings; readonly log: Log },
): Promise<Connected> {
  const { signal } = session
  const { urls, apiKey, attempts, everySeconds } = settings
  const { connectUpstreams } = await import('../serve/http/upstream/index.ts')
  const { loadPromptSide } = await import('../load-prompt-side.ts')
  const name = args.text('model')
  const side =
    name === undefined
      ? undefined
      : await loadPromptSide(name, { ...loadOptions(args, session), signal })
  try {
    const { models, pool, close } = await connectUpstreams({
      workers: urls.map((url) => ({ url, apiKey })),
      attempts,
      health: everySeconds === undefined ? {} : { everySeconds },
      id: args.text('served-name') ?? (name === undefined ? undefined : basename(name)),
      side,
      log,
      logPrompts: args.flag('log-prompts'),
      now: Date.now(),
      signal,
    })
    return {
      models,
      workers: pool,
      async dispose() {
        close()
        await side?.dispose()
      },
    }
  } catch (error) {
    await side?.dispose()
    throw error
  }
}

/** One worker under two names would get twice its share, and be drained by half. */
function checkDiffer(urls: readonly string[]): void {
  const addresses = urls.map(addressOf)
  const twice = addresses.findIndex((address, i) => addresses.indexOf(address) < i)
  if (twice < 0) return
  const first = urls[addresses.indexOf(addresses[twice] ?? '')]
  throw new UsageError(
    `--upstream should name each worker once, ${first} and ${urls[twice]} are one; leave one out.`,
  )
}

function readKey(file: string): string {
  const key = readTextFile(file).trim()
  if (/^\S+$/.test(key) && isServerKey(key)) return key
  throw new UsageError(`--upstream-api-key-file ${file} should hold one key and nothing else.`)
}
