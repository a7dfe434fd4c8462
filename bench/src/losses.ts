/**
 * `npm run bench:loss`: the fast mode's loss curve beside float32's, and beside how far float32's own curves lie apart when
 * nothing but the seed is another.
 *
 * Without a recipe: a small decoder of random weights learns the sequences of a random grammar, the same for all runs; a
 * seed draws the records and their order. With `--recipe FILE` the recipe is run as it is, with each seed in each arithmetic.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Rng } from '../../src/core/rng.ts'
import {
  createTrainer,
  readRecipe,
  setValue,
  train,
  type Sample,
  type TrainEvent,
} from '../../src/train/index.ts'
import { comparison, formatComparison, type Curves } from './loss-curves.ts'
import { writeCheckpoint } from './models/write-checkpoint.ts'
import { SMOLLM2 } from './models/shapes.ts'
import { FIRST_WORD } from './models/tokenizer.ts'
import { otherWork } from './machine.ts'

const SMALL = {
  ...SMOLLM2,
  name: 'losses-192',
  hiddenSize: 192,
  intermediateSize: 512,
  numLayers: 6,
  numHeads: 3,
  numKvHeads: 1,
  vocabSize: 512,
}
const ROWS = 8
const LENGTH = 64

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '300' },
    seeds: { type: 'string', default: '5' },
    recipe: { type: 'string' },
    set: { type: 'string', multiple: true, default: [] },
    work: { type: 'string', default: join(tmpdir(), 'llava-ts-bench') },
    json: { type: 'string' },
  },
})
const steps = Number(values.steps)
const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => i + 1)

const warning = otherWork()
if (warning !== null) console.log(warning)
const curves: Record<'f32' | 'int8', Curves> = { f32: [], int8: [] }
for (const seed of seeds) {
  for (const compute of ['f32', 'int8'] as const) {
    const losses = values.recipe
      ? await byRecipe(values.recipe, { seed, compute })
      : await byGrammar({ seed, compute })
    curves[compute].push(losses)
    const last = losses.slice(-20).reduce((a, b) => a + b, 0) / Math.min(20, losses.length)
    console.log(`seed ${seed}, ${compute}: loss ${last.toFixed(4)} over the last 20 steps`)
  }
}
const compared = comparison(curves.f32, curves.int8)
console.log(formatComparison(compared))
if (values.json !== undefined) {
  writeFileSync(values.json, JSON.stringify({ ...compared, curves, seeds, steps }, null, 1))
}

type Arm = { readonly seed: number; readonly compute: 'f32' | 'int8' }

/** Losses of the steps of one run. */
async function byRecipe(file: string, { seed, compute }: Arm): Promise<number[]> {
  const output = mkdtempSync(join(tmpdir(), 'llava-losses-'))
  try {
    const changes = [...values.set, `compute=${compute}`, `seed=${seed}`, `steps=${steps}`]
    const recipe = changes.reduce<unknown>(setValue, await readRecipe(file))
    const losses: number[] = []
    const onEvent = (event: TrainEvent) => {
      if (event.kind === 'step') losses.push(event.loss)
    }
    await train({ ...(recipe as object), output: join(output, 'run') }, { onEvent })
    return losses
  } finally {
    rmSync(output, { recursive: true })
  }
}

async function byGrammar({ seed, compute }: Arm): Promise<number[]> {
  const folder = await writeCheckpoint(values.work, SMALL)
  await using trainer = await createTrainer(folder, {
    trainable: ['decoder'],
    learningRate: 1e-3,
    compute,
    schedule: { kind: 'cosine', warmupRatio: 0.03, totalSteps: steps },
  })
  const rng = new Rng(seed)
  const losses: number[] = []
  for (let step = 0; step < steps; step++) {
    const rows = Array.from({ length: ROWS }, () => sentence(rng))
    losses.push((await trainer.step([rows])).loss)
  }
  return losses
}

/** Each pair of words goes on in one of four ways, of which one is as likely as the others together. */
function sentence(rng: Rng): Sample {
  const words = SMALL.vocabSize - FIRST_WORD - 1
  const ids = [0, 1].map(() => Math.floor(rng.uniform() * words))
  while (ids.length < LENGTH) {
    const pair = (ids.at(-2) as number) * words + (ids.at(-1) as number)
    const way = rng.uniform() < 0.5 ? 0 : 1 + Math.floor(rng.uniform() * 3)
    ids.push((Math.imul((pair % 8191) + 1, 2654435761 + 97 * way) >>> 8) % words)
  }
  const inputIds = ids.map((id) => id + FIRST_WORD)
  return { inputIds, labels: inputIds }
}
