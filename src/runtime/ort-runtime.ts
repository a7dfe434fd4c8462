/** The runtime over ONNX Runtime: one environment, one queue, and the lifetimes of what was made with it. */
import type { DType, TypedArray } from '../core/dtype.ts'
import { ConfigError } from '../core/errors.ts'
import { inTurns } from '../core/steps.ts'
import type { Pointer } from './ort-abi.ts'
import type { Environment, LogSeverity } from './ort-environment.ts'
import { initializerSteps } from './model-initializers.ts'
import { createNativeSession } from './ort-session-options.ts'
import { OrtSession, type NativeSession, type SessionWeights } from './ort-session.ts'
import { readSignature } from './ort-signature.ts'
import { RunQueue } from './run-queue.ts'
import type { Runtime, Session, SessionOptions, SharedWeights, Tensor } from './runtime.ts'
import { TensorRegistry, type HostBackedTensor } from './tensor-registry.ts'

export type RuntimeParts = {
  readonly environment: Environment
  readonly threads: number
  readonly logSeverity: LogSeverity
  /**
   * A folder in which the file that models name for their external weights exists, empty: ONNX Runtime looks for it
   * before it takes the memory that `AddInitializer` gave it instead.
   */
  readonly placeholderFolder: () => string
  /** Lets other callbacks run first. */
  readonly defer: (start: () => void) => void
  /** Called once, after everything native is released. */
  readonly onRelease: () => Promise<void>
}

export class OrtRuntime implements Runtime {
  readonly device = 'cpu'
  readonly threads: number
  readonly version: string
  readonly #parts: RuntimeParts
  readonly #tensors: TensorRegistry
  readonly #runs: RunQueue
  /** Sessions are created one at a time too: each occupies a thread of Node's small pool. */
  readonly #creations: RunQueue
  readonly #sessions = new Set<OrtSession>()
  /** Those that sessions may join. */
  readonly #sharedWeights = new Set<OrtSharedWeights>()
  /** Those that are not released. */
  #containers = 0
  #creating = 0
  readonly #gone: Promise<void>
  #end: () => void = () => {}
  #fail: (error: unknown) => void = () => {}
  #disposed = false
  #released = false

  constructor(parts: RuntimeParts) {
    this.#gone = new Promise((resolve, reject) => {
      this.#end = resolve
      this.#fail = reject
    })
    this.#parts = parts
    this.threads = parts.threads
    this.version = `onnxruntime ${parts.environment.api.version}`
    this.#tensors = new TensorRegistry(parts.environment)
    this.#runs = new RunQueue(parts.defer)
    this.#creations = new RunQueue(parts.defer)
  }

  tensor(dtype: DType, shape: readonly number[], data?: TypedArray): Tensor {
    this.#checkAlive()
    return this.#tensors.tensor(dtype, shape, data)
  }

  async createSession(model: Uint8Array, options: SessionOptions = {}): Promise<Session> {
    this.#checkAlive()
    const { signal } = options
    this.#creating++
    try {
      return await this.#creations.run(() => this.#createSession(model, options), { signal })
    } finally {
      this.#creating--
      this.#releaseIfUnused()
    }
  }

  createSharedWeights(): SharedWeights {
    this.#checkAlive()
    const shared = new OrtSharedWeights(this.#parts.environment, {
      onDispose: () => this.#sharedWeights.delete(shared),
      onRelease: () => {
        this.#containers--
        this.#releaseIfUnused()
      },
    })
    this.#sharedWeights.add(shared)
    this.#containers++
    return shared
  }

  /** Resolves when runs that were started or queued before are over, and sessions, tensors and weights are gone. */
  dispose(): Promise<void> {
    if (this.#disposed) return this.#gone
    this.#disposed = true
    for (const shared of this.#sharedWeights) shared.dispose()
    for (const session of this.#sessions) session.dispose()
    this.#tensors.disposeAll()
    this.#releaseIfUnused()
    return this.#gone
  }

  /** The environment goes last. */
  #releaseIfUnused(): void {
    const uses = this.#sessions.size + this.#containers + this.#creating + this.#tensors.size
    if (!this.#disposed || uses > 0 || this.#released) return
    this.#released = true
    this.#parts.environment.release()
    void this.#parts.onRelease().then(this.#end, this.#fail)
  }

  async #createSession(model: Uint8Array, options: SessionOptions): Promise<Session> {
    await inTurns(initializerSteps(model, options.initializers ?? new Map()))
    this.#checkAlive()
    const weights = this.#takeWeights(options)
    try {
      const native = await this.#load(model, options, weights)
      const host = {
        environment: this.#parts.environment,
        queue: this.#runs,
        tensors: this.#tensors,
      }
      const onRelease = () => {
        weights.release()
        this.#sessions.delete(session)
        this.#releaseIfUnused()
      }
      const session = new OrtSession(host, { native, weights, onRelease })
      this.#sessions.add(session)
      return session
    } catch (error) {
      weights.release()
      throw error
    }
  }

  async #load(
    model: Uint8Array,
    options: SessionOptions,
    { initializers, shared }: TakenWeights,
  ): Promise<NativeSession> {
    const { environment, logSeverity, placeholderFolder } = this.#parts
    const handle = await createNativeSession({
      environment,
      model,
      options,
      logSeverity,
      initializers,
      sharedWeights: shared?.handle,
      placeholderFolder,
    })
    try {
      this.#checkAlive()
      return { handle, ...readSignature(environment.api, environment.allocator, handle) }
    } catch (error) {
      await environment.api.freeAsync('ReleaseSession', handle)
      throw error
    }
  }

  /** Wraps the initialisers, and holds the shared weights, until `release`. */
  #takeWeights({ initializers = new Map(), sharedWeights }: SessionOptions): TakenWeights {
    const shared = sharedWeights === undefined ? undefined : this.#checkShared(sharedWeights)
    const wrapped = new Map<string, HostBackedTensor>()
    const unlock = new Map<string, () => void>()
    const letGo = (name: string) => {
      wrapped.get(name)?.dispose()
      unlock.get(name)?.()
      wrapped.delete(name)
      unlock.delete(name)
    }
    const release = (names?: ReadonlySet<string>) => {
      for (const name of wrapped.keys()) if (!names || names.has(name)) letGo(name)
      if (!names) shared?.leave()
    }
    shared?.join()
    try {
      for (const [name, { dtype, shape, data }] of initializers) {
        const tensor = this.#tensors.tensor(dtype, shape, data)
        wrapped.set(name, tensor)
        unlock.set(name, tensor.lock())
      }
    } catch (error) {
      release()
      throw error
    }
    return { initializers: wrapped, shared, release }
  }

  #checkShared(sharedWeights: SharedWeights): OrtSharedWeights {
    for (const known of this.#sharedWeights) if (known === sharedWeights) return known
    throw new ConfigError(
      'CONFIG_RUNTIME_SHARED_WEIGHTS',
      'runtime: sharedWeights should be living ones of this runtime, they are not; make them with runtime.createSharedWeights.',
    )
  }

  #checkAlive(): void {
    if (!this.#disposed) return
    throw new ConfigError(
      'CONFIG_RUNTIME_DISPOSED',
      'runtime: a living runtime is expected, this one is disposed; create another.',
    )
  }
}

type TakenWeights = SessionWeights & {
  readonly initializers: ReadonlyMap<string, HostBackedTensor>
  readonly shared: OrtSharedWeights | undefined
}

type SharedWeightsEvents = { readonly onDispose: () => void; readonly onRelease: () => void }

/** Prepacked copies of equal initialisers, one for all sessions that joined; released with the last of them. */
class OrtSharedWeights implements SharedWeights {
  readonly handle: Pointer
  readonly #environment: Environment
  readonly #events: SharedWeightsEvents
  #sessions = 0
  #disposed = false

  constructor(environment: Environment, events: SharedWeightsEvents) {
    this.#environment = environment
    this.#events = events
    this.handle = environment.api.make('CreatePrepackedWeightsContainer')
  }

  join(): void {
    this.#sessions++
  }

  leave(): void {
    this.#sessions--
    this.#releaseIfUnused()
  }

  /** No session can join after this; those that did keep the weights. */
  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#events.onDispose()
    this.#releaseIfUnused()
  }

  #releaseIfUnused(): void {
    if (!this.#disposed || this.#sessions > 0) return
    // What was packed is in here, and freed with it.
    void this.#environment.api
      .freeAsync('ReleasePrepackedWeightsContainer', this.handle)
      .then(() => this.#events.onRelease())
  }
}
