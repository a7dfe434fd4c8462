/**
 * Every recipe of the family's papers: its numbers, and three steps of it on a tiny model of its kind, after which what it
 * trains has moved and nothing else has.
 */
import assert from 'node:assert/strict'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parse } from 'yaml'
import { toFloat32 } from '../../core/tensor.ts'
import { openParts } from '../../load-checkpoint.ts'
import { fitOf } from '../../preprocess/image-processor.ts'
import { openCheckpoint, openLoraAdapter } from '../../weights/index.ts'
import { blindRows, colourRows, type TinyRow } from '../../../test/tiny-run.ts'
import { firstOf } from '../../../test/thorough.ts'
import { dryRun, parseRecipe, train, type Recipe } from '../index.ts'
import type { ModelPart } from '../parameter-groups.ts'

type Expected = {
  /** A recorded checkpoint of the same kind. */
  readonly model: string
  readonly batch: number
  readonly epochs: number
  readonly warmup: number
  readonly kind?: 'linear'
  /** Rate of each part that is trained. */
  readonly rates: Readonly<Partial<Record<ModelPart | 'lora', number>>>
  readonly rows?: 'captions' | 'clips' | 'preferences'
  /** The tiny tokenizer's own, where it knows none of the recipe's tokens. */
  readonly conversation?: string
  /** Pictures are not cut, which takes less time; others of the kind show that cutting works. */
  readonly isUncut?: true
}

const RATES = { f32: 1e11, int8: 1e11 }
const LINEAR = 'llava-linear-224'
const MLP = 'llava-mlp'
const TILES = 'next-video-rope'
const instruction = { batch: 128, epochs: 1, warmup: 0.03 } as const
const both = { projector: 2e-5, decoder: 2e-5 } as const
const whole = { ...both, vision: 2e-6, imageNewline: 2e-5 } as const
const adapters = { projector: 2e-5, lora: 2e-4 } as const

/** The numbers of the papers and scripts that the recipes name; those first that no other resembles in model and parts. */
const RECIPES: Readonly<Record<string, Expected>> = {
  'llava-v1/alignment': {
    ...instruction,
    model: LINEAR,
    rates: { projector: 2e-3 },
    rows: 'captions',
  },
  'llava-v1.5/alignment': {
    ...instruction,
    model: MLP,
    batch: 256,
    rates: { projector: 1e-3 },
    rows: 'captions',
  },
  'llava-v1.5/instruction': { ...instruction, model: MLP, rates: both },
  'llava-v1.5-lora/instruction': { ...instruction, model: MLP, rates: adapters },
  'llava-v1.5-hd/instruction': {
    ...instruction,
    model: TILES,
    rates: { ...both, imageNewline: 2e-5 },
  },
  'next/instruction': { ...instruction, model: TILES, rates: whole },
  'next-llms/llama3-8b': {
    ...instruction,
    model: 'next-qwen',
    rates: whole,
    conversation: 'qwen_1_5',
    isUncut: true,
  },
  'next-video/instruction': {
    ...instruction,
    model: TILES,
    rates: whole,
    rows: 'clips',
    isUncut: true,
  },
  'next-video-dpo/preference': {
    model: TILES,
    isUncut: true,
    batch: 16,
    epochs: 3,
    warmup: 0.1,
    kind: 'linear',
    rates: { projector: 5e-7, decoder: 5e-7, vision: 5e-7, imageNewline: 5e-7 },
    rows: 'preferences',
  },
  'llava-v1/instruction': { ...instruction, model: LINEAR, batch: 32, epochs: 3, rates: both },
  'scienceqa/instruction': { ...instruction, model: LINEAR, batch: 32, epochs: 12, rates: both },
  'llava-v1.5-lora/task': { ...instruction, model: MLP, rates: adapters },
  'next/alignment': {
    ...instruction,
    model: TILES,
    batch: 256,
    rates: { projector: 1e-3 },
    rows: 'captions',
  },
  'next-llms/qwen-72b': {
    ...instruction,
    model: 'next-qwen',
    isUncut: true,
    rates: { projector: 1e-5, decoder: 1e-5, vision: 2e-6, imageNewline: 1e-5 },
  },
}

let root: string
let rows: TinyRow[]
before(() => {
  root = mkdtempSync(join(tmpdir(), 'llava-recipes-'))
  rows = colourRows(root, 1)
  mkdirSync(join(root, 'clip'))
  for (const name of ['red', 'green']) {
    copyFileSync(join(root, `${name}.ppm`), join(root, 'clip', `${name}.ppm`))
  }
})
after(() => rmSync(root, { recursive: true }))

/** Records of the kind that the recipe learns from. */
function recordsOf(kind: Expected['rows']): unknown[] {
  const answer = { from: 'gpt', value: 'red, then green.' }
  const clip = {
    id: 'c',
    video: 'clip',
    conversations: [{ from: 'human', value: '<video>\nWhat?' }, answer],
  }
  if (kind === 'captions') {
    return rows.map((row) => ({ ...row, conversations: row.conversations.slice(0, 2) }))
  }
  if (kind === 'clips') return [...rows, clip]
  if (kind === 'preferences') {
    const pair = { prompt: 'What?', chosen: 'red, green.', rejected: 'blue.' }
    return [
      { id: 'v', video: 'clip', ...pair },
      { id: 'i', image: 'red.ppm', ...pair },
    ]
  }
  return [...rows, ...blindRows(rows)]
}

function written(name: string): Record<string, unknown> {
  return parse(readFileSync(join('recipes', `${name}.yaml`), 'utf8')) as Record<string, unknown>
}

function partsOf({ model }: Record<string, unknown>): { readonly projector?: string } {
  return typeof model === 'string' ? {} : (model as { readonly projector?: string })
}

/** The recipe on a tiny model, with tiny data, for three steps. */
function tiny(
  name: string,
  { model, rows: kind, conversation, isUncut }: Expected,
): Record<string, unknown> {
  const recipe = written(name)
  const path = join(root, `${name.replace('/', '-')}.json`)
  writeFileSync(path, JSON.stringify(recordsOf(kind)))
  const { epochs: _, ...rest } = recipe
  const parts = partsOf(recipe)
  return {
    ...rest,
    model: {
      ...parts,
      from: join('fixtures', 'inference', model),
      base: undefined,
      projector: parts.projector === 'new' ? 'new' : undefined,
      ...(isUncut && { quirks: { tiles: 'one' } }),
    },
    data: { path, imageFolder: root },
    ...(conversation && { conversation }),
    steps: 3,
    // All of the records in every step.
    batchSize: 2,
    accumulation: 1,
    maxLength: 4096,
    output: join(root, name),
  }
}

test('each recipe is known here', () => {
  const found = readdirSync('recipes', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.yaml') && !name.startsWith('mini'))
    .map((name) => name.replaceAll('\\', '/').replace(/\.yaml$/, ''))
  assert.deepEqual(found.sort(), Object.keys(RECIPES).sort())
})

// Those of next-llms began with the finished models.
test('stage 2 begins with what stage 1 aligned, and with no model that was instructed', () => {
  // A task of one's own, and a start that its comment describes.
  const others = ['llava-v1.5-lora/task', 'llava-v1.5-hd/instruction']
  for (const name of Object.keys(RECIPES).filter((one) => !others.includes(one))) {
    const { stage, model } = parseRecipe(written(name))
    if (stage !== 'instruction') continue
    assert.match(model.projector ?? model.from, /^runs\/.*alignment\/model$/, name)
    assert.equal(model.base === undefined, model.projector === undefined, name)
  }
})

for (const [name, expected] of Object.entries(RECIPES)) {
  test(`${name} has the numbers of its paper`, async () => {
    const recipe = parseRecipe(written(name))
    assert.equal(recipe.batchSize * recipe.accumulation, expected.batch)
    assert.deepEqual(recipe.length, { epochs: expected.epochs })
    const { kind, warmupRatio } = recipe.schedule
    assert.deepEqual([kind, warmupRatio], [expected.kind ?? 'cosine', expected.warmup])
    const { weightDecay, betas, eps, clipNorm } = recipe
    assert.deepEqual([weightDecay, betas, eps, clipNorm], [0, [0.9, 0.999], 1e-8, 1])

    const published = await dryRun(written(name), { operationsPerSecond: RATES })
    assert.equal(published.countedAs, recipe.published?.checkpoint)
    assert.ok((published.gpu?.hours ?? 0) > 0.5 && (published.memory?.trained ?? 0) > 1e7)

    const small = tiny(name, expected)
    const { groups } = await dryRun(small, { operationsPerSecond: RATES })
    const rates = groups.flatMap(({ part, kind: what, isTrained, learningRate }) =>
      isTrained ? [[what === 'lora' ? 'lora' : part, learningRate] as const] : [],
    )
    assert.deepEqual(Object.fromEntries(rates), expected.rates)
  })
}

for (const [name, expected] of firstOf(9, Object.entries(RECIPES))) {
  test(`${name} trains what it says`, async () => {
    const { model, steps } = await train(tiny(name, expected))
    assert.equal(steps, 3)
    const recipe = parseRecipe(written(name))
    checkMoved(join('fixtures', 'inference', expected.model), model, recipe)
  })
}

/** Recipes of both stages as they are written: a config, a language model without eyes, a tower and a new projector. */
const ORIGINALS = join('fixtures', 'original', 'checkpoints')
const BEGINNINGS = [
  {
    name: 'llava-v1.5',
    from: 'llava-v1.5',
    tower: 'tower-clip-vit-large-patch14-336',
    tiling: 'none',
  },
  {
    name: 'next',
    from: 'llava-v1.6-vicuna',
    tower: 'tower-clip-vit-large-patch14-336',
    tiling: 'anyres',
  },
] as const

for (const { name, from, tower, tiling } of BEGINNINGS) {
  test(`${name} begins with what its recipe names, and stage 2 goes on from stage 1`, async () => {
    const config = join(root, name, from)
    mkdirSync(config, { recursive: true })
    copyFileSync(join(ORIGINALS, from, 'config.json'), join(config, 'config.json'))
    const parts = {
      from: config,
      base: join(ORIGINALS, 'vicuna'),
      visionTower: join(ORIGINALS, tower),
    }
    const alignment = written(`${name}/alignment`)
    const first = await train({
      ...begun(alignment),
      model: { ...partsOf(alignment), ...parts },
      output: join(root, name, 'first'),
    })
    const instruction = written(`${name}/instruction`)
    const { projector, ...rest } = partsOf(instruction)
    const second = await train({
      ...begun(instruction),
      model: {
        ...rest,
        ...(projector ? { ...parts, projector: first.model } : { from: first.model }),
      },
      output: join(root, name, 'second'),
    })
    const { config: read, close } = await openParts(second.model, {})
    close()
    assert.equal(read.image?.tokens.tiling.kind, tiling)
    assert.equal(read.image?.hasNewline, tiling === 'anyres')
    const fit = name === 'llava-v1.5' ? 'pad' : 'crop'
    assert.equal(read.image && fitOf(read.image.processor), fit)
  })
}

/** One step of a recipe with tiny data. */
function begun(recipe: Record<string, unknown>): Record<string, unknown> {
  const { epochs: _, ...rest } = recipe
  const path = join(root, 'begun.json')
  writeFileSync(path, JSON.stringify(recordsOf('captions')))
  const data = { path, imageFolder: root }
  return { ...rest, data, steps: 1, batchSize: 2, accumulation: 1, maxLength: 4096 }
}

const PARTS: readonly (readonly [RegExp, ModelPart])[] = [
  [/vision_tower\./, 'vision'],
  [/multi_modal_projector\./, 'projector'],
  [/image_newline/, 'imageNewline'],
  [/language_model\.|lm_head/, 'decoder'],
]

/** Something of each trained part moved, and nothing of the others. */
function checkMoved(base: string, folder: string, { lora, trainable }: Recipe): void {
  if (lora) {
    const { modules, replacements, source } = openLoraAdapter(folder)
    const moved = [...modules.values()].some(({ b }) =>
      toFloat32(source.read(b)).some((x) => x !== 0),
    )
    assert.ok(moved)
    assert.ok([...replacements.keys()].every((name) => name.includes('multi_modal_projector')))
    source.close()
    return
  }
  const [before, now] = [openCheckpoint(base), openCheckpoint(folder)]
  const moved = new Set<ModelPart>()
  for (const name of before.tensors.keys()) {
    const part = PARTS.find(([pattern]) => pattern.test(name))?.[1]
    const [old, own] = [toFloat32(before.read(name)), toFloat32(now.read(name))]
    if (part && old.some((value, i) => value !== own[i])) moved.add(part)
  }
  before.close()
  now.close()
  assert.deepEqual([...moved].sort(), [...trainable].sort())
}
