/** A native session: runs through the queue, feeds checked before, tensors locked from the call to the end of the run. */
import { ConfigError } from '../core/errors.ts'
import type { Environment } from './ort-environment.ts'
import type { OrtApi, Pointer } from './ort-abi.ts'
import { OrtBinding } from './ort-binding.ts'
import type { NativeNames } from './ort-signature.ts'
import type { RunQueue } from './run-queue.ts'
import type { Binding, Feeds, RunOptions, Session } from './runtime.ts'
import {
  checkNames,
  checkTypes,
  type Declared,
  type Side,
  type Signature,
} from './session-signature.ts'
import type { HostBackedTensor, TensorRegistry } from './tensor-registry.ts'

/** What a session shares with its runtime. */
export type SessionHost = {
  readonly environment: Environment
  readonly queue: RunQueue
  readonly tensors: TensorRegistry
}

export type NativeSession = {
  readonly handle: Pointer
  readonly signature: Signature
  readonly names: NativeNames
}

/** The initialisers that a session holds. */
export type SessionWeights = {
  /** Lets go of those in `names`, or of all. */
  release(names?: ReadonlySet<string>): void
}

/** One run, by `Run` or by a binding. */
export type NativeRun = {
  readonly tensors: readonly HostBackedTensor[]
  readonly options: RunOptions
  readonly start: (runOptions: Pointer | null) => Promise<void>
  /** Called when the run is over, before anything that waited for it is released. */
  readonly onEnd?: () => void
}

export class OrtSession implements Session {
  readonly inputNames: readonly string[]
  readonly outputNames: readonly string[]
  readonly signature: Signature
  readonly handle: Pointer
  readonly #host: SessionHost
  readonly #names: NativeNames
  readonly #bindings = new Set<OrtBinding>()
  readonly #weights: SessionWeights
  readonly #onRelease: () => void
  #pendingRuns = 0
  #disposed = false
  #released = false

  /** `onRelease` is called once, after the native session is gone. */
  constructor(
    host: SessionHost,
    {
      native,
      weights,
      onRelease,
    }: {
      readonly native: NativeSession
      readonly weights: SessionWeights
      readonly onRelease: () => void
    },
  ) {
    this.#host = host
    this.#weights = weights
    this.handle = native.handle
    this.signature = native.signature
    this.#names = native.names
    this.#onRelease = onRelease
    this.inputNames = native.signature.inputs.map(({ name }) => name)
    this.outputNames = native.signature.outputs.map(({ name }) => name)
  }

  async run(inputs: Feeds, outputs: Feeds, options: RunOptions = {}): Promise<void> {
    this.checkAlive()
    const inputTensors = this.pick('input', this.signature.inputs, inputs)
    const outputTensors = this.pick('output', this.signature.outputs, outputs)
    checkTypes([
      { side: 'input', declared: this.signature.inputs, given: inputTensors },
      { side: 'output', declared: this.signature.outputs, given: outputTensors },
    ])
    const inputValues = BigUint64Array.from(inputTensors, (tensor) => tensor.handle)
    const outputValues = BigUint64Array.from(outputTensors, (tensor) => tensor.handle)
    const start = (runOptions: Pointer | null) =>
      this.#host.environment.api.callAsync(
        'Run',
        this.handle,
        runOptions,
        this.#names.inputs,
        inputValues,
        inputValues.length,
        this.#names.outputs,
        outputValues.length,
        outputValues,
      )
    await this.enqueue({ tensors: [...inputTensors, ...outputTensors], options, start })
  }

  bind(inputs: Feeds, outputs: Feeds): Binding {
    this.checkAlive()
    const handle = this.#host.environment.api.make('CreateIoBinding', this.handle)
    const binding = new OrtBinding(this, this.#host, handle, () => this.#bindings.delete(binding))
    this.#bindings.add(binding)
    try {
      for (const [name, tensor] of Object.entries(inputs)) binding.setInput(name, tensor)
      for (const [name, tensor] of Object.entries(outputs)) binding.setOutput(name, tensor)
    } catch (error) {
      binding.dispose()
      throw error
    }
    return binding
  }

  releaseWeights(names: ReadonlySet<string>): void {
    this.checkAlive()
    this.#weights.release(names)
  }

  /** Waits for runs that were started or queued before. */
  dispose(): void {
    this.#disposed = true
    if (this.#pendingRuns > 0 || this.#released) return
    this.#released = true
    for (const binding of this.#bindings) binding.dispose()
    this.#names.release()
    // Packed weights are freed with it, which would hold the event loop up.
    void this.#host.environment.api
      .freeAsync('ReleaseSession', this.handle)
      .then(() => this.#onRelease())
  }

  checkAlive(): void {
    if (!this.#disposed) return
    throw new ConfigError(
      'CONFIG_RUNTIME_DISPOSED',
      `runtime: a living session is expected, this one (${this.inputNames.join(', ')} → ${this.outputNames.join(', ')}) is disposed; create it again.`,
    )
  }

  /** The tensors for `declared`, in its order. Throws ConfigError unless each is there and usable. */
  pick(side: Side, declared: readonly Declared[], feeds: Feeds): readonly HostBackedTensor[] {
    checkNames(side, declared, feeds)
    return declared.map(({ name }) => this.#host.tensors.check(`${side} ${name}`, feeds[name]))
  }

  /** Puts one native run into the queue with its tensors locked, and stops it when the signal says so. */
  async enqueue({ tensors, options, start, onEnd }: NativeRun): Promise<void> {
    const unlock = tensors.map((tensor) => tensor.lock())
    this.#pendingRuns++
    try {
      const { api } = this.#host.environment
      await this.#host.queue.run(() => runUntilAborted(api, options.signal, start), options)
    } finally {
      for (const release of unlock) release()
      onEnd?.()
      this.#pendingRuns--
      if (this.#disposed) this.dispose()
    }
  }
}

/**
 * Starts a run that the signal can stop at its next node. A stopped run rejects with the signal's reason, also when
 * its last node was through already: whoever aborted must not see success.
 */
async function runUntilAborted(
  api: OrtApi,
  signal: AbortSignal | undefined,
  start: (runOptions: Pointer | null) => Promise<void>,
): Promise<void> {
  if (signal === undefined) return start(null)
  const runOptions = api.make('CreateRunOptions')
  const stop = () => api.call('RunOptionsSetTerminate', runOptions)
  signal.addEventListener('abort', stop, { once: true })
  try {
    await start(runOptions)
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
    api.free('ReleaseRunOptions', runOptions)
  }
  signal.throwIfAborted()
}
