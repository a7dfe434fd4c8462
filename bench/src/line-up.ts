/**
 * The contenders, each in a process of its own, started when a row asks for them and kept while memory allows.
 *
 * A peer that is not installed is told of once; rows go on without it.
 */
import { createRequire } from 'node:module'
import { totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import type { LoadOptions } from '../../src/load-model.ts'
import type { TrainerOptions } from '../../src/train/options.ts'
import { writeCheckpoint, type PictureCut } from './models/write-checkpoint.ts'
import { writeDecoderGguf, type GgufType } from './models/write-gguf.ts'
import type { DecoderShape, TowerShape } from './models/shapes.ts'
import { BENCH_FOLDER, type Options } from './options.ts'
import { WorkerProcess, type Launch } from './worker-process.ts'

export type TorchDtype = 'float32' | 'bfloat16'

/** All weights of a decoder, or a projector in front of a frozen one. bfloat16 is autocast, and the frozen weights' form. */
export type TorchTraining = {
  readonly kind: 'full' | 'stage1'
  readonly shape: DecoderShape
  readonly dtype: TorchDtype
  /** Activations are made again. */
  readonly checkpointing: boolean
}
type Peer = 'node-llama-cpp' | 'torch' | 'openvino'

/** Live contenders may take this share of memory before the longest unused is ended. */
const MEMORY_SHARE = 0.5

export class LineUp {
  readonly options: Options
  readonly #log: (line: string) => void
  readonly #live = new Map<string, WorkerProcess>()
  readonly #missing = new Map<Peer, boolean>()
  /** Contenders of the row that runs. */
  #inUse = new Set<string>()

  constructor(options: Options, log: (line: string) => void) {
    this.options = options
    this.#log = log
  }

  /** A new row: what it does not ask for may be ended. */
  beginRow(): void {
    this.#inUse = new Set()
  }

  checkpoint(
    decoder: DecoderShape,
    tower: TowerShape | null = null,
    cut: PictureCut = 'one tile',
  ): Promise<string> {
    return writeCheckpoint(this.options.workFolder, decoder, tower && { ...tower, cut })
  }

  /** llava-ts with a folder loaded. */
  ours(folder: string, loadOptions: LoadOptions): Promise<WorkerProcess> {
    const options = { threads: this.options.threads, prefixCache: false, ...loadOptions }
    return this.#start(`ours ${folder} ${JSON.stringify(options)}`, nodeWorker('ours'), {
      folder,
      options,
    })
  }

  /** A process of ours with nothing loaded, which the caller closes. */
  freshOurs(): WorkerProcess {
    return new WorkerProcess('ours', nodeWorker('ours'))
  }

  /** A trainer of ours over a folder. */
  trainer(folder: string, trainerOptions: TrainerOptions): Promise<WorkerProcess> {
    const options = { threads: this.options.threads, ...trainerOptions }
    return this.#start(`trainer ${folder} ${JSON.stringify(options)}`, nodeWorker('trainer'), {
      folder,
      options,
    })
  }

  async torchTrainer(request: TorchTraining): Promise<WorkerProcess | null> {
    if (this.isMissing('torch')) return null
    const whole = { ...request, threads: this.options.threads }
    return this.#start(
      `torch trainer ${JSON.stringify(whole)}`,
      this.#python('torch_trainer'),
      whole,
    )
  }

  async llama(
    shape: DecoderShape,
    type: GgufType,
    { contextSize, streams }: { readonly contextSize: number; readonly streams: number },
  ): Promise<WorkerProcess | null> {
    if (this.isMissing('node-llama-cpp')) return null
    const path = await writeDecoderGguf(this.options.workFolder, shape, type)
    const request = { path, contextSize, streams, threads: this.options.threads }
    return this.#start(`llama ${JSON.stringify(request)}`, nodeWorker('llama'), request)
  }

  async torch(
    kind: 'decoder' | 'tower',
    shape: DecoderShape | TowerShape,
    dtype: TorchDtype,
  ): Promise<WorkerProcess | null> {
    if (this.isMissing('torch')) return null
    const request = { kind, shape, dtype, threads: this.options.threads }
    return this.#start(`torch ${JSON.stringify(request)}`, this.#python('torch_worker'), request)
  }

  async openvino(
    kind: 'decoder' | 'tower',
    shape: DecoderShape | TowerShape,
    extra: object = {},
  ): Promise<WorkerProcess | null> {
    if (this.isMissing('openvino')) return null
    const request = { kind, shape, threads: this.options.threads, ...extra }
    return this.#start(
      `openvino ${JSON.stringify(request)}`,
      this.#python('openvino_worker'),
      request,
    )
  }

  isMissing(peer: Peer): boolean {
    const known = this.#missing.get(peer)
    if (known !== undefined) return known
    const isMissing = peer === 'node-llama-cpp' ? !isInstalled(peer) : !this.#hasPython(peer)
    if (isMissing)
      this.#log(
        `${peer} not installed: rows go on without it (bench/README.md says how to install it)`,
      )
    this.#missing.set(peer, isMissing)
    return isMissing
  }

  async close(): Promise<void> {
    for (const worker of this.#live.values()) await worker.close()
    this.#live.clear()
  }

  async #start(key: string, launch: Launch, request: object): Promise<WorkerProcess> {
    this.#inUse.add(key)
    const known = this.#live.get(key)
    if (known) {
      this.#live.delete(key) // Back to the end: the first is the longest unused.
      this.#live.set(key, known)
      return known
    }
    await this.#makeRoom()
    const worker = new WorkerProcess(key, launch)
    this.#live.set(key, worker)
    await worker.ask('load', request)
    return worker
  }

  async #makeRoom(): Promise<void> {
    const limit = totalmem() * MEMORY_SHARE
    for (const [key, worker] of this.#live) {
      const used = [...this.#live.values()].reduce((sum, one) => sum + one.residentBytes(), 0)
      if (used < limit) return
      if (this.#inUse.has(key)) continue
      await worker.close()
      this.#live.delete(key)
    }
  }

  #python(name: string): Launch {
    return {
      command: this.options.python,
      args: ['-B', join(BENCH_FOLDER, `src/workers/${name}.py`)],
    }
  }

  #hasPython(module: 'torch' | 'openvino'): boolean {
    const modules =
      module === 'torch' ? 'torch, transformers' : 'openvino, nncf, torch, transformers'
    const { status } = spawnSync(this.options.python, ['-c', `import ${modules}`], {
      stdio: 'ignore',
    })
    return status === 0
  }
}

function nodeWorker(name: string): Launch {
  const path = fileURLToPath(new URL(`workers/${name}.js`, import.meta.url))
  return { command: process.execPath, args: [path] }
}

function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name)
    return true
  } catch {
    return false
  }
}
