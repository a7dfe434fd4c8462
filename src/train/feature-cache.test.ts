/** Features that are kept change nothing but the time. */
import assert from 'node:assert/strict'
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createTrainer, type TrainerOptions } from './index.ts'
import { MODEL, recordedSamples } from '../../test/recorded-training.ts'

let root: string
before(() => {
  root = mkdtempSync(join(tmpdir(), 'llava-features-'))
})
after(() => rmSync(root, { recursive: true }))

const samples = recordedSamples('stage1')

async function losses(options: TrainerOptions): Promise<number[]> {
  await using trainer = await createTrainer(MODEL, { learningRate: 1e-2, ...options })
  const seen: number[] = []
  for (let step = 0; step < 3; step++) seen.push((await trainer.step([samples])).loss)
  return seen
}

test('a run with kept features is the run without, and reads them the next time', async () => {
  const featureCache = join(root, 'cache')
  const right = await losses({})
  assert.deepEqual(await losses({ featureCache }), right)
  const [tower] = readdirSync(featureCache) as [string]
  const files = readdirSync(join(featureCache, tower)).map((name) =>
    join(featureCache, tower, name),
  )
  const tiles = samples.reduce((sum, one) => sum + (one.pixelValues?.shape[0] ?? 0), 0)
  assert.ok(files.length > 0 && files.length <= tiles)
  assert.deepEqual(await losses({ featureCache }), right)

  const [first] = files as [string]
  const kept = readFileSync(first)
  writeFileSync(first, Buffer.alloc(kept.length))
  assert.notDeepEqual(await losses({ featureCache }), right)
  // What a crash cut short is made again.
  truncateSync(first, kept.length - 4)
  assert.deepEqual(await losses({ featureCache }), right)
  assert.deepEqual(readFileSync(first), kept)
})
