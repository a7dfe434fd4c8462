/** A recipe's records, looked at before the first step, and the steps that they make. */
import { BatchSchedule, type CursorState } from '../data/batch-schedule.ts'
import { checkRecord } from '../data/check-record.ts'
import { openDataset, type Dataset, type DataSource } from '../data/dataset.ts'
import { Quarantine } from '../data/quarantine.ts'
import { surveyRecords, type Survey } from '../data/survey.ts'
import { usableRecords } from '../data/usable-records.ts'
import type { MicroBatch } from './objective.ts'
import type { RecordPreparer } from './prepare-record.ts'
import type { Recipe, RecipeData } from './recipe/recipe.ts'
import type { TrainEvent } from './run-events.ts'
import type { PreferencePair, Sample } from './sample.ts'

export type DataTools = {
  readonly recipe: Recipe
  readonly preparer: RecordPreparer
  readonly onEvent: (event: TrainEvent) => void
  readonly signal: AbortSignal | undefined
  readonly memory: SurveyMemory
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
  const { recipe, preparer, onEvent, signal, memory } = tools
  const { model, conversation, maxLength, frames, fps, quarantine: how, stage } = recipe
  const settings = { model, conversation, maxLength, frames, fps, pictures: how.pictures, stage }
  const key = JSON.stringify([dataset.sha256, count, settings])
  const known = await memory.remembered(key)
  if (known) {
    const quarantine = new Quarantine()
    for (const record of known.quarantined) quarantine.add(record)
    return { facts: known.facts, quarantine }
  }
  const survey = await surveyRecords({
    count,
    whereOf: (index) => dataset.whereOf(index),
    check: (index) =>
      checkRecord(dataset, index, {
        kind: stage === 'dpo' ? 'preference' : 'conversation',
        pictures: how.pictures,
        tokens: (record, sizes) => preparer.count(record, sizes),
      }),
    onProgress: (state) => onEvent({ kind: 'progress', ...state }),
    signal,
  })
  await memory.remember(key, { facts: survey.facts, quarantined: survey.quarantine.records })
  return survey
}

async function loadStep(
  records: readonly (readonly number[])[],
  dataset: Dataset,
  { recipe, preparer }: DataTools,
): Promise<LoadedStep> {
  const microBatches = await Promise.all(
    records.map((batch) => loadSamples(batch, dataset, { recipe, preparer })),
  )
  const positions = microBatches.flat().reduce((sum, one) => sum + positionsOf(one), 0)
  return {
    microBatches,
    where: records.map((batch) => batch.map((index) => dataset.whereOf(index))),
    positions,
    samples: records.reduce((sum, batch) => sum + batch.length, 0),
  }
}

/** Records, by their numbers, as a micro-batch. */
export function loadSamples(
  records: readonly number[],
  dataset: Dataset,
  { recipe, preparer }: Pick<DataTools, 'recipe' | 'preparer'>,
): Promise<MicroBatch> {
  const load = async (index: number) =>
    recipe.stage === 'dpo'
      ? preparer.pair(await dataset.readPreference(index))
      : preparer.sample(await dataset.read(index))
  return Promise.all(records.map(load)) as Promise<MicroBatch>
}

function positionsOf(one: Sample | PreferencePair): number {
  if ('inputIds' in one) return one.inputIds.length
  return one.chosen.inputIds.length + one.rejected.inputIds.length
}
