/**
 * Running graphs: one interface over ONNX Runtime in Node.js (`node.ts`) and in the browser (`web.ts`).
 *
 * JavaScript owns every buffer that outlives a run; the engine's arena holds intermediates only. A tensor is locked
 * while a run uses it. Runs of one runtime go through one queue, one at a time, each with all threads.
 */
import type { DType, TypedArray } from '../core/dtype.ts'
import type { HostTensor } from '../core/tensor.ts'

/** A tensor the runtime can read and write in place. `data` is its memory, shared with JavaScript, never copied. */
export type Tensor = {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly data: TypedArray
  /** A tensor over part of the same memory, `offset` in elements. It keeps the memory alive by itself. */
  view(shape: readonly number[], offset?: number): Tensor
  dispose(): void
}

export type Feeds = Readonly<Record<string, Tensor>>

/** Waiting runs start in this order; runs of equal priority in order of arrival. */
export type Priority = 'decode' | 'prefill' | 'training'

export type RunOptions = {
  /** Stops the run at the next node: the promise rejects with the signal's reason and outputs are undefined. */
  readonly signal?: AbortSignal | undefined
  readonly priority?: Priority | undefined
}

export type Session = {
  readonly inputNames: readonly string[]
  readonly outputNames: readonly string[]
  /** Runs the graph; every output is written into the tensor given for it in `outputs`. */
  run(inputs: Feeds, outputs: Feeds, options?: RunOptions): Promise<void>
  /** Binds names once for many runs; unbound names must be set before each run. */
  bind(inputs: Feeds, outputs: Feeds): Binding
  /**
   * Lets go of the memory of initialisers that the engine has copied into a form of its own (`packedParameters`). Those of
   * `names` that the session does not have are left out. Not before all sessions that share weights are made.
   */
  releaseWeights(names: ReadonlySet<string>): void
  dispose(): void
}

/** Inputs and outputs that stay bound between runs (an IO binding): the KV cache is bound once. */
export type Binding = {
  setInput(name: string, tensor: Tensor): void
  setOutput(name: string, tensor: Tensor): void
  run(options?: RunOptions): Promise<void>
  dispose(): void
}

export type SessionOptions = {
  /** Weights that the model declares as external, by name. Their memory is used in place and must outlive the session. */
  readonly initializers?: ReadonlyMap<string, HostTensor>
  /** Sessions given the same set share one prepacked copy of equal initialisers. */
  readonly sharedWeights?: SharedWeights
  /** Keep weights as they lie in mapped memory instead of packing them: starts at once, slower per run. */
  readonly prepack?: boolean
  readonly graphOptimization?: 'none' | 'basic' | 'all'
  /** Extra `session.*` entries, by ONNX Runtime's own names. */
  readonly config?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
}

export type SharedWeights = { dispose(): void }

export type Runtime = {
  readonly device: string
  readonly threads: number
  /** Name and version of the engine, for logs and recipes. */
  readonly version: string
  /** Wraps JavaScript memory (or allocates zeroed memory) without a copy. */
  tensor(dtype: DType, shape: readonly number[], data?: TypedArray): Tensor
  createSession(model: Uint8Array, options?: SessionOptions): Promise<Session>
  createSharedWeights(): SharedWeights
  /** Resolves when runs that were started before are over and everything made here is gone. */
  dispose(): Promise<void>
}
