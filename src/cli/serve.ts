/** `llava serve`: the HTTP server with a model in it. */
import { basename, join } from 'node:path'
import { ConfigError } from '../core/errors.ts'
import type {
  ApiKey,
  Log,
  MediaReaders,
  PageFile,
  ServedModel,
  ServerConfig,
  WorkerControl,
} from '../serve/http/index.ts'
import { returnLargeBlocks, shareMallocHeaps } from '../runtime/malloc-node.ts'
import type { Arguments } from './arguments.ts'
import { LOAD_OPTIONS, loadFromFlags } from './load-flags.ts'
import { packageFolder } from './package.ts'
import { hostPatternOf, SERVER_OPTIONS, serverConfig } from './serve-flags.ts'
import {
  connectFromFlags,
  UPSTREAM_LIMITS,
  UPSTREAM_OPTIONS,
  upstreamSettings,
} from './serve-upstream.ts'
import { readTextFile } from './read-text-file.ts'
import { UsageError } from './usage-error.ts'
import type { OptionSpec, Session, Verb } from './verb.ts'

/** Answers decoded together: said to the loader, which then chooses no precision that is good for one alone. */
const ROWS = 16

export const serve: Verb = {
  options: [...SERVER_OPTIONS, ...UPSTREAM_OPTIONS, ...LOAD_OPTIONS.map(forServing)],
  examples: [
    'serve --model llava-hf/llava-1.5-7b-hf',
    'serve --model FOLDER --host 0.0.0.0 --api-key-file keys.txt --tls-cert c.pem --tls-key k.pem',
    'serve --model FOLDER --allow-media-host "*.example.com" --requests-per-minute 60',
    'serve --upstream http://10.0.0.5:30000 --upstream http://10.0.0.6:30000 --model FOLDER',
  ],
  async run(args, session) {
    if (session.environment['MALLOC_ARENA_MAX'] === undefined) shareMallocHeaps()
    if (session.environment['MALLOC_MMAP_THRESHOLD_'] === undefined) returnLargeBlocks()
    const upstream = upstreamSettings(args, session)
    const settings = await readSettings(args, session)
    const { checkAddress, createLog } = await import('../serve/http-node.ts')
    await checkAddress(addressOf(args))
    const log = createLog(session.terminal.streams.stderr)
    if (upstream) {
      const limits = { ...UPSTREAM_LIMITS, ...settings.config }
      const { operatorKeyFile } = upstream
      const operatorKeys = operatorKeyFile === undefined ? [] : await keysOf(operatorKeyFile)
      const connected = await connectFromFlags(args, session, { settings: upstream, log })
      const { dispose, models, workers } = connected
      const own = { ...settings, config: limits, workers, operatorKeys }
      const serving = { settings: own, models, log }
      return serveUntilInterrupted(args, session, serving).finally(dispose)
    }
    const { model, name } = await loadFromFlags(args, session, { maxRows: ROWS })
    if (model.precision.name === 'int8+q4') {
      const { terminal } = session
      const note = `with int8+q4 an answer that runs alone is computed from other weights than one beside others, so its text may depend on who else asks; --precision int8 has no such difference.`
      terminal.note(terminal.style('yellow', note, 'stderr'))
    }
    const { serveModel } = await import('../serve/http/index.ts')
    const models = [serveModel(model, args.text('served-name') ?? basename(name), Date.now())]
    await serveUntilInterrupted(args, session, { settings, models, log }).finally(() =>
      model.dispose(),
    )
  },
}

/** The model gets bytes from the server, which fetches by rules of its own. */
function forServing(option: OptionSpec): OptionSpec {
  if (option.name !== 'allow-remote') return option
  return {
    ...option,
    instead: 'name the hosts that pictures are fetched from with --allow-media-host.',
  }
}

type Settings = {
  readonly config: Partial<ServerConfig>
  readonly keys: readonly ApiKey[]
  readonly media: Partial<MediaReaders>
  readonly page: readonly PageFile[]
  readonly tls: { readonly cert: string; readonly key: string } | undefined
  readonly workers?: WorkerControl
  readonly operatorKeys?: readonly ApiKey[]
}

/** What the command line says, checked before a model is loaded. */
async function readSettings(args: Arguments, session: Session): Promise<Settings> {
  const { terminal, environment } = session
  const { parseApiKeys } = await import('../serve/http/index.ts')
  const keyFile = args.text('api-key-file')
  const keys =
    keyFile === undefined
      ? await parseApiKeys(environment['LLAVA_API_KEY'] ?? '')
      : await keysOf(keyFile)
  const { host } = addressOf(args)
  const isLocal = /^(?:127\.|::1$|localhost$)/.test(host)
  if (!isLocal && keys.length === 0) {
    const note = `everybody who reaches ${host} may use this server: it has no --api-key-file.`
    terminal.note(terminal.style('yellow', note, 'stderr'))
  }
  const page = args.flag('no-page') ? [] : await pageFiles(session)
  return { config: serverConfig(args), keys, media: await readers(args), page, tls: tlsFiles(args) }
}

async function keysOf(file: string): Promise<readonly ApiKey[]> {
  const { parseApiKeys } = await import('../serve/http/index.ts')
  const keys = await parseApiKeys(readTextFile(file))
  if (keys.length > 0) return keys
  throw new UsageError(`${file} holds no key.`)
}

/** The web page of the package; programs are answered without one too. */
async function pageFiles({ terminal }: Session): Promise<readonly PageFile[]> {
  const { readPage } = await import('../serve/http-node.ts')
  try {
    return await readPage(join(packageFolder(), 'dist', 'web'))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    terminal.note(terminal.style('yellow', error.message, 'stderr'))
    return []
  }
}

async function readers(args: Arguments): Promise<Partial<MediaReaders>> {
  const hosts = args
    .texts('allow-media-host')
    .map((text) => hostPatternOf('allow-media-host', text))
  const addresses = args.texts('allow-media-address')
  const root = args.text('media-root')
  if (addresses.length > 0 && hosts.length === 0) {
    throw new UsageError(
      '--allow-media-address needs --allow-media-host: nothing is fetched without.',
    )
  }
  const { fileMedia, remoteMedia } = await import('../serve/http-node.ts')
  return {
    ...(hosts.length > 0 && { remote: remoteMedia({ hosts, addresses }) }),
    ...(root !== undefined && { file: await fileMedia(root) }),
  }
}

function tlsFiles(args: Arguments): Settings['tls'] {
  const [cert, key] = [args.text('tls-cert'), args.text('tls-key')]
  if (cert === undefined && key === undefined) return undefined
  if (cert !== undefined && key !== undefined)
    return { cert: readTextFile(cert), key: readTextFile(key) }
  throw new UsageError('--tls-cert and --tls-key belong together; give both.')
}

function addressOf(args: Arguments) {
  return { host: args.text('host') ?? '127.0.0.1', port: args.number('port') ?? 8080 }
}

type Serving = {
  readonly settings: Settings
  readonly models: readonly ServedModel[]
  readonly log: Log
}

async function serveUntilInterrupted(
  args: Arguments,
  { terminal, signal }: Session,
  { settings, models, log }: Serving,
): Promise<void> {
  const { createApp } = await import('../serve/http/index.ts')
  const { listen } = await import('../serve/http-node.ts')
  const id = models[0]?.id ?? ''
  const { tls, ...options } = settings
  const memory = () => process.memoryUsage()
  const app = createApp({ ...options, models, log, memory })
  const server = await listen(app, { ...addressOf(args), tls })
  const page = settings.page.length > 0 ? `${server.url}/` : null
  terminal.note(`${id} is served at ${server.url}/v1; Ctrl-C stops it.`)
  if (page !== null) terminal.note(`Talk to it at ${page}`)
  if (terminal.isJson) terminal.json({ url: server.url, model: id, page })
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  await server.close()
}
