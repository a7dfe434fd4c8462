/** Inputs and outputs that stay bound between runs. Bound tensors may not change while a run is queued or in flight. */
import { ConfigError } from '../core/errors.ts'
import type { Pointer } from './ort-abi.ts'
import type { OrtSession, SessionHost } from './ort-session.ts'
import type { Binding, RunOptions, Tensor } from './runtime.ts'
import { checkName, checkTypes, type Declared, type Side } from './session-signature.ts'
import type { HostBackedTensor } from './tensor-registry.ts'

type Bound = Record<string, HostBackedTensor>

export class OrtBinding implements Binding {
  readonly #session: OrtSession
  readonly #host: SessionHost
  readonly #handle: Pointer
  readonly #onRelease: () => void
  /** ONNX Runtime keeps bare addresses between runs: these references keep their memory. */
  readonly #inputs: Bound = {}
  readonly #outputs: Bound = {}
  /** Bound since the last check of shapes. */
  #isChanged = true
  #pendingRuns = 0
  #disposed = false
  #released = false

  constructor(session: OrtSession, host: SessionHost, handle: Pointer, onRelease: () => void) {
    this.#session = session
    this.#host = host
    this.#handle = handle
    this.#onRelease = onRelease
  }

  setInput(name: string, tensor: Tensor): void {
    this.#set('input', this.#session.signature.inputs, this.#inputs, name, tensor)
  }

  setOutput(name: string, tensor: Tensor): void {
    this.#set('output', this.#session.signature.outputs, this.#outputs, name, tensor)
  }

  async run(options: RunOptions = {}): Promise<void> {
    this.#checkAlive()
    this.#session.checkAlive()
    const { inputs, outputs } = this.#session.signature
    const inputTensors = this.#session.pick('input', inputs, this.#inputs)
    const outputTensors = this.#session.pick('output', outputs, this.#outputs)
    if (this.#isChanged) {
      checkTypes([
        { side: 'input', declared: inputs, given: inputTensors },
        { side: 'output', declared: outputs, given: outputTensors },
      ])
    }
    this.#isChanged = false
    this.#pendingRuns++
    await this.#session.enqueue({
      tensors: [...inputTensors, ...outputTensors],
      options,
      start: (runOptions) =>
        this.#host.environment.api.callAsync(
          'RunWithBinding',
          this.#session.handle,
          runOptions,
          this.#handle,
        ),
      onEnd: () => this.#endRun(),
    })
  }

  /** Waits for runs that were started or queued before. */
  dispose(): void {
    this.#disposed = true
    if (this.#pendingRuns > 0 || this.#released) return
    this.#released = true
    this.#host.environment.api.free('ReleaseIoBinding', this.#handle)
    this.#onRelease()
  }

  #endRun(): void {
    this.#pendingRuns--
    if (this.#disposed) this.dispose()
  }

  #set(side: Side, declared: readonly Declared[], bound: Bound, name: string, tensor: Tensor) {
    this.#checkAlive()
    if (this.#pendingRuns > 0) {
      throw new ConfigError(
        'CONFIG_RUNTIME_BUSY',
        `runtime: ${side} ${name} should be bound between runs, a run of this binding is queued or in flight; await it first.`,
      )
    }
    checkName(side, declared, name)
    const usable = this.#host.tensors.check(`${side} ${name}`, tensor)
    const call = side === 'input' ? 'BindInput' : 'BindOutput'
    this.#host.environment.api.call(call, this.#handle, name, usable.handle)
    bound[name] = usable
    this.#isChanged = true
  }

  #checkAlive(): void {
    if (!this.#disposed) return
    throw new ConfigError(
      'CONFIG_RUNTIME_DISPOSED',
      `runtime: a living binding is expected, this one is disposed; bind again.`,
    )
  }
}
