/**
 * ONNX Runtime's environment: the thread pool, the log and what every session shares.
 *
 * A process has one. ONNX Runtime hands the living one to whoever asks next and ignores their options, so this file
 * counts its users and refuses options that differ. One pool serves all sessions: pools of their own keep spinning
 * after their run and slow each other down several times over.
 */
import { ConfigError } from '../core/errors.ts'
import { OrtApi, type Pointer } from './ort-abi.ts'

/** What ONNX Runtime prints to stderr: messages of at least this severity. */
export const LOG_SEVERITIES = ['verbose', 'info', 'warning', 'error', 'fatal'] as const
export type LogSeverity = (typeof LOG_SEVERITIES)[number]

export type EnvironmentOptions = {
  readonly threads: number
  readonly spinning: boolean
  readonly logSeverity: LogSeverity
}

export type Environment = {
  readonly api: OrtApi
  readonly env: Pointer
  readonly memoryInfo: Pointer
  readonly allocator: Pointer
  /** For exactly one call by each user, after everything made with it is released. */
  release(): void
}

/** `OrtDeviceAllocator` and `OrtMemTypeDefault`: memory that is the caller's, on the CPU. */
const DEVICE_ALLOCATOR = 0
const MEMORY_DEFAULT = 0
/** `OrtArenaAllocator`: memory for intermediates, which an arena keeps from run to run. */
const ARENA_ALLOCATOR = 1

/**
 * The arena of intermediates. Its first piece is address space that the runs of a 7B's prompts fit in, and takes memory
 * where it is touched; a free chunk is cut to what is asked for unless less than 64 KiB would be left. docs/decisions.md.
 */
const ARENA = { unlimited: 0, nextPowerOfTwo: 0, firstBytes: 1 << 28, uncutBytes: 1 << 16 } as const

// Module state, because it mirrors state of the process: the library stays loaded (unloading it under a live pool
// would crash), and the environment is one for all runtimes.
let loaded: OrtApi | undefined
let current:
  | { readonly options: EnvironmentOptions; readonly shared: Promise<Environment> }
  | undefined
let users = 0

/** Resolves when no session of before is being released: whoever disposed of one may ask for another environment then. */
export async function releasesEnded(): Promise<void> {
  await loaded?.released()
}

/** Starts the environment, or joins the living one. Throws ConfigError if that one has other options. */
export async function acquireEnvironment(
  libraryPath: string,
  options: EnvironmentOptions,
): Promise<Environment> {
  loaded ??= new OrtApi(libraryPath)
  current ??= { options, shared: createEnvironment(loaded, options) }
  const { shared } = current
  checkSameOptions(current.options, options)
  users++
  try {
    return await shared
  } catch (error) {
    if (--users === 0) current = undefined
    throw error
  }
}

/**
 * Denormals are kept. `SetGlobalDenormalAsZero` flushes them in the pool's threads but not in the calling one, which
 * takes its share of every node: results would depend on who took which block. Graphs that can meet denormals (the
 * optimizer's decaying moments) must round them away themselves: a product of denormals is hundreds of times slower.
 */
async function createEnvironment(api: OrtApi, options: EnvironmentOptions): Promise<Environment> {
  const threading = api.make('CreateThreadingOptions')
  let env: Pointer
  try {
    api.call('SetGlobalIntraOpNumThreads', threading, options.threads)
    api.call('SetGlobalInterOpNumThreads', threading, 1)
    api.call('SetGlobalSpinControl', threading, options.spinning ? 1 : 0)
    const severity = LOG_SEVERITIES.indexOf(options.logSeverity)
    // It lists every operator there is, which would hold the event loop up.
    env = await api.makeAsync('CreateEnvWithGlobalThreadPools', severity, 'llava-ts', threading)
    api.call('DisableTelemetryEvents', env)
    shareArena(api, env)
  } finally {
    api.free('ReleaseThreadingOptions', threading)
  }
  const memoryInfo = api.make('CreateCpuMemoryInfo', DEVICE_ALLOCATOR, MEMORY_DEFAULT)
  const allocator = api.make('GetAllocatorWithDefaultOptions')
  return {
    api,
    env,
    memoryInfo,
    allocator,
    release: () => releaseEnvironment(api, env, memoryInfo),
  }
}

/** One arena for all sessions (`session.use_env_allocators`): they run in turns, and each would keep the most it needed. */
function shareArena(api: OrtApi, env: Pointer): void {
  const { unlimited, nextPowerOfTwo, firstBytes, uncutBytes } = ARENA
  const memoryInfo = api.make('CreateCpuMemoryInfo', ARENA_ALLOCATOR, MEMORY_DEFAULT)
  const options = api.make('CreateArenaCfg', unlimited, nextPowerOfTwo, firstBytes, uncutBytes)
  try {
    api.call('CreateAndRegisterAllocator', env, memoryInfo, options)
  } finally {
    api.free('ReleaseArenaCfg', options)
    api.free('ReleaseMemoryInfo', memoryInfo)
  }
}

function releaseEnvironment(api: OrtApi, env: Pointer, memoryInfo: Pointer): void {
  if (--users > 0) return
  current = undefined
  api.free('ReleaseMemoryInfo', memoryInfo)
  api.free('ReleaseEnv', env)
}

function checkSameOptions(living: EnvironmentOptions, wanted: EnvironmentOptions): void {
  for (const key of ['threads', 'spinning', 'logSeverity'] as const) {
    if (living[key] === wanted[key]) continue
    throw new ConfigError(
      'CONFIG_RUNTIME_SHARED',
      `runtime: this process already runs with ${key} ${living[key]}, ${wanted[key]} came; dispose that runtime first or give both the same ${key}.`,
    )
  }
}
