/** What this machine is, and what it can do right now: read bytes, multiply. */
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { WorkerProcess } from './worker-process.ts'
import type { ProductRates } from './workers/product-rates.ts'

export type Machine = {
  readonly cpu: string
  readonly cores: number
  readonly memoryGB: number
  /** Bytes a second that all cores together read from memory. */
  readonly bandwidth: number
  /** GFLOP/s by size of the product, `rows·inputs·outputs`. */
  readonly products: Readonly<Record<string, ProductRates>>
}

export type ProductSize = readonly [rows: number, inputs: number, outputs: number]

export async function measureMachine(
  worker: WorkerProcess,
  { threads, sizes }: { readonly threads: number; readonly sizes: readonly ProductSize[] },
): Promise<Machine> {
  const products: Record<string, ProductRates> = {}
  for (const [rows, inputs, outputs] of sizes) {
    products[`${rows}·${inputs}·${outputs}`] = await worker.ask('products', {
      rows,
      inputs,
      outputs,
      threads,
    })
  }
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGB: totalmem() / 1e9,
    bandwidth: await measureBandwidth(threads),
    products,
  }
}

/** The rates of the product whose shape is nearest to [inputs, outputs]. */
export function ratesFor(machine: Machine, inputs: number): ProductRates {
  const distance = (key: string) => Math.abs(Math.log(Number(key.split('·')[1]) / inputs))
  const nearest = Object.keys(machine.products).toSorted((a, b) => distance(a) - distance(b))[0]
  return machine.products[nearest as string] as ProductRates
}

export function formatMachine({ cpu, cores, memoryGB, bandwidth, products }: Machine): string {
  const rates = Object.entries(products).map(
    ([size, { f32, int8, q4b128 }]) =>
      `  ${size.padEnd(16)} f32 ${f32.toFixed(0)}  int8 ${int8.toFixed(0)}  q4b128 ${q4b128.toFixed(0)} GFLOP/s`,
  )
  return [
    `${cpu}, ${cores} cores, ${memoryGB.toFixed(0)} GB; memory reads ${(bandwidth / 1e9).toFixed(1)} GB/s`,
    ...rates,
  ].join('\n')
}

/** Runnable processes beyond this are somebody else's work. */
const QUIET_LOAD = 0.5

/** Says so if the machine does other work, which no median takes out. */
export function otherWork(): string | null {
  const [load = 0] = loadavg()
  if (load < QUIET_LOAD) return null
  return `the load of the last minute was ${load.toFixed(1)}: other work runs here, and these figures are not to be relied on`
}

/** AMD family 26: int8 and float32 rates are so much higher there that the bars differ. */
export function isZen5(): boolean {
  if (process.platform !== 'linux') return false
  const info = readFileSync('/proc/cpuinfo', 'utf8')
  return /AuthenticAMD/.test(info) && /^cpu family\s*: 26$/m.test(info)
}

const ROUNDS = 5

/** Every thread compares two blocks of memory that are equal: both are read to the end, nothing is written. */
async function measureBandwidth(threads: number): Promise<number> {
  const path = fileURLToPath(new URL('workers/bandwidth.js', import.meta.url))
  const workers = Array.from({ length: threads }, () => new Worker(path))
  let best = 0
  for (let round = 0; round <= ROUNDS; round++) {
    const start = performance.now()
    const bytes = await Promise.all(workers.map(readOnce))
    const rate = bytes.reduce((a, b) => a + b, 0) / (performance.now() - start)
    if (round > 0) best = Math.max(best, rate * 1000)
  }
  await Promise.all(workers.map((worker) => worker.terminate()))
  return best
}

function readOnce(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.postMessage('read')
  })
}
