/** A few worker threads that take jobs in the order they come, one each at a time. */
import { AbortListeners } from '../core/abort-listeners.ts'
import { CapacityError } from '../core/errors.ts'
import { unpackError, type Answer, type Job, type JobResult } from './worker-jobs.ts'

/** The part of a worker thread that is needed here. */
export type WorkerLike = {
  postMessage(message: { id: number; job: Job }): void
  on(event: 'message', listener: (answer: Answer) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'exit', listener: () => void): unknown
  ref(): void
  unref(): void
  terminate(): Promise<unknown>
}

type Waiting = {
  readonly id: number
  readonly job: Job
  readonly resolve: (result: JobResult) => void
  readonly reject: (error: unknown) => void
}

type Member = { readonly worker: WorkerLike; current: Waiting | null }

export class WorkerPool {
  readonly #size: number
  readonly #start: () => WorkerLike
  readonly #members = new Set<Member>()
  readonly #queue: Waiting[] = []
  readonly #aborts = new AbortListeners()
  #nextId = 0
  #isDisposed = false

  constructor(size: number, start: () => WorkerLike) {
    this.#size = Math.max(1, size)
    this.#start = start
  }

  /** Starts a worker before there is a job: its modules are then read while others wait for something else. */
  warm(): void {
    if (!this.#isDisposed && this.#members.size === 0) this.#grow()
  }

  /** Rejects with the signal's reason as soon as it is aborted. */
  run(job: Job, signal?: AbortSignal): Promise<JobResult> {
    if (this.#isDisposed) return Promise.reject(disposedError())
    return new Promise((resolve, reject) => {
      let release = (): void => {}
      const waiting: Waiting = {
        id: this.#nextId++,
        job,
        resolve: (result) => (release(), resolve(result)),
        reject: (error) => (release(), reject(error)),
      }
      const onAbort = (): void => {
        const at = this.#queue.indexOf(waiting)
        if (at >= 0) this.#queue.splice(at, 1)
        reject(signal?.reason)
      }
      // The pictures of one request share its signal.
      if (signal) release = this.#aborts.add(signal, onAbort)
      this.#queue.push(waiting)
      this.#dispatch()
    })
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true
    const members = [...this.#members]
    for (const waiting of this.#queue.splice(0)) waiting.reject(disposedError())
    for (const { current } of members) current?.reject(disposedError())
    await Promise.all(members.map(({ worker }) => worker.terminate()))
  }

  #dispatch(): void {
    while (this.#queue.length > 0) {
      const member = [...this.#members].find(({ current }) => current === null) ?? this.#grow()
      if (member === undefined) return
      const next = this.#queue.shift() as Waiting
      member.current = next
      member.worker.ref()
      member.worker.postMessage({ id: next.id, job: next.job })
    }
  }

  #grow(): Member | undefined {
    if (this.#members.size >= this.#size) return undefined
    const member: Member = { worker: this.#start(), current: null }
    member.worker.on('message', (answer) => this.#finish(member, answer))
    member.worker.on('error', (error) => this.#lose(member, error))
    member.worker.on('exit', () => this.#lose(member, disposedError()))
    // Last: listening to messages holds the process.
    member.worker.unref()
    this.#members.add(member)
    return member
  }

  #finish(member: Member, answer: Answer): void {
    const waiting = member.current
    member.current = null
    // One that is being ended holds the process until it is gone: `dispose` waits for that.
    if (!this.#isDisposed) member.worker.unref()
    if (waiting?.id === answer.id) {
      if ('error' in answer) waiting.reject(unpackError(answer.error))
      else waiting.resolve(answer.result)
    }
    this.#dispatch()
  }

  /** A worker is gone (it ran out of memory, say): its picture fails, the next gets a new one. */
  #lose(member: Member, error: Error): void {
    if (!this.#members.delete(member)) return
    member.current?.reject(
      new CapacityError(
        'CAPACITY_PREPROCESS',
        `preprocess: a worker stopped while it prepared a picture (${error.message}); send a smaller one.`,
        { cause: error },
      ),
    )
    if (!this.#isDisposed) this.#dispatch()
  }
}

function disposedError(): CapacityError {
  return new CapacityError(
    'CAPACITY_DISPOSED',
    'preprocess: the preprocessor was disposed of before this picture was done.',
  )
}
