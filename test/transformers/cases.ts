/** Every checkpoint that transformers is to read: trained in every family, converted in both directions. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { loadModel, type LoadOptions } from '../../src/index.ts'
import { createTrainer, type Sample, type TrainerOptions } from '../../src/train/index.ts'
import { llava } from '../end-to-end/run-cli.ts'
import { ask, PICTURE, requestFor, type Asked, type Request } from './request.ts'

const FIXTURES = process.env['LLAVA_FIXTURES'] ?? 'fixtures'
const HUB = join(FIXTURES, 'inference')
const ORIGINALS = join(FIXTURES, 'original', 'checkpoints')
const SMALLEST = join('fixtures', 'inference', 'llava-mlp')

export type Case = {
  readonly name: string
  /** Makes the checkpoint in a folder that is there, and asks a model of ours the same. */
  make(folder: string): Promise<Made>
}

export type Made = {
  /** What transformers reads. */
  readonly checkpoint: string
  /** Under an adapter. */
  readonly base: string | null
  readonly asked: Asked
}

const TRAINED: Readonly<Record<string, TrainerOptions>> = {
  'a projector alone': { trainable: ['projector'] },
  'an adapter beside a projector': { trainable: ['projector'], lora: { rank: 4 } },
}

const BESIDE_TOWER: TrainerOptions = { trainable: ['projector', 'vision'], lora: { rank: 4 } }

export const CASES: readonly Case[] = [
  ...Object.entries(TRAINED).map(([name, options]) => ({
    name,
    make: (folder: string) => trained(folder, { source: SMALLEST, options }),
  })),
  ...hubFolders().map((source) => ({
    name: `${basename(source)}, an adapter beside projector and tower`,
    make: (folder: string) => trained(folder, { source, options: BESIDE_TOWER }),
  })),
  ...hubFolders().map((source) => ({
    name: `${basename(source)}, trained in full`,
    make: (folder: string) =>
      trained(folder, { source, options: { trainable: ['projector', 'decoder', 'vision'] } }),
  })),
  ...originalFolders().map((source) => ({
    name: `${basename(source)}, original → llava-hf`,
    make: (folder: string) => fromOriginal(folder, source),
  })),
  ...hubFolders()
    .filter(hasOriginalForm)
    .map((source) => ({
      name: `${basename(source)}, llava-hf → original → llava-hf`,
      make: (folder: string) => thereAndBack(folder, source),
    })),
]

/** Checkpoints with weights; others are there for their texts. */
function hubFolders(): string[] {
  return folders(HUB).filter((folder) => existsSync(join(folder, 'expected.safetensors')))
}

function originalFolders(): string[] {
  return folders(ORIGINALS).filter((folder) => 'mm_vision_tower' in configOf(folder))
}

/** The original has neither ViT towers nor several feature layers. */
function hasOriginalForm(folder: string): boolean {
  const { vision_config: vision, vision_feature_layer: layer } = configOf(folder)
  return (vision as { model_type: string }).model_type !== 'vit' && !Array.isArray(layer)
}

function folders(parent: string): string[] {
  return readdirSync(parent)
    .sort()
    .map((name) => join(parent, name))
    .filter((folder) => existsSync(join(folder, 'config.json')))
}

function configOf(folder: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>
}

/** Three steps, large enough that weights which were not read would show. */
async function trained(
  folder: string,
  { source, options }: { readonly source: string; readonly options: TrainerOptions },
): Promise<Made> {
  const checkpoint = join(folder, 'saved')
  const request = requestFor(configOf(source))
  const sample = await question(source, request)
  await using trainer = await createTrainer(source, { ...options, learningRate: 1e-2 })
  for (let step = 0; step < 3; step++) await trainer.step([[sample]])
  await trainer.save(checkpoint, { notes: 'a check' })
  const asked = await ask(checkpoint, { request })
  return { checkpoint, base: options.lora ? resolve(source) : null, asked }
}

/** A question that is learnt by heart, its places left out. */
async function question(source: string, request: Request): Promise<Sample> {
  await using model = await loadModel(source, { precision: 'f32' })
  const { inputIds, pixelValues, images, videos } = await model.prepare(request)
  const { image, video } = model.config
  const places = [image?.placeholder, video?.placeholder]
  const frames = videos.reduce((sum, clip) => sum + clip.frames, 0)
  const size = pixelValues.data.length / pixelValues.shape[0]!
  const tiles = pixelValues.shape[0]! - frames
  const [, ...shape] = pixelValues.shape
  return {
    inputIds,
    labels: inputIds.map((id) => (places.includes(id) ? -100 : id)),
    pixelValues: { data: pixelValues.data.slice(0, tiles * size), shape: [tiles, ...shape] },
    imageSizes: images.map(({ width, height }) => ({ width, height })),
    videos:
      frames === 0
        ? []
        : [{ data: pixelValues.data.slice(tiles * size), shape: [frames, ...shape] }],
  }
}

async function fromOriginal(folder: string, source: string): Promise<Made> {
  const tower = join(ORIGINALS, `tower-${basename(String(configOf(source)['mm_vision_tower']))}`)
  const isPart = /-(lora|projector)$/.test(source)
  const parts: LoadOptions = {
    visionTower: tower,
    ...(isPart && { base: join(ORIGINALS, 'vicuna') }),
  }
  const more = ['--vision-tower', tower, ...(parts.base ? ['--base', parts.base] : [])]
  const checkpoint = await convert(source, { to: 'llava-hf', out: join(folder, 'hf'), more })
  const asked = await ask(source, { request: PICTURE, parts, placeholder: imageToken(checkpoint) })
  return { checkpoint, base: null, asked }
}

async function thereAndBack(folder: string, source: string): Promise<Made> {
  // The name says which conversation mode is meant, so it stays.
  const original = join(folder, basename(source))
  await convert(source, { to: 'original', out: original })
  const checkpoint = await convert(original, { to: 'llava-hf', out: join(folder, 'hf') })
  const asked = await ask(source, { request: PICTURE, placeholder: imageToken(checkpoint) })
  return { checkpoint, base: null, asked }
}

async function convert(
  source: string,
  { to, out, more = [] }: { to: string; out: string; more?: readonly string[] },
): Promise<string> {
  const { code, stderr } = await llava(['convert', source, '--to', to, '--out', out, ...more])
  assert.equal(code, 0, stderr)
  return out
}

function imageToken(checkpoint: string): number {
  return Number(configOf(checkpoint)['image_token_index'])
}
