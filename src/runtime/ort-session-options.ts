/** From our session options to native ones, and the creation itself. */
import type { Pointer } from './ort-abi.ts'
import { LOG_SEVERITIES, type Environment, type LogSeverity } from './ort-environment.ts'
import type { SessionOptions } from './runtime.ts'
import type { HostBackedTensor } from './tensor-registry.ts'

/** `GraphOptimizationLevel`. Source: onnxruntime_c_api.h. */
const OPTIMIZATION_LEVELS = { none: 0, basic: 1, all: 99 } as const

export type Creation = {
  readonly environment: Environment
  readonly model: Uint8Array
  readonly options: SessionOptions
  readonly logSeverity: LogSeverity
  /** The initialisers, wrapped; they outlive the session. */
  readonly initializers: ReadonlyMap<string, HostBackedTensor>
  readonly sharedWeights: Pointer | undefined
  /** A folder in which EXTERNAL_LOCATION exists; asked for only when there are initialisers. */
  readonly placeholderFolder: () => string
}

/** Creates the native session on a thread of its own; stops at the signal where ONNX Runtime looks at it. */
export async function createNativeSession(creation: Creation): Promise<Pointer> {
  const { environment, options } = creation
  const { api } = environment
  options.signal?.throwIfAborted()
  const native = api.make('CreateSessionOptions')
  const cancel = () => api.call('SessionOptionsSetLoadCancellationFlag', native, true)
  options.signal?.addEventListener('abort', cancel, { once: true })
  try {
    configure(native, creation)
    const session = await load(native, creation)
    if (options.signal?.aborted) await api.freeAsync('ReleaseSession', session)
    options.signal?.throwIfAborted()
    return session
  } catch (error) {
    options.signal?.throwIfAborted()
    throw error
  } finally {
    options.signal?.removeEventListener('abort', cancel)
    api.free('ReleaseSessionOptions', native)
  }
}

function configure(native: Pointer, creation: Creation): void {
  const { options, initializers, logSeverity } = creation
  const { api } = creation.environment
  const level = OPTIMIZATION_LEVELS[options.graphOptimization ?? 'all']
  api.call('DisablePerSessionThreads', native)
  // A plan of all activations at once costs memory for every shape seen and gains no time.
  api.call('DisableMemPattern', native)
  api.call('SetSessionLogSeverityLevel', native, LOG_SEVERITIES.indexOf(logSeverity))
  api.call('SetSessionGraphOptimizationLevel', native, level)
  for (const [key, value] of Object.entries(configEntries(creation))) {
    api.call('AddSessionConfigEntry', native, key, value)
  }
  for (const [name, { handle }] of initializers) api.call('AddInitializer', native, name, handle)
}

function configEntries({ options, initializers, placeholderFolder }: Creation) {
  const entries: Record<string, string> = { 'session.use_env_allocators': '1' }
  if (options.prepack === false) entries['session.disable_prepacking'] = '1'
  if (initializers.size > 0) {
    entries['session.model_external_initializers_file_folder_path'] = placeholderFolder()
  }
  return { ...entries, ...options.config }
}

function load(native: Pointer, { environment, model, sharedWeights }: Creation): Promise<Pointer> {
  const { api, env } = environment
  if (sharedWeights === undefined) {
    return api.makeAsync('CreateSessionFromArray', env, model, model.byteLength, native)
  }
  return api.makeAsync(
    'CreateSessionFromArrayWithPrepackedWeightsContainer',
    env,
    model,
    model.byteLength,
    native,
    sharedWeights,
  )
}
