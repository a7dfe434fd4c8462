/**
 * The runtime in Node.js: ONNX Runtime's own library, called through koffi. A published package carries it; where
 * llava-ts is built from source it lies in the `onnxruntime-node` package. All that depends on the platform is here; the
 * files beside it are handed what they need.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { availableParallelism, cpus, freemem, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ConfigError } from '../core/errors.ts'
import { makeFolderSync } from '../core/make-folder-node.ts'
import { EXTERNAL_LOCATION } from '../graph/onnx-writer.ts'
import { parseCpuFeatures, type CpuFeatures } from './cpu-features.ts'
import {
  acquireEnvironment,
  LOG_SEVERITIES,
  releasesEnded,
  type LogSeverity,
} from './ort-environment.ts'
import { carriedFile, libraryFile } from './ort-library.ts'
import { OrtRuntime } from './ort-runtime.ts'
import type { Runtime } from './runtime.ts'
import { refuseTelemetry } from './telemetry-node.ts'

export { OrtError } from './ort-errors.ts'
export type { CpuFeatures } from './cpu-features.ts'
export type { LogSeverity } from './ort-environment.ts'

/** Memory that can still be taken: what the system calls available, within the limit of a container. */
export function freeMemoryBytes(): number {
  const limited = process.constrainedMemory?.() ?? 0
  const available = availableKilobytes()
  const free = available === null ? freemem() : available * 1024
  return limited > 0 ? Math.min(free, Math.max(0, limited - process.memoryUsage.rss())) : free
}

/** Linux counts what its file cache would give back; `os.freemem` does not. */
function availableKilobytes(): number | null {
  if (process.platform !== 'linux') return null
  const found = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))
  return found ? Number(found[1]) : null
}

export type NodeRuntimeOptions = {
  readonly device?: 'cpu'
  /** Threads of the one pool that all sessions share, the calling one included. Default: the cores. */
  readonly threads?: number | undefined
  /**
   * Idle threads of the pool wait in a loop for the next node. Faster by half on a quiet machine, several times
   * slower on one whose cores are busy with other programs: there the loop spends the time that the work then lacks.
   * Default: true.
   */
  readonly spinning?: boolean | undefined
  /** What ONNX Runtime prints to stderr by itself. Default: `fatal`; every failure is an error anyway. */
  readonly logSeverity?: LogSeverity | undefined
  /** Where the runtime puts its one small folder. Default: the system's folder for temporary files. */
  readonly temporaryFolder?: string | undefined
}

/**
 * Starts ONNX Runtime. A process has one pool of threads: further runtimes join it and need the same options.
 *
 * Throws ConfigError for an unknown option, device or platform, another version of ONNX Runtime, or options that
 * differ from those of a runtime that is still alive.
 */
export async function createRuntime(options: NodeRuntimeOptions = {}): Promise<Runtime> {
  const { threads, spinning, logSeverity, temporaryFolder } = checkOptions(options)
  await releasesEnded()
  refuseTelemetry()
  const environment = await acquireEnvironment(libraryPath(process), {
    threads,
    spinning,
    logSeverity,
  })
  const placeholder = new PlaceholderFolder(temporaryFolder)
  return new OrtRuntime({
    environment,
    threads,
    logSeverity,
    placeholderFolder: () => placeholder.path(),
    defer: setImmediate,
    onRelease: () => placeholder.remove(),
  })
}

/** The processor and the threads it is good for; see `cpu-features.ts` for platforms other than Linux. */
export function cpuFeatures(): CpuFeatures {
  const isLinux = process.platform === 'linux'
  return parseCpuFeatures({
    arch: process.arch,
    parallelism: availableParallelism(),
    model: cpus()[0]?.model ?? process.arch,
    cpuinfo: isLinux ? readIfThere('/proc/cpuinfo') : undefined,
    cpuMax: isLinux ? readIfThere('/sys/fs/cgroup/cpu.max') : undefined,
  })
}

function checkOptions(options: NodeRuntimeOptions) {
  const checked = {
    device: 'cpu',
    threads: cpuFeatures().cores,
    spinning: true,
    logSeverity: 'fatal' as LogSeverity,
    temporaryFolder: tmpdir(),
    ...dropUndefined(options),
  }
  const wrong = (what: string) => new ConfigError('CONFIG_RUNTIME_OPTION', `runtime: ${what}`)
  if (Object.keys(checked).length > 5) {
    throw wrong(
      `options are device, threads, spinning, logSeverity and temporaryFolder, ${Object.keys(options).join(', ')} came; remove the others.`,
    )
  }
  if (checked.device !== 'cpu') throw wrong(`device should be cpu, ${checked.device} came.`)
  if (!(Number.isInteger(checked.threads) && checked.threads >= 1)) {
    throw wrong(`threads should be a whole number of at least 1, ${checked.threads} came.`)
  }
  if (!LOG_SEVERITIES.includes(checked.logSeverity)) {
    throw wrong(
      `logSeverity should be one of ${LOG_SEVERITIES.join(', ')}, ${checked.logSeverity} came.`,
    )
  }
  return checked
}

function dropUndefined(options: NodeRuntimeOptions): NodeRuntimeOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

function libraryPath({ platform, arch }: NodeJS.Process): string {
  const carried = fileURLToPath(new URL(`../${carriedFile(platform, arch)}`, import.meta.url))
  if (existsSync(carried)) return carried
  const { resolve } = createRequire(import.meta.url)
  try {
    const folder = dirname(resolve('onnxruntime-node/package.json'))
    return join(folder, libraryFile(platform, arch))
  } catch (cause) {
    throw new ConfigError(
      'CONFIG_RUNTIME_LIBRARY',
      `runtime: ONNX Runtime's library should be ${carried}, or in the package onnxruntime-node, and is in neither; install llava-ts anew.`,
      { cause },
    )
  }
}

/** Undefined where the file does not exist: older kernels and containers without control groups. */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** A folder with the empty file that stands for external weights. Made on first use, gone with the runtime or process. */
class PlaceholderFolder {
  /** Of all runtimes of the process: a listener for each would look like a leak to Node, which warns above ten. */
  static readonly #present = new Set<string>()
  static readonly #removeAtExit = () => {
    for (const folder of PlaceholderFolder.#present) {
      rmSync(folder, { recursive: true, force: true })
    }
  }

  readonly #parent: string
  #folder: string | undefined

  constructor(parent: string) {
    this.#parent = parent
  }

  /** Looks each time: a cleaner of temporary files may have taken the folder from a long-lived server. */
  path(): string {
    if (this.#folder === undefined) {
      makeFolderSync(this.#parent)
      this.#folder = mkdtempSync(join(this.#parent, 'llava-ts-'))
      PlaceholderFolder.#keep(this.#folder)
    }
    makeFolderSync(this.#folder)
    writeFileSync(join(this.#folder, EXTERNAL_LOCATION), '')
    return this.#folder
  }

  /** A busy disk takes its time for it. */
  async remove(): Promise<void> {
    const folder = this.#folder
    if (folder === undefined) return
    await rm(folder, { recursive: true, force: true })
    this.#folder = undefined
    PlaceholderFolder.#present.delete(folder)
    if (PlaceholderFolder.#present.size === 0) process.off('exit', PlaceholderFolder.#removeAtExit)
  }

  static #keep(folder: string): void {
    if (this.#present.size === 0) process.once('exit', this.#removeAtExit)
    this.#present.add(folder)
  }
}
