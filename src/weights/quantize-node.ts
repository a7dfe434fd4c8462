/**
 * Quantising on worker threads of Node.js.
 *
 * Weights are read on this thread, into memory that a worker then quantises from; the result is shared memory too, so
 * nothing is copied back. Each worker has two lanes: while it works on one, the other is being filled.
 */
import { Worker } from 'node:worker_threads'

import { CheckpointError } from '../core/errors.ts'
import { allocateParts, type QuantizedArrays } from './quantize.ts'
import type { PieceReply, PieceRequest } from './quantize-worker-node.ts'
import { itemWeight, pieces, type QuantizeItem, type Quantizer } from './quantizer.ts'

/** A quantiser with `count` workers, for any number of weights at a time. The workers keep the process alive until it is closed. */
export function workerQuantizer(count: number): Quantizer {
  const workers = Array.from({ length: count }, () => new PieceWorker())
  const lanes = new Lanes([...workers, ...workers])
  // Shared memory is collected late or never while there is some left: layers of equal shape share theirs.
  const spare = new Map<string, QuantizedArrays[]>()
  const formOf = ({ kind, shape }: QuantizeItem) => `${kind} ${shape.join(' ')}`
  return {
    async quantize(item, signal) {
      const into =
        spare.get(formOf(item))?.pop() ??
        allocateParts(item.kind, itemWeight(item), SharedArrayBuffer)
      const ranges = pieces(item, PIECE)
      // Several loops take turns at one generator; one that fails closes it, and so ends the others.
      const quantizePieces = async () => {
        for (const range of ranges) {
          await lanes.use((lane) => {
            signal?.throwIfAborted()
            const values = lane.fill(item.read(range.from, range.to))
            return lane.worker.run({ kind: item.kind, range, values, into })
          })
        }
      }
      const loops = Array.from({ length: 2 * count }, quantizePieces)
      const failed = (await Promise.allSettled(loops)).find(({ status }) => status === 'rejected')
      if (failed?.status === 'rejected') throw failed.reason
      return into
    },
    reuse(item, arrays) {
      spare.set(formOf(item), [...(spare.get(formOf(item)) ?? []), arrays])
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.close()))
    },
  }
}

// Weights at a time: reading them, and merging an adapter of high rank into them, must not hold up this thread.
const PIECE = 1 << 18

/** Memory that this thread fills and a worker reads. */
class Lane {
  readonly worker: PieceWorker
  #values: Float32Array = new Float32Array(0)

  constructor(worker: PieceWorker) {
    this.worker = worker
  }

  fill(values: Float32Array): Float32Array {
    if (this.#values.length < values.length) {
      this.#values = new Float32Array(new SharedArrayBuffer(values.byteLength))
    }
    const target = this.#values.subarray(0, values.length)
    target.set(values)
    return target
  }
}

/** Hands each lane to one user at a time, in the order they asked. */
class Lanes {
  readonly #free: Lane[]
  readonly #waiting: ((lane: Lane) => void)[] = []

  constructor(workers: readonly PieceWorker[]) {
    this.#free = workers.map((worker) => new Lane(worker))
  }

  async use(action: (lane: Lane) => Promise<void>): Promise<void> {
    const lane =
      this.#free.shift() ?? (await new Promise<Lane>((resolve) => this.#waiting.push(resolve)))
    try {
      await action(lane)
    } finally {
      const next = this.#waiting.shift()
      if (next) next(lane)
      else this.#free.push(lane)
    }
  }
}

type Pending = { resolve(): void; reject(error: Error): void }

/** A worker thread; its replies come in the order of the requests. */
class PieceWorker {
  // Flags of this process such as --input-type would keep the thread from starting.
  readonly #thread = new Worker(new URL('./quantize-worker-node.js', import.meta.url), {
    execArgv: [],
  })
  #pending: Pending[] = []
  #failure: Error | undefined

  constructor() {
    this.#thread.on('message', (reply: PieceReply) => {
      const pending = this.#pending.shift()
      const error = replyError(reply)
      if (error) pending?.reject(error)
      else pending?.resolve()
    })
    this.#thread.on('error', (error) => this.#fail(error))
    this.#thread.on('exit', () => this.#fail(new Error('internal: a quantising worker has ended.')))
  }

  run(request: PieceRequest): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#pending.push({ resolve, reject })
      this.#thread.postMessage(request)
    })
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const pending of this.#pending) pending.reject(error)
    this.#pending = []
  }

  async close(): Promise<void> {
    await this.#thread.terminate()
  }
}

function replyError({ code, message }: PieceReply): Error | undefined {
  if (message === undefined) return undefined
  return code === undefined ? new Error(message) : new CheckpointError(code, message)
}
