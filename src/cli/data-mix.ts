/** `llava data mix`: a part of a data set, by ratio and seed. */
import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import {
  checkPicture,
  faultReasonOf,
  mixIndices,
  Quarantine,
  writeRecords,
  type AnyRecord,
  type Dataset,
} from '../data/index.ts'
import { DATA_OPTIONS, type DataAction } from './data-action.ts'
import { formatBytes, formatTable } from './format.ts'
import { openData, seedOf } from './open-data.ts'
import { Progress } from './progress.ts'
import { thresholdOf, THRESHOLD_OPTION } from './data-threshold.ts'
import { UsageError } from './usage-error.ts'
import type { Session } from './verb.ts'

export const dataMix: DataAction = {
  name: 'mix',
  place: '<data>',
  about: 'a part of it, inside every larger part with that seed',
  options: [
    { name: 'ratio', kind: 'number', value: 'part', about: 'Which part: above 0, at most 1' },
    { name: 'out', kind: 'text', value: 'file', about: 'The new .json or .jsonl file to write' },
    THRESHOLD_OPTION,
    ...DATA_OPTIONS,
  ],
  examples: ['data mix llava_v1_5_mix665k.json --ratio 0.5 --seed 0 --out half.json'],
  async run(args, session) {
    const [ratio, out] = [args.number('ratio'), args.text('out')]
    if (ratio === undefined || !(ratio > 0 && ratio <= 1)) {
      throw new UsageError(
        `llava data mix needs --ratio above 0 and at most 1${ratio === undefined ? '' : `; ${ratio} came`}.`,
      )
    }
    if (out === undefined || !/\.jsonl?$/i.test(out)) {
      throw new UsageError('llava data mix needs --out, a .json or .jsonl file.')
    }
    if (existsSync(out)) {
      throw new UsageError(`--out ${out} is there already; choose another.`)
    }
    const threshold = thresholdOf(args)
    const progress = new Progress(session.terminal)
    try {
      await using dataset = await openData(args, session, progress)
      const indices = mixIndices(dataset.length, ratio, seedOf(args))
      const quarantine = new Quarantine()
      const records = readAll(dataset, indices, { quarantine, threshold, progress })
      const written = await writeRecords(out, records, { signal: session.signal })
      progress.end()
      const { size } = await stat(out)
      report(
        { dataset, indices, out, ratio, seed: seedOf(args), written, quarantine, size },
        session,
      )
    } finally {
      progress.end()
    }
  },
}

/** The records in order; rows that are none are counted, and too many of them stop the writing. */
async function* readAll(
  dataset: Dataset,
  indices: Int32Array,
  {
    quarantine,
    threshold,
    progress,
  }: { readonly quarantine: Quarantine; readonly threshold: number; readonly progress: Progress },
): AsyncGenerator<AnyRecord> {
  for (const [done, index] of indices.entries()) {
    const record = await readWhole(dataset, index).catch((error: Error) => {
      const reason = faultReasonOf(error)
      if (reason === null) throw error
      quarantine.add({ where: dataset.whereOf(index), reason, message: error.message })
      return null
    })
    if (record) yield record
    progress.update({ stage: 'mix', done: done + 1, total: indices.length, item: '' })
  }
  quarantine.check(indices.length, threshold)
}

/** Pictures inside the file become files, so they must be some. */
async function readWhole(dataset: Dataset, index: number): Promise<AnyRecord> {
  const record = await dataset.readEither(index)
  const inside = record.images.filter((image) => typeof image !== 'string')
  await Promise.all(inside.map((image) => checkPicture(image, 'header')))
  return record
}

type Mixed = {
  readonly dataset: Dataset
  readonly indices: Int32Array
  readonly out: string
  readonly ratio: number
  readonly seed: number
  readonly written: number
  readonly quarantine: Quarantine
  readonly size: number
}

function report(mixed: Mixed, { terminal }: Session): void {
  const { dataset, indices, out, ratio, seed, written, quarantine, size } = mixed
  const sources = dataset.sources.map(({ name, start, length, weight }) => ({
    name,
    records: length,
    weight,
    taken: indices.filter((index) => index >= start && index < start + length).length,
  }))
  if (terminal.isJson) {
    const reasons = Object.fromEntries(quarantine.counts)
    const { records } = quarantine
    return terminal.json({
      file: out,
      bytes: size,
      ratio,
      seed,
      records: dataset.length,
      written,
      sources,
      quarantine: { count: quarantine.size, reasons, records },
    })
  }
  terminal.print(`${out}: ${written} of ${dataset.length} records, ${formatBytes(size)}`)
  const rows = sources.map((source) => [
    source.name,
    source.taken,
    `of ${source.records}`,
    `${((100 * source.taken) / source.records).toFixed(1)} %`,
  ])
  for (const line of formatTable(rows)) terminal.print(`  ${line}`)
  const weighted = sources.filter(({ weight }) => weight !== null)
  if (weighted.length > 0) {
    const weights = weighted.map(({ name, weight }) => `${name} ${weight}`).join(', ')
    terminal.print(
      `  a file of records has no weights: each of these is learnt once an epoch, those of the mixture (${weights}) are not in it`,
    )
  }
  if (quarantine.size === 0) return
  terminal.print(
    `  left out: ${[...quarantine.counts].map(([reason, n]) => `${n} ${reason}`).join(', ')}`,
  )
}
