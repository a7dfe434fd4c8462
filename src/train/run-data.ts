/** A recipe's records, looked at before the first step, and the steps that they make. */
import { BatchSchedule, type CursorState } from '../data/batch-schedule.ts'
import { checkPicture } from '../data/check-picture.ts'
import { checkRecord, type RecordFacts, type RecordRules } from '../data/check-record.ts'
import { openDataset, type Dataset, type DataSource } from '../data/dataset.ts'
import { Quarantine } from '../data/quarantine.ts'
import { surveyRecords, type Survey } from '../data/survey.ts'
import { usableRecords } from '../data/usable-records.ts'
import type { MicroBatch } from './objective.ts'
import { LazyPixels } from './lazy-pixels.ts'
import type { RecordPreparer, SizesOf } from './prepare-record.ts'
import type { Recipe, RecipeData } from './recipe/recipe.ts'
import type { TrainEvent } from './run-events.ts'
import type { PreferencePair, Sample } from './sample.ts'

export type DataTools = {
  readonly recipe: Recipe
  readonly preparer: RecordPreparer
  readonly onEvent: (event: TrainEvent) => void
  readonly signal: AbortSignal | undefined
  readonly memory: SurveyMemory
  /** Whether the run goes on from a checkpoint: then the records must be those of before. */
  readonly isResumed: boolean
}

/** Surveys that earlier starts wrote, by what they looked at. */
export type SurveyMemory = {
  remembered(key: string): Promise<StoredSurvey | null>
  remember(key: string, survey: StoredSurvey): Promise<void>
}

/** As JSON. */
export type StoredSurvey = {
  readonly facts: Survey['facts']
  readonly quarantined: Quarantine['records']
}

export type LoadedStep = {
  readonly microBatches: readonly MicroBatch[]
  /** The records of each micro-batch, as messages call them. */
  readonly where: readonly (readonly string[])[]
  readonly positions: number
  readonly samples: number
}

/** Where the data stand, for a checkpoint. */
export type DataCursor = { readonly records: string; readonly batches: CursorState['sha256'] }

export type RunData = {
  readonly records: number
  /** What they lie in, for the model card. */
  readonly sources: readonly Pick<DataSource, 'name' | 'length' | 'weight'>[]
  readonly quarantine: Quarantine
  /** What a resumed run must find again. */
  readonly cursor: DataCursor
  readonly stepsPerEpoch: number
  /** Of the run, counted from 0. */
  readonly load: (step: number) => Promise<LoadedStep>
  readonly close: () => Promise<void>
}

/** Throws ConfigError CONFIG_QUARANTINE where too many records cannot be learnt from. */
export async function openRunData(tools: DataTools): Promise<RunData> {
  const { dataset, survey } = await openSurveyed(tools.recipe.data, tools)
  const { indices, lengths, sources } = usableRecords(dataset, survey.facts)
  const { batching, batchSize, accumulation, seed, maxLength } = tools.recipe
  const longest = lengths.reduce((most, { tokens }) => Math.max(most, tokens), 1)
  const rowTokens = maxLength ?? longest
  const order = { batching, batchSize, accumulation, rowTokens, seed, lengths, sources }
  const schedule = new BatchSchedule(order)
  const { stepsPerEpoch, state } = schedule
  return {
    records: survey.facts.length,
    sources: dataset.sources,
    quarantine: survey.quarantine,
    cursor: { records: dataset.sha256, batches: state.sha256 },
    stepsPerEpoch,
    load(step) {
      const samples = schedule.at(Math.floor(step / stepsPerEpoch), step % stepsPerEpoch)
      const records = samples.map((batch) => batch.map((sample) => indices[sample] as number))
      return loadStep(records, dataset, tools)
    },
    close: () => dataset.close(),
  }
}

/** Opens a data set and looks at its first records, all unless said. */
export async function openSurveyed(
  data: RecipeData,
  tools: DataTools,
  records = Infinity,
): Promise<{ readonly dataset: Dataset; readonly survey: Survey }> {
  const { recipe, onEvent, signal } = tools
  const dataset = await openDataset(data.spec, {
    imageFolder: data.imageFolder,
    videoFolder: data.videoFolder,
    seed: recipe.seed,
    signal,
    onProgress: (state) => onEvent({ kind: 'progress', ...state }),
  })
  try {
    const survey = await surveyed(dataset, Math.min(records, dataset.length), tools)
    survey.quarantine.check(survey.facts.length, recipe.quarantine.threshold)
    return { dataset, survey }
  } catch (error) {
    await dataset.close()
    throw error
  }
}

async function surveyed(dataset: Dataset, count: number, tools: DataTools): Promise<Survey> {
  const { recipe, memory, isResumed } = tools
  const { model, conversation, maxLength, frames, fps, forceSample, stage } = recipe
  const clips = { frames, fps, forceSample }
  const { pictures } = recipe.quarantine
  const settings = { model, conversation, maxLength, ...clips, pictures, stage }
  const key = JSON.stringify([dataset.sha256, count, settings])
  const known = await memory.remembered(key)
  if (known && isResumed) return restored(known)
  const facts = known
    ? [...known.facts]
    : Array.from({ length: count }, (): RecordFacts | null => null)
  // Records that were broken may have been mended since.
  const open = facts.flatMap((one, index) => (one === null ? [index] : []))
  const survey = await lookAt(open, dataset, tools)
  open.forEach((index, i) => (facts[index] = survey.facts[i] ?? null))
  const { quarantine } = survey
  await memory.remember(key, { facts, quarantined: quarantine.records })
  return { facts, quarantine }
}

function restored({ facts, quarantined }: StoredSurvey): Survey {
  const quarantine = new Quarantine()
  for (const record of quarantined) quarantine.add(record)
  return { facts, quarantine }
}

/** Records, by their numbers. */
function lookAt(
  records: readonly number[],
  dataset: Dataset,
  { recipe, preparer, onEvent, signal }: DataTools,
): Promise<Survey> {
  const rules = {
    kind: recipe.stage === 'dpo' ? 'preference' : 'conversation',
    pictures: recipe.quarantine.pictures,
    tokens: (record, sizes) => preparer.count(record, sizes),
  } satisfies RecordRules
  return surveyRecords({
    count: records.length,
    whereOf: (i) => dataset.whereOf(records[i] as number),
    check: (i) => checkRecord(dataset, records[i] as number, rules),
    onProgress: (state) => onEvent({ kind: 'progress', ...state }),
    signal,
  })
}

async function loadStep(
  records: readonly (readonly number[])[],
  dataset: Dataset,
  { recipe, preparer }: DataTools,
): Promise<LoadedStep> {
  const microBatches = await Promise.all(
    records.map((batch) => loadSamples(batch, dataset, { recipe, preparer, isLazy: true })),
  )
  // The first micro-batch of a step would be waited for; the others come while one before them is learnt.
  for (const one of microBatches[0] ?? []) beginSample(one)
  const positions = microBatches.flat().reduce((sum, one) => sum + positionsOf(one), 0)
  return {
    microBatches,
    where: records.map((batch) => batch.map((index) => dataset.whereOf(index))),
    positions,
    samples: records.reduce((sum, batch) => sum + batch.length, 0),
  }
}

type Loading = Pick<DataTools, 'recipe' | 'preparer'> & {
  /** Pixels of records with many tiles are decoded when they are needed. */
  readonly isLazy?: boolean
}

/** Records, by their numbers, as a micro-batch. */
export function loadSamples(
  records: readonly number[],
  dataset: Dataset,
  { recipe, preparer, isLazy = false }: Loading,
): Promise<MicroBatch> {
  const pair = async (index: number) => {
    const record = await dataset.readPreference(index)
    return isLazy ? preparer.lazyPair(record, headerSizes) : preparer.pair(record)
  }
  const sample = async (index: number) => {
    const record = await dataset.read(index)
    return isLazy ? preparer.lazySample(record, headerSizes) : preparer.sample(record)
  }
  const load: (index: number) => Promise<Sample | PreferencePair> =
    recipe.stage === 'dpo' ? pair : sample
  return Promise.all(records.map((index) => load(index))) as Promise<MicroBatch>
}

const headerSizes: SizesOf = (pictures) =>
  Promise.all(pictures.map((picture) => checkPicture(picture, 'header')))

function beginSample(one: Sample | PreferencePair): void {
  const { pixelValues, videos = [] } = 'inputIds' in one ? one : one.chosen
  for (const pixels of [pixelValues, ...videos]) {
    // Whoever needs it hears of its failure.
    if (pixels instanceof LazyPixels) pixels.load().catch(() => {})
  }
}

function positionsOf(one: Sample | PreferencePair): number {
  if ('inputIds' in one) return one.inputIds.length
  return one.chosen.inputIds.length + one.rejected.inputIds.length
}
