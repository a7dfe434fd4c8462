/** What a user feels beside speed: the start, the memory, the photo, the event loop. Ours alone, against limits. */
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { kvWidth, weightBytes } from '../floors.ts'
import { writePhoto } from '../models/write-photo.ts'
import { patchesOf, SMOLLM2, VIT_TINY } from '../models/shapes.ts'
import type { Contender, Measurement } from '../rounds.ts'
import type { Row } from '../row.ts'
import type { WorkerProcess } from '../worker-process.ts'
import {
  contest,
  decoder7b,
  sized,
  sizedTower,
  tokensOf,
  type Context,
  type RowMaker,
} from './context.ts'

export const singleProcessRows: readonly RowMaker[] = [
  { name: 'cold-start', make: coldStart },
  { name: 'memory', make: memory },
  { name: 'load', make: load },
  { name: 'preprocess', make: preprocess },
  { name: 'event-loop', make: eventLoop },
]

/** From starting a process to the first token about a picture file. */
async function coldStart(context: Context): Promise<Row> {
  const { lineUp, options } = context
  const tower = sizedTower(context, VIT_TINY)
  const folder = options.miniFolder ?? (await lineUp.checkpoint(sized(context, SMOLLM2), tower))
  const path = await writePhoto(options.workFolder, { width: 512, height: 512 })
  const ours: Contender = {
    label: 'llava-ts auto',
    sample: () =>
      withFresh(context, async (worker) => {
        const start = performance.now()
        await worker.ask('load', { folder, options: { threads: options.threads } })
        const tokens = patchesOf(tower)
        await worker.ask('answer', {
          promptTokens: tokens + 16,
          newTokens: 1,
          seed: 1,
          picture: { path, tokens },
        })
        return performance.now() - start
      }),
  }
  const row = await contest({
    name: 'cold-start',
    what: `a new process, ${options.miniFolder ?? 'the shape of mini'}, a 512 px picture, to the first token`,
    unit: 'ms',
    ours: [ours],
    groups: [],
    rounds: options.rounds,
  })
  return { ...row, limit: 2500 }
}

/** The highest anonymous memory from start to the end of an answer, in a fresh process. */
async function memory(context: Context): Promise<Row> {
  const { lineUp, options } = context
  const shape = decoder7b(context)
  const folder = await lineUp.checkpoint(shape)
  const question = {
    promptTokens: tokensOf(context, 600),
    newTokens: tokensOf(context, 16),
    seed: 700,
  }
  const sample = () =>
    withFresh(context, async (worker) => {
      const { peakBytes } = await worker.watchMemory(async () => {
        await worker.ask('load', {
          folder,
          options: { precision: 'int8', prefixCache: false, threads: options.threads },
        })
        await worker.ask('answer', question)
      })
      return peakBytes / 1e6
    })
  await sample() // Makes the quantised cache where it is not there yet.
  const ours: Measurement = { samples: [await sample(), await sample()] }
  const weights = weightBytes(shape, 'int8')
  const positions = question.promptTokens + question.newTokens
  const kv = 2 * 2 * kvWidth(shape) * shape.numLayers * positions
  return {
    name: 'memory',
    what: `peak RssAnon of int8, load and an answer, ${shape.name}`,
    unit: 'MB',
    ours,
    limit: (1.25 * weights + kv) / 1e6,
    notes: [
      `limit: 1.25 × ${(weights / 1e6).toFixed(0)} MB of weights + ${(kv / 1e6).toFixed(0)} MB of keys and values at 2 bytes`,
    ],
  }
}

/** A second start: the quantised cache is in the system's file cache. */
async function load(context: Context): Promise<Row> {
  const { lineUp, machine, options } = context
  const shape = decoder7b(context)
  const folder = await lineUp.checkpoint(shape)
  const ours: Contender = {
    label: 'llava-ts int8',
    sample: () =>
      withFresh(context, async (worker) => {
        const request = { folder, options: { precision: 'int8', threads: options.threads } }
        return (await worker.ask<{ ms: number }>('load', request)).ms
      }),
  }
  await ours.sample(0)
  const files = cacheFiles(join(folder, '.llava-ts'), 'int8')
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0)
  const reading: Contender = { label: 'reading the files once', sample: async () => readAll(files) }
  return contest({
    name: 'load',
    what: `loadModel of ${(bytes / 1e9).toFixed(2)} GB of quantised weights from a warm cache, ${shape.name}`,
    unit: 'ms',
    ours: [ours],
    groups: [{ contenders: [reading] }],
    rounds: options.rounds,
    floor: {
      value: (1000 * bytes) / machine.bandwidth,
      from: `${(bytes / 1e9).toFixed(2)} GB at ${(machine.bandwidth / 1e9).toFixed(1)} GB/s`,
    },
  })
}

/** The cache of one precision; others may lie beside it. */
function cacheFiles(folder: string, precision: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.startsWith(`${precision}-`))
    .map((name) => join(folder, name))
}

/** Milliseconds to read files from beginning to end into one buffer. */
function readAll(files: readonly string[]): number {
  const buffer = Buffer.alloc(1 << 26)
  const start = performance.now()
  for (const file of files) {
    const descriptor = openSync(file, 'r')
    while (readSync(descriptor, buffer) > 0);
    closeSync(descriptor)
  }
  return performance.now() - start
}

const TWELVE_MEGAPIXELS = { width: 4000, height: 3000 }

async function preprocess(context: Context): Promise<Row> {
  const { options } = context
  const path = await writePhoto(options.workFolder, TWELVE_MEGAPIXELS)
  const delays: number[] = []
  const row = await withFresh(context, (worker) =>
    contest({
      name: 'preprocess',
      what: '2 × 2 AnyRes tiles and base tile of a 12-megapixel JPEG, file to pixel values, off the main thread',
      unit: 'ms',
      ours: [
        {
          label: 'llava-ts',
          async sample() {
            await worker.ask('watchDelay')
            const { ms } = await worker.ask<{ ms: number }>('preprocess', { path })
            delays.push(await worker.ask<number>('delay'))
            return ms
          },
        },
      ],
      groups: [],
      rounds: options.rounds,
    }),
  )
  const note = `the main thread stood still for at most ${Math.max(...delays).toFixed(0)} ms`
  return { ...row, limit: 250, notes: [note] }
}

/** The longest stop of the event loop in a process that loads, looks at a photo, answers, and serves eight. */
async function eventLoop(context: Context): Promise<Row> {
  const { lineUp, options } = context
  const shape = decoder7b(context)
  const tower = sizedTower(context)
  const folder = await lineUp.checkpoint(shape, tower)
  const tokens = patchesOf(tower)
  const path = await writePhoto(options.workFolder, TWELVE_MEGAPIXELS)
  const longest = new Map<string, number>()
  await withFresh(context, async (worker) => {
    const watch = async (what: string, operation: string, request: object) => {
      await worker.ask('watchDelay')
      await worker.ask(operation, request)
      longest.set(what, Math.max(longest.get(what) ?? 0, await worker.ask<number>('delay')))
    }
    await watch('load', 'load', {
      folder,
      options: { precision: 'int8', threads: options.threads },
    })
    for (let round = 0; round < options.rounds; round++) {
      const words = { newTokens: tokensOf(context, 16), seed: 800 + round }
      await watch('answer about a photo', 'answer', {
        ...words,
        promptTokens: tokens + 24,
        picture: { path, tokens },
      })
      await watch('eight streams', 'batch', {
        ...words,
        streams: 8,
        promptTokens: tokensOf(context, 64),
      })
    }
  })
  return {
    name: 'event-loop',
    what: `the longest stop of the event loop, int8, ${shape.name}`,
    unit: 'ms',
    ours: { samples: [Math.max(...longest.values())] },
    limit: 50,
    notes: [...longest].map(([what, ms]) => `${what}: ${ms.toFixed(0)} ms`),
  }
}

async function withFresh<T>(
  { lineUp }: Context,
  use: (worker: WorkerProcess) => Promise<T>,
): Promise<T> {
  const worker = lineUp.freshOurs()
  try {
    return await use(worker)
  } finally {
    await worker.close()
  }
}
