/** A recipe's records, inspected, and the steps that they make. */
import { Rng } from '../core/rng.ts'
import { openDataset, type Dataset } from '../data/dataset.ts'
import type { PreferencePair, Sample } from './sample.ts'
import type { MicroBatch } from './objective.ts'
import { checkQuarantine, inspectRecords, type Inspection } from './inspect-records.ts'
import type { RecordPreparer } from './prepare-record.ts'
import { planEpoch, type SampleLength, type Step } from './recipe/batches.ts'
import type { Recipe, RecipeData } from './recipe/recipe.ts'
import type { TrainEvent } from './run-events.ts'

export type DataTools = {
  readonly recipe: Recipe
  readonly preparer: RecordPreparer
  readonly onEvent: (event: TrainEvent) => void
  readonly signal: AbortSignal | undefined
  readonly memory: InspectionMemory
}

/** Inspections that earlier starts wrote, by what they looked at. */
export type InspectionMemory = {
  remembered(key: string): Promise<Inspection | null>
  remember(key: string, inspection: Inspection): Promise<void>
}

export type LoadedStep = {
  readonly microBatches: readonly MicroBatch[]
  /** The records of each micro-batch, as messages call them. */
  readonly where: readonly (readonly string[])[]
  readonly positions: number
  readonly samples: number
}

export type RunData = {
  readonly inspection: Inspection
  readonly sha256: string
  readonly stepsPerEpoch: number
  readonly load: (step: number) => Promise<LoadedStep>
  readonly close: () => Promise<void>
}

/** Throws ConfigError CONFIG_QUARANTINE where too many records cannot be learnt from. */
export async function openRunData(tools: DataTools): Promise<RunData> {
  const { recipe } = tools
  const dataset = await open(recipe.data, tools)
  try {
    const inspection = await inspect(dataset, tools)
    checkQuarantine(inspection, recipe.quarantine.threshold)
    const usable = inspection.lengths.flatMap((length, i) => (length ? [i] : []))
    const lengths = usable.map((i) => inspection.lengths[i] as SampleLength)
    const planOf = epochPlans(recipe, lengths)
    const stepsPerEpoch = planOf(0).length
    return {
      inspection,
      sha256: dataset.sha256,
      stepsPerEpoch,
      load: (step) => {
        const plan = planOf(Math.floor(step / stepsPerEpoch))
        const records = (plan[step % stepsPerEpoch] as Step).map((samples) =>
          samples.map((i) => usable[i] as number),
        )
        return loadStep(records, dataset, tools)
      },
      close: () => dataset.close(),
    }
  } catch (error) {
    await dataset.close()
    throw error
  }
}

/** The first records of a held-out set, ready to be evaluated. */
export async function openHeldOut(
  data: RecipeData,
  records: number | undefined,
  tools: DataTools,
): Promise<{ readonly dataset: Dataset; readonly usable: readonly number[] }> {
  const dataset = await open(data, tools)
  const whole = await inspect(dataset, tools, records)
  checkQuarantine(whole, tools.recipe.quarantine.threshold)
  return { dataset, usable: whole.lengths.flatMap((length, i) => (length ? [i] : [])) }
}

function open(
  { spec, imageFolder, videoFolder }: RecipeData,
  { recipe, onEvent, signal }: DataTools,
): Promise<Dataset> {
  return openDataset(spec, {
    imageFolder,
    videoFolder,
    seed: recipe.seed,
    signal,
    onProgress: (state) => onEvent({ kind: 'progress', ...state }),
  })
}

async function inspect(
  dataset: Dataset,
  tools: DataTools,
  records = dataset.length,
): Promise<Inspection> {
  const { recipe, onEvent, signal, memory } = tools
  const { model, conversation, maxLength, quarantine, stage } = recipe
  const count = Math.min(records, dataset.length)
  const settings = [model, conversation, maxLength ?? null, quarantine.pictures, stage, count]
  const key = JSON.stringify([dataset.sha256, ...settings])
  const known = await memory.remembered(key)
  if (known) return known
  const inspection = await inspectRecords({
    count,
    whereOf: (index) => dataset.whereOf(index),
    measure: (index) => measure(dataset, index, tools),
    onProgress: (done, total) =>
      onEvent({ kind: 'progress', stage: 'check', done, total, item: '' }),
    signal,
  })
  await memory.remember(key, inspection)
  return inspection
}

async function measure(
  dataset: Dataset,
  index: number,
  { recipe, preparer }: DataTools,
): Promise<SampleLength> {
  const pictures = recipe.quarantine.pictures
  if (recipe.stage === 'dpo') {
    const record = await dataset.readPreference(index)
    const { chosen, rejected } = await preparer.pair(record, { pictures })
    const text = `${record.prompt} ${record.chosen}`
    const tokens = chosen.inputIds.length + rejected.inputIds.length
    return { words: wordsOf(text), tokens, hasMedia: hasMedia(record) }
  }
  const record = await dataset.read(index)
  const { inputIds } = await preparer.sample(record, { pictures })
  const words = record.turns.reduce((sum, { value }) => sum + wordsOf(value), 0)
  return { words, tokens: inputIds.length, hasMedia: hasMedia(record) }
}

/** As Python's `len(text.split())`. */
function wordsOf(text: string): number {
  return text.match(/\S+/g)?.length ?? 0
}

function hasMedia({ images, videos }: { images: readonly unknown[]; videos: readonly unknown[] }) {
  return images.length > 0 || videos.length > 0
}

/** The plan of an epoch by its number; the last one asked for is kept. */
function epochPlans(recipe: Recipe, lengths: readonly SampleLength[]): (epoch: number) => Step[] {
  const { batching, batchSize, accumulation, seed } = recipe
  const longest = lengths.reduce((most, { tokens }) => Math.max(most, tokens), 1)
  const options = { batching, batchSize, accumulation, rowTokens: recipe.maxLength ?? longest }
  let kept: { epoch: number; plan: Step[] } | null = null
  return (epoch) => {
    if (kept?.epoch !== epoch) {
      kept = { epoch, plan: planEpoch(lengths, options, new Rng(mixSeeds(seed, epoch))) }
    }
    return kept.plan
  }
}

/** Another stream of numbers for each epoch, and none that the trainer's seed gives. */
function mixSeeds(seed: number, epoch: number): number {
  return (Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(epoch + 1, 0x85ebca6b)) | 0
}

async function loadStep(
  records: readonly (readonly number[])[],
  dataset: Dataset,
  { recipe, preparer }: DataTools,
): Promise<LoadedStep> {
  const load = (index: number): Promise<Sample | PreferencePair> =>
    recipe.stage === 'dpo'
      ? dataset.readPreference(index).then((record) => preparer.pair(record))
      : dataset.read(index).then((record) => preparer.sample(record))
  const microBatches = await Promise.all(
    records.map((samples) => Promise.all(samples.map(load)) as Promise<MicroBatch>),
  )
  const positions = microBatches.flat().reduce((sum, one) => sum + positionsOf(one), 0)
  return {
    microBatches,
    where: records.map((samples) => samples.map((index) => dataset.whereOf(index))),
    positions,
    samples: records.reduce((sum, samples) => sum + samples.length, 0),
  }
}

function positionsOf(one: Sample | PreferencePair): number {
  if ('inputIds' in one) return one.inputIds.length
  return one.chosen.inputIds.length + one.rejected.inputIds.length
}
