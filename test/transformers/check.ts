/**
 * What the trainer saved is read by transformers, and adapters by PEFT: the same logits as ours.
 *
 *     npm run check:transformers -- --python FILE
 *
 * Outside the default tests: it needs Python with torch, transformers and, for the adapter, peft.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { loadModel } from '../../src/index.ts'
import { createTrainer, type Sample, type TrainerOptions } from '../../src/train/index.ts'

const MODEL = join('fixtures', 'inference', 'llava-mlp')
const SCRIPT = join('test', 'transformers', 'logits.py')
/** As everywhere between two implementations in float32. */
const TOLERANCE = 1e-3

const CASES: Readonly<Record<string, TrainerOptions>> = {
  'a model trained in full': { trainable: ['projector', 'decoder', 'vision'] },
  'a projector alone': { trainable: ['projector'] },
  'an adapter beside a projector': { trainable: ['projector'], lora: { rank: 4 } },
}

const REQUEST = {
  messages: [
    {
      role: 'user' as const,
      content: [
        { type: 'image' as const, image: join('fixtures', 'pictures', 'photo-100x100.png') },
        { type: 'text' as const, text: 'What is this?' },
      ],
    },
  ],
}

const { values } = parseArgs({ options: { python: { type: 'string', default: 'python3' } } })
const root = mkdtempSync(join(tmpdir(), 'llava-transformers-'))
let failures = 0
try {
  for (const [name, options] of Object.entries(CASES)) {
    const folder = join(root, name.replaceAll(' ', '-'))
    try {
      const worst = await check(folder, options, values.python)
      process.stdout.write(`${name}: logits differ by at most ${worst.toExponential(1)}\n`)
    } catch (error) {
      failures++
      process.stdout.write(
        `${name}: FAILED: ${error instanceof Error ? error.message : String(error)}\n`,
      )
    }
  }
} finally {
  rmSync(root, { recursive: true })
}
process.exitCode = failures > 0 ? 1 : 0

/** The largest difference of a logit. */
async function check(folder: string, options: TrainerOptions, python: string): Promise<number> {
  mkdirSync(folder)
  const saved = join(folder, 'saved')
  await train(saved, options)
  await using model = await loadModel(saved, { precision: 'f32' })
  const { inputIds, pixelValues, ours } = await ask(model)
  const request = { folder: saved, base: options.lora ? resolve(MODEL) : null, inputIds }
  writeFileSync(
    join(folder, 'request.json'),
    JSON.stringify({ ...request, shape: pixelValues.shape }),
  )
  writeFileSync(join(folder, 'pixels.f32'), new Uint8Array(pixelValues.data.buffer))
  const run = spawnSync(python, [SCRIPT, folder], { encoding: 'utf8' })
  assert.equal(run.status, 0, (run.stderr ?? String(run.error)).slice(-1500))
  const bytes = readFileSync(join(folder, 'logits.f32'))
  const theirs = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
  assert.equal(theirs.length, ours.length)
  const worst = theirs.reduce((most, value, i) => Math.max(most, Math.abs(value - ours[i]!)), 0)
  assert.ok(worst < TOLERANCE, `logits differ by ${worst}`)
  return worst
}

/** Three steps, large enough that weights which were not read would show. */
async function train(folder: string, options: TrainerOptions): Promise<void> {
  const sample = await question()
  await using trainer = await createTrainer(MODEL, { ...options, learningRate: 1e-2 })
  for (let step = 0; step < 3; step++) await trainer.step([[sample]])
  await trainer.save(folder, { notes: 'a check' })
}

/** A question that is learnt by heart, its places left out. */
async function question(): Promise<Sample> {
  await using model = await loadModel(MODEL, { precision: 'f32' })
  const { inputIds, pixelValues } = await model.prepare(REQUEST)
  const { placeholder } = model.config.image as { placeholder: number }
  const labels = inputIds.map((id) => (id === placeholder ? -100 : id))
  return { inputIds, labels, pixelValues }
}

async function ask(model: Awaited<ReturnType<typeof loadModel>>) {
  const { inputIds, pixelValues } = await model.prepare(REQUEST)
  const { data } = await model.logits({ ...REQUEST, positions: 'all' })
  const packed = { data: Float32Array.from(pixelValues.data), shape: pixelValues.shape }
  return { inputIds, pixelValues: packed, ours: data }
}
