/** One benchmark from its command line to its table: the machine, every row chosen, the machine again. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { LineUp } from './line-up.ts'
import {
  formatMachine,
  measureMachine,
  otherWork,
  type Machine,
  type ProductSize,
} from './machine.ts'
import { parseOptions, usageOf, type Options } from './options.ts'
import { formatRow, rowToJson, type Row } from './row.ts'
import type { RowMaker } from './rows/context.ts'

export type Benchmark = {
  /** How it is called from the root of the repository. */
  readonly command: string
  readonly rows: readonly RowMaker[]
  /** Inputs and outputs of the widest layers of each shape that has a row. */
  readonly products: readonly ProductSize[]
}

export async function runBenchmark(benchmark: Benchmark, args: readonly string[]): Promise<void> {
  const { command, rows: makers, products } = benchmark
  if (args.includes('--help')) {
    console.log(usageOf(command))
    return
  }
  const options = parseOptions(args)
  if (options.only[0] === 'list') {
    console.log(makers.map(({ name }) => name).join('\n'))
    return
  }
  mkdirSync(options.workFolder, { recursive: true })
  const lineUp = new LineUp(options, (line) => console.log(line))
  try {
    const warning = otherWork()
    if (warning !== null) console.log(warning)
    const sizes = options.isSmoke ? products.slice(-1) : products
    const machine = await describeMachine(lineUp, options, sizes)
    const { rows, failures } = await measureRows(chosenRows(makers, options), {
      lineUp,
      options,
      machine,
    })
    await lineUp.close()
    console.log('The machine again, to see how far it drifted:')
    const machineAtEnd = await describeMachine(lineUp, options, sizes)
    if (options.jsonFile !== null) {
      const report = {
        machine,
        machineAtEnd,
        warning,
        options,
        rows: rows.map(rowToJson),
        failures,
      }
      writeFileSync(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`)
    }
    if (failures.length > 0) process.exitCode = 1
  } finally {
    await lineUp.close()
  }
}

async function describeMachine(
  lineUp: LineUp,
  { threads }: Options,
  sizes: readonly ProductSize[],
): Promise<Machine> {
  const worker = lineUp.freshOurs()
  try {
    const machine = await measureMachine(worker, { threads, sizes })
    console.log(`${formatMachine(machine)}\n`)
    return machine
  } finally {
    await worker.close()
  }
}

type Failure = { readonly name: string; readonly reason: string }

/** A row that fails says so, and the others are measured all the same. */
async function measureRows(
  makers: readonly RowMaker[],
  context: Parameters<RowMaker['make']>[0],
): Promise<{ rows: Row[]; failures: Failure[] }> {
  const rows: Row[] = []
  const failures: Failure[] = []
  for (const { name, make } of makers) {
    context.lineUp.beginRow()
    try {
      const row = await make(context)
      rows.push(row)
      console.log(`${formatRow(row)}\n`)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      failures.push({ name, reason })
      console.log(`${name}: FAILED\n  ${reason.replaceAll('\n', '\n  ')}\n`)
    }
  }
  return { rows, failures }
}

function chosenRows(rows: readonly RowMaker[], { only }: Options): readonly RowMaker[] {
  if (only.length === 0) return rows
  const chosen = rows.filter(({ name }) => only.some((start) => name.startsWith(start)))
  if (chosen.length > 0) return chosen
  throw new Error(
    `bench: no row begins with ${only.join(' or ')}; rows are ${rows.map((row) => row.name).join(', ')}.`,
  )
}
