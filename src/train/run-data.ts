/** A recipe's records, looked at before the first step, and the steps that they make. */
import { BatchSchedule, type CursorState } from '../data/batch-schedule.ts'
import { hasChangedMedia } from '../data/changed-media.ts'
import { checkPicture } from '../data/check-picture.ts'
import {
  checkRecord,
  type AnyRecord,
  type RecordFacts,
  type RecordRules,
} from '../data/check-record.ts'
import { openDataset, type Dataset, type DataSource } from '../data/dataset.ts'
import { Quarantine } from '../data/quarantine.ts'
import { surveyRecords, type Survey } from '../data/survey.ts'
import { usableRecords } from '../data/usable-records.ts'
import type { MicroBatch } from './objective.ts'
import { LazyPixels } from './lazy-pixels.ts'
import { loadFault } from './load-fault.ts'
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
  /** The records for which a run does not begin. */
  stopped(records: Quarantine['records']): Promise<void>
}

/** As JSON. */
export type StoredSurvey = {
  /** When the look began. */
  readonly atMs: number
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
    const looked = { data, dataset, count: Math.min(records, dataset.length) }
    const survey = await surveyed(looked, tools)
    try {
      survey.quarantine.check(survey.facts.length, recipe.quarantine.threshold)
    } catch (error) {
      await tools.memory.stopped(survey.quarantine.records)
      throw error
    }
    return { dataset, survey }
  } catch (error) {
    await dataset.close()
    throw error
  }
}

/** The first `count` records of `dataset`, which `data` names: the same rows elsewhere have other pictures. */
type Looked = { readonly data: RecipeData; readonly dataset: Dataset; readonly count: number }

async function surveyed({ data, dataset, count }: Looked, tools: DataTools): Promise<Survey> {
  const { recipe, memory, isResumed } = tools
  const { model, conversation, maxLength, frames, fps, forceSample, stage } = recipe
  const clips = { frames, fps, forceSample }
  const { pictures } = recipe.quarantine
  const settings = { model, conversation, maxLength, ...clips, pictures, stage }
  const key = JSON.stringify([dataset.sha256, data, count, settings])
  const known = await memory.remembered(key)
  if (known && isResumed) return restored(known)
  const facts = known
    ? [...known.facts]
    : Array.from({ length: count }, (): RecordFacts | null => null)
  const atMs = Date.now()
  const open = await changedRecords(facts, dataset, { tools, sinceMs: known?.atMs ?? 0 })
  const survey = await lookAt(open, dataset, tools)
  open.forEach((index, i) => (facts[index] = survey.facts[i] ?? null))
  const { quarantine } = survey
  await memory.remember(key, { atMs, facts, quarantined: quarantine.records })
  return { facts, quarantine }
}

/** Records that were broken and may have been mended since, and those whose files are no longer the ones that were looked at. */
async function changedRecords(
  facts: readonly (RecordFacts | null)[],
  dataset: Dataset,
  { tools, sinceMs }: { readonly tools: DataTools; readonly sinceMs: number },
): Promise<number[]> {
  const read = (index: number) =>
    tools.recipe.stage === 'dpo' ? dataset.readPreference(index) : dataset.read(index)
  const changed: number[] = []
  for (const [index, one] of facts.entries()) {
    tools.signal?.throwIfAborted()
    if (one === null || (await hasChangedMedia(await read(index), sinceMs))) changed.push(index)
  }
  return changed
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

/** Records, by their numbers, as a micro-batch. Throws InputError that names the record and the file, then or when pixels are loaded. */
export function loadSamples(
  records: readonly number[],
  dataset: Dataset,
  loading: Loading,
): Promise<MicroBatch> {
  return Promise.all(
    records.map((index) => loadSample(index, dataset, loading)),
  ) as Promise<MicroBatch>
}

async function loadSample(
  index: number,
  dataset: Dataset,
  { recipe, preparer, isLazy = false }: Loading,
): Promise<Sample | PreferencePair> {
  const isPair = recipe.stage === 'dpo'
  const record = await (isPair ? dataset.readPreference(index) : dataset.read(index))
  const explain = (error: unknown) =>
    loadFault(error, record, {
      where: dataset.whereOf(index),
      pictures: recipe.quarantine.pictures,
    })
  try {
    const one = await prepared(record, preparer, isLazy)
    for (const pixels of lazyPixelsOf(one)) pixels.explainedBy(explain)
    return one
  } catch (error) {
    throw await explain(error)
  }
}

function prepared(
  record: AnyRecord,
  preparer: RecordPreparer,
  isLazy: boolean,
): Promise<Sample | PreferencePair> {
  if ('turns' in record)
    return isLazy ? preparer.lazySample(record, headerSizes) : preparer.sample(record)
  return isLazy ? preparer.lazyPair(record, headerSizes) : preparer.pair(record)
}

const headerSizes: SizesOf = (pictures) =>
  Promise.all(pictures.map((picture) => checkPicture(picture, 'header')))

function beginSample(one: Sample | PreferencePair): void {
  // Whoever needs it hears of its failure.
  for (const pixels of lazyPixelsOf(one)) pixels.load().catch(() => {})
}

function lazyPixelsOf(one: Sample | PreferencePair): LazyPixels[] {
  const { pixelValues, videos = [] } = 'inputIds' in one ? one : one.chosen
  return [pixelValues, ...videos].filter((pixels) => pixels instanceof LazyPixels)
}

function positionsOf(one: Sample | PreferencePair): number {
  if ('inputIds' in one) return one.inputIds.length
  return one.chosen.inputIds.length + one.rejected.inputIds.length
}
