/**
 * ONNX Runtime's C API through koffi: the table of functions, status checks, and calls that do not block.
 *
 * Arguments are numbers, strings, pointers (bigint) and typed arrays; a typed array passes its own memory. Results
 * come back through typed arrays too, so a call marshals nothing and pointers stay valid for asynchronous calls.
 * Source: onnxruntime_c_api.h; positions in `ort-names.ts`.
 */
import koffi, { type LibraryHandle } from 'koffi'
import { checkLibraryVersion } from './ort-library.ts'
import { ortError } from './ort-errors.ts'
import { API_ANCHORS, API_NAMES, API_VERSION } from './ort-names.ts'

export type Pointer = bigint
export type Argument = Pointer | number | string | boolean | ArrayBufferView | null

/** Functions that return an `OrtStatus*`: their parameters. `*` is any pointer. */
const STATUS_FUNCTIONS = {
  CreateThreadingOptions: '*',
  SetGlobalIntraOpNumThreads: '* int',
  SetGlobalInterOpNumThreads: '* int',
  SetGlobalSpinControl: '* int',
  CreateEnvWithGlobalThreadPools: 'int str * *',
  DisableTelemetryEvents: '*',
  CreateCpuMemoryInfo: 'int int *',
  GetAllocatorWithDefaultOptions: '*',
  CreateArenaCfg: 'size_t int int int *',
  CreateAndRegisterAllocator: '* * *',
  AllocatorFree: '* *',
  CreateSessionOptions: '*',
  DisablePerSessionThreads: '*',
  DisableMemPattern: '*',
  SetSessionLogSeverityLevel: '* int',
  SetSessionGraphOptimizationLevel: '* int',
  AddSessionConfigEntry: '* str str',
  AddInitializer: '* str *',
  SessionOptionsSetLoadCancellationFlag: '* bool',
  CreatePrepackedWeightsContainer: '*',
  CreateSessionFromArray: '* * size_t * *',
  CreateSessionFromArrayWithPrepackedWeightsContainer: '* * size_t * * *',
  SessionGetInputCount: '* *',
  SessionGetOutputCount: '* *',
  SessionGetInputName: '* size_t * *',
  SessionGetOutputName: '* size_t * *',
  SessionGetInputTypeInfo: '* size_t *',
  SessionGetOutputTypeInfo: '* size_t *',
  CastTypeInfoToTensorInfo: '* *',
  GetTensorElementType: '* *',
  GetDimensionsCount: '* *',
  GetDimensions: '* * size_t',
  GetSymbolicDimensions: '* * size_t',
  CreateTensorWithDataAsOrtValue: '* * size_t * size_t int *',
  CreateRunOptions: '*',
  RunOptionsSetTerminate: '*',
  Run: '* * * * size_t * size_t *',
  CreateIoBinding: '* *',
  BindInput: '* str *',
  BindOutput: '* str *',
  RunWithBinding: '* * *',
} as const

/** Functions that return nothing and release what they are given. */
const RELEASE_FUNCTIONS = [
  'ReleaseThreadingOptions',
  'ReleaseArenaCfg',
  'ReleaseEnv',
  'ReleaseMemoryInfo',
  'ReleaseSessionOptions',
  'ReleasePrepackedWeightsContainer',
  'ReleaseSession',
  'ReleaseTypeInfo',
  'ReleaseValue',
  'ReleaseRunOptions',
  'ReleaseIoBinding',
] as const

export type StatusFunction = keyof typeof STATUS_FUNCTIONS
export type ReleaseFunction = (typeof RELEASE_FUNCTIONS)[number]

type NativeFunction = ReturnType<LibraryHandle['func']>

/** The loaded library. Keep it reachable as long as anything made with it: losing it unloads the code. */
export class OrtApi {
  readonly version: string
  readonly #library: LibraryHandle
  readonly #table: readonly Pointer[]
  readonly #functions = new Map<string, NativeFunction>()
  readonly #releases = new Set<Promise<void>>()
  /** Arguments of asynchronous calls in flight: native code reads their memory, so nothing may collect them. */
  readonly #inFlight = new Set<readonly Argument[]>()

  /** Throws ConfigError unless the library at `path` is a version that is known. */
  constructor(path: string) {
    checkAnchors()
    this.#library = koffi.load(path)
    const base: unknown = this.#library.func('OrtGetApiBase', 'void *', [])()
    const [getApi, getVersion] = decodePointers(base, 2)
    this.version = bind(getVersion, 'str', [])() as string
    checkLibraryVersion(this.version)
    this.#table = decodePointers(
      bind(getApi, 'void *', ['uint32_t'])(API_VERSION),
      API_NAMES.length,
    )
    for (const [name, parameters] of Object.entries(STATUS_FUNCTIONS)) {
      this.#add(name, 'void *', parameters.split(' '))
    }
    for (const name of RELEASE_FUNCTIONS) this.#add(name, 'void', ['*'])
    this.#add('GetErrorCode', 'int', ['*'])
    this.#add('GetErrorMessage', 'str', ['*'])
    this.#add('ReleaseStatus', 'void', ['*'])
  }

  /** Calls and throws OrtError if ONNX Runtime refuses. */
  call(name: StatusFunction, ...args: readonly Argument[]): void {
    this.#check(name, this.#function(name)(...args) as Pointer | null)
  }

  /** Calls with one more argument, the place for a pointer, and returns what was put there. */
  make(name: StatusFunction, ...args: readonly Argument[]): Pointer {
    const place = new BigUint64Array(1)
    this.call(name, ...args, place)
    return place[0] as bigint
  }

  /** `call` on a thread of Node's pool. The arguments' memory stays alive until it returns. */
  callAsync(name: StatusFunction, ...args: readonly Argument[]): Promise<void> {
    this.#inFlight.add(args)
    return new Promise((resolve, reject) => {
      this.#function(name).async(...args, (error: Error | null, status: Pointer | null) => {
        this.#inFlight.delete(args)
        try {
          if (error) throw error
          this.#check(name, status)
          resolve()
        } catch (failure) {
          reject(failure)
        }
      })
    })
  }

  /** `make` on a thread of Node's pool. */
  async makeAsync(name: StatusFunction, ...args: readonly Argument[]): Promise<Pointer> {
    const place = new BigUint64Array(1)
    await this.callAsync(name, ...args, place)
    return place[0] as bigint
  }

  free(name: ReleaseFunction, pointer: Pointer): void {
    this.#function(name)(pointer)
  }

  /** `free` on a thread of Node's pool: what gives gigabytes back to the system takes its time. */
  freeAsync(name: ReleaseFunction, pointer: Pointer): Promise<void> {
    const release = new Promise<void>((resolve, reject) => {
      this.#function(name).async(pointer, (error: Error | null) => {
        this.#releases.delete(release)
        if (error) reject(error)
        else resolve()
      })
    })
    this.#releases.add(release)
    return release
  }

  /** Resolves when nothing is being released on another thread. */
  async released(): Promise<void> {
    await Promise.allSettled(this.#releases)
  }

  #check(name: string, status: Pointer | null): void {
    if (status === null || status === 0n) return
    const code = this.#function('GetErrorCode')(status) as number
    const message = this.#function('GetErrorMessage')(status) as string
    this.#function('ReleaseStatus')(status)
    throw ortError(name, code, message)
  }

  #add(name: string, result: string, parameters: readonly string[]): void {
    const pointer = this.#table[API_NAMES.indexOf(name)]
    this.#functions.set(name, bind(pointer, result, parameters))
  }

  #function(name: string): NativeFunction {
    const found = this.#functions.get(name)
    if (found === undefined) throw new Error(`internal: ${name} is not among the functions bound.`)
    return found
  }
}

/** The text at a C string's address. */
export function readCString(pointer: Pointer): string {
  return koffi.decode.string(pointer)
}

function checkAnchors(): void {
  for (const [name, index] of Object.entries(API_ANCHORS)) {
    if (API_NAMES[index] === name) continue
    throw new Error(`internal: ${name} should be function ${index} of ONNX Runtime's table.`)
  }
}

function decodePointers(address: unknown, count: number): readonly Pointer[] {
  return koffi.decode(address, koffi.array('void *', count)) as Pointer[]
}

function bind(
  pointer: Pointer | undefined,
  result: string,
  parameters: readonly string[],
): NativeFunction {
  const types = parameters.map((type) => (type === '*' ? 'void *' : type))
  return koffi.decode(pointer, koffi.proto(null, result, types)) as NativeFunction
}
