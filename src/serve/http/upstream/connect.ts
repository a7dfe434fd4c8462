/** Workers at their addresses, as models to serve. */
import { ConfigError } from '../../../core/errors.ts'
import type { ServedModel } from '../served-model.ts'
import type { PromptSide } from './prompt-side.ts'
import { UpstreamModel } from './upstream-model.ts'
import { WorkerPool, type PoolOptions } from './worker-pool.ts'
import type { Introduction, Worker, WorkerModel } from './worker.ts'

export type UpstreamOptions = PoolOptions & {
  /** What clients call the model; default: what the workers do. */
  readonly id?: string | undefined
  /** The checkpoint that all workers serve, under whatever name; default: they are asked about prompts and tokens. */
  readonly side?: PromptSide | undefined
  /** Milliseconds since 1970. */
  readonly now: number
  readonly signal?: AbortSignal | undefined
}

export type Upstreams = {
  readonly models: readonly ServedModel[]
  readonly pool: WorkerPool
  close(): void
}

/**
 * Meets the workers and lists what they serve. Workers that serve a model of the same name serve it together; with a name or
 * a checkpoint of its own there is one model, the first of each; with both no worker has to be there yet. Throws CapacityError
 * where no worker answers that has to, ConfigError where one cannot do what the checkpoint demands. Workers that come later, or
 * come back as others, and are of no use are down.
 */
export async function connectUpstreams(options: UpstreamOptions): Promise<Upstreams> {
  /** Null: not known before the workers are met. */
  let listed: readonly Listed[] | null = null
  const accept = (worker: Introduction) => {
    if (options.side) checkOffered(worker, options.side)
    if (listed) checkServes(worker, listed)
  }
  const pool = new WorkerPool({ ...options, accept })
  try {
    // With a checkpoint and a name nothing has to be learned from a worker: it may come later.
    const mayWait = options.side !== undefined && options.id !== undefined
    await pool.open(options.signal ?? new AbortController().signal, { mayWait })
    listed = options.id === undefined && !options.side ? allOf(pool) : [firstOf(pool)]
    return {
      models: listed.map((one) => serve(pool, one, options)),
      pool,
      close: () => pool.close(),
    }
  } catch (error) {
    pool.close()
    throw error
  }
}

type Listed = { readonly id: string; readonly nameOn: (worker: Listing) => string | null }
type Listing = Pick<Worker, 'models'>

/** Of the workers that answer: who comes later may serve them too, and others. */
function allOf({ workers }: WorkerPool): Listed[] {
  const ids = new Set(workers.flatMap(({ models }) => models.map(({ id }) => id)))
  return [...ids].map((id) => ({ id, nameOn: (worker) => modelOn(worker, id)?.id ?? null }))
}

function firstOf({ workers }: WorkerPool): Listed {
  const id = workers.flatMap(({ models }) => models)[0]?.id ?? ''
  return { id, nameOn: (worker) => worker.models[0]?.id ?? null }
}

function modelOn({ models }: Listing, id: string): WorkerModel | undefined {
  return models.find((model) => model.id === id)
}

function serve(pool: WorkerPool, { id, nameOn }: Listed, options: UpstreamOptions): ServedModel {
  const { side = null, log = () => {}, now } = options
  return new UpstreamModel({
    pool,
    id: options.id ?? id,
    nameOn,
    known: () => pool.workers.flatMap((worker) => modelOn(worker, nameOn(worker) ?? '') ?? []),
    side,
    log,
    now,
  })
}

/** Throws ConfigError where the checkpoint asks for something with each answer that a worker has no field for. */
function checkOffered({ url, kind }: Introduction, { generation }: PromptSide): void {
  const { noRepeatNgramSize, badWords, suppressTokens, beginSuppressTokens } = generation
  const wanted = [
    ...(noRepeatNgramSize > 0 ? ['no_repeat_ngram_size'] : []),
    ...(badWords.length > 0 ? ['bad_words_ids'] : []),
    ...(suppressTokens.length > 0 ? ['suppress_tokens'] : []),
    ...(beginSuppressTokens.length > 0 ? ['begin_suppress_tokens'] : []),
    ...((generation.numBeams ?? 1) > 1 ? ['num_beams'] : []),
  ]
  if (wanted.length === 0 || kind === 'llava-ts') return
  throw new ConfigError(
    'CONFIG_UPSTREAM',
    `upstream: generation_config.json asks for ${wanted.join(', ')}, which ${url} (${kind}) is not told with a request; remove it from the file, or serve the model by this program.`,
  )
}

/** Throws ConfigError where a worker serves nothing of what clients were told is served here. */
function checkServes(worker: Introduction, listed: readonly Listed[]): void {
  if (listed.some(({ nameOn }) => nameOn(worker) !== null)) return
  const ids = (models: readonly { readonly id: string }[]) => models.map(({ id }) => id).join(', ')
  throw new ConfigError(
    'CONFIG_UPSTREAM',
    `upstream: ${worker.url} should serve ${ids(listed)}, as workers did when this server started; it serves ${ids(worker.models)}. Start this server anew, or with --served-name, under which it serves whatever its workers do.`,
  )
}
