/**
 * `npm run bench:batches`: what grouping and packing are worth on a recipe's records, beside batches in a random order that
 * are padded to their longest sample, as most trainers make them.
 *
 * Ours pads nothing: samples of a micro-batch follow one another in one row. The naive arm is given its padding as tokens
 * that nobody learns, and all arms are run in alternating rounds by one trainer. Rates count true positions alone.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Batching } from '../../src/data/plan-epoch.ts'
import {
  createTrainer,
  parseRecipe,
  readRecipe,
  setValue,
  type MicroBatch,
  type Recipe,
  type Sample,
} from '../../src/train/index.ts'
import { openPreparer } from '../../src/train/open-preparer.ts'
import { trainerOptions } from '../../src/train/recipe/trainer-options.ts'
import {
  openRunData,
  type RunData,
  type StoredSurvey,
  type SurveyMemory,
} from '../../src/train/run-data.ts'
import { otherWork } from './machine.ts'
import { alternate, median, ratio, type Contender, type Measurement } from './rounds.ts'

const { values } = parseArgs({
  options: {
    recipe: { type: 'string', default: 'recipes/mini/instruction.yaml' },
    set: { type: 'string', multiple: true, default: [] },
    steps: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '5' },
    /** Steps whose padding is counted. */
    counted: { type: 'string', default: '20' },
    json: { type: 'string' },
  },
})

type Arm = { readonly name: string; readonly batching: Batching; readonly isPadded: boolean }

const ARMS: readonly Arm[] = [
  { name: 'naive: random order, padded', batching: 'mixed', isPadded: true },
  { name: 'grouped by length, padded', batching: 'grouped', isPadded: true },
  { name: 'random order, one row', batching: 'mixed', isPadded: false },
  { name: 'grouped by length, one row', batching: 'grouped', isPadded: false },
  { name: 'packed rows', batching: 'packed', isPadded: false },
]

const warning = otherWork()
if (warning !== null) console.log(warning)
const written = values.set.reduce<unknown>(setValue, await readRecipe(values.recipe))
const recipe = parseRecipe(written)
const { preparer, dispose } = await openPreparer(recipe)
const trainer = await createTrainer(
  recipe.model.from,
  trainerOptions(recipe, { totalSteps: 10_000, resume: null }),
)
// Every arm learns the same records: they are looked at once.
const surveys = new Map<string, StoredSurvey>()
const memory: SurveyMemory = {
  remembered: async (key) => surveys.get(key) ?? null,
  remember: async (key, survey) => void surveys.set(key, survey),
  stopped: async () => {},
}
try {
  const opened = []
  for (const arm of ARMS) {
    const data = await openRunData({
      recipe: { ...recipe, batching: arm.batching, ...packedLength(arm, recipe) },
      preparer,
      onEvent: () => {},
      signal: undefined,
      memory,
      // What one arm looked at the next ones remember.
      isResumed: true,
    })
    opened.push({ arm, data })
  }
  const contenders = opened.map(({ arm, data }) => contender(arm, data))
  for (const { sample } of contenders) await sample(0)
  const measured = await alternate(contenders, Number(values.rounds))
  const [naive] = ARMS as readonly [Arm, ...Arm[]]
  const results = []
  for (const { arm, data } of opened) {
    const [own, first] = [arm, naive].map(({ name }) => measured.get(name) as Measurement) as [
      Measurement,
      Measurement,
    ]
    const gain = ratio(first, own)
    const shares = await paddedShare(arm, data)
    const perSecond = 1000 / median(own)
    results.push({ name: arm.name, tokensPerSecond: perSecond, gain: median(gain), ...shares })
    console.log(
      `${arm.name.padEnd(30)} ${perSecond.toFixed(0).padStart(6)} tokens/s  ${median(gain).toFixed(2)} × naive  padded ${(100 * shares.padded).toFixed(1)} %  ${shares.rows.toFixed(1)} rows a step`,
    )
  }
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ warning, results }))
  for (const { data } of opened) await data.close()
} finally {
  await trainer.dispose()
  await dispose()
}

/** Rows as long as the longest micro-batch of the recipe would be, so that a step holds as much. */
function packedLength({ batching }: Arm, { maxLength }: Recipe): Partial<Recipe> {
  return batching === 'packed' && maxLength === undefined ? { maxLength: 2048 } : {}
}

/** Milliseconds of a true position. */
function contender(arm: Arm, data: RunData): Contender {
  const count = Number(values.steps)
  return {
    label: arm.name,
    async sample(round) {
      let [ms, positions] = [0, 0]
      for (let i = 0; i < count; i++) {
        const step = (round * count + i) % data.stepsPerEpoch
        const loaded = await data.load(step)
        const microBatches = arm.isPadded ? loaded.microBatches.map(padded) : loaded.microBatches
        const began = performance.now()
        await trainer.step(microBatches)
        ms += performance.now() - began
        positions += loaded.positions
      }
      return ms / positions
    },
  }
}

/** Every sample as long as the longest of its micro-batch. */
function padded(batch: MicroBatch): MicroBatch {
  const samples = batch as readonly Sample[]
  const longest = Math.max(...samples.map(({ inputIds }) => inputIds.length))
  return samples.map((sample) => {
    const missing = longest - sample.inputIds.length
    const filled = (list: ArrayLike<number>, value: number) => [
      ...Array.from(list),
      ...Array.from({ length: missing }, () => value),
    ]
    return { ...sample, inputIds: filled(sample.inputIds, 0), labels: filled(sample.labels, -100) }
  })
}

async function paddedShare(
  { isPadded }: Arm,
  data: RunData,
): Promise<{ readonly padded: number; readonly rows: number }> {
  const steps = Math.min(Number(values.counted), data.stepsPerEpoch)
  let [positions, all, rows] = [0, 0, 0]
  for (let step = 0; step < steps; step++) {
    const loaded = await data.load(step)
    const batches = isPadded ? loaded.microBatches.map(padded) : loaded.microBatches
    positions += loaded.positions
    rows += batches.length
    for (const sample of batches.flat()) all += (sample as Sample).inputIds.length
  }
  return { padded: 1 - positions / all, rows: rows / steps }
}
