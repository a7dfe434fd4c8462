/** Going on from a checkpoint gives what an uninterrupted run gives, to the bit. */
import assert from 'node:assert/strict'
import {
  cpSync,
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
import { createTrainer, type Trainer, type TrainerOptions } from './index.ts'
import { MODEL, recordedSamples } from '../../test/recorded-training.ts'

let folder: string
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'checkpoint-'))
})
after(() => rmSync(folder, { recursive: true }))

const samples = recordedSamples('stage1')
const SCHEDULE = { kind: 'cosine', warmupSteps: 1, totalSteps: 6 } as const

const RUNS: Readonly<Record<string, TrainerOptions>> = {
  'stage 1': { trainable: ['projector'] },
  'stage 2': { trainable: ['projector', 'decoder'], learningRates: { projector: 1e-4 } },
  'LoRA with dropout': {
    trainable: ['projector'],
    lora: { rank: 4, dropout: 0.3 },
    base: 'int8',
    seed: 7,
  },
  preferences: { trainable: ['decoder'], objective: { kind: 'dpo', gamma: 0.1 } },
}

for (const [name, options] of Object.entries(RUNS)) {
  test(`${name}: a resumed run is the uninterrupted one, to the bit`, async () => {
    const all = { ...options, schedule: SCHEDULE, weightDecay: 0.1 }
    const path = join(folder, name)
    const straight = await createTrainer(MODEL, all)
    const expected = await losses(straight, [0, 1, 2, 3])
    const first = await createTrainer(MODEL, all)
    const came = await losses(first, [0, 1])
    await first.checkpoint(path, { cursor: { next: 2 } })
    await first.dispose()
    const second = await createTrainer(MODEL, { ...all, resume: path })
    assert.equal(second.steps, 2)
    assert.deepEqual(second.cursor, { next: 2 })
    came.push(...(await losses(second, [2, 3])))
    assert.deepEqual(came, expected)
    const [right, weights] = [straight.weights(), second.weights()]
    for (const [key, { data }] of right) assert.deepEqual(weights.get(key)?.data, data, key)
    await straight.dispose()
    await second.dispose()
  })
}

test('a checkpoint of other parameters, and none at all, are refused', async () => {
  const path = join(folder, 'projector')
  await using trainer = await createTrainer(MODEL, { trainable: ['projector'] })
  await trainer.checkpoint(path)
  const refused = { code: 'CHECKPOINT_RESUME' }
  await assert.rejects(createTrainer(MODEL, { trainable: ['decoder'], resume: path }), refused)
  await assert.rejects(createTrainer(MODEL, { resume: join(folder, 'nowhere') }), refused)
})

test('a checkpoint that is damaged, and a folder that is none, are refused by name', async () => {
  const path = join(folder, 'damaged')
  await using trainer = await createTrainer(MODEL, { trainable: ['projector'] })
  await trainer.checkpoint(path)
  const file = join(path, 'state.json')
  const text = readFileSync(file, 'utf8')
  const without = (name: string) => JSON.stringify({ ...JSON.parse(text), [name]: undefined })
  const texts = [text.slice(0, -20), 'null', ...['rng', 'steps', 'counts'].map(without)]
  texts.push(JSON.stringify({ ...JSON.parse(text), counts: {} }))
  const refused = (message: RegExp) => ({ code: 'CHECKPOINT_RESUME', message })
  for (const damaged of texts) {
    writeFileSync(file, damaged)
    await assert.rejects(
      createTrainer(MODEL, { resume: path }),
      refused(/state\.json should hold .*cut short or changed/),
    )
  }
  rmSync(file)
  await assert.rejects(
    createTrainer(MODEL, { resume: path }),
    refused(/expected a checkpoint in .*the folder has no state\.json/),
  )
})

test('what the weights were learnt for is told again or refused by name, other options may change', async () => {
  const path = join(folder, 'learnt')
  const lora = { rank: 4, alpha: 8, dropout: 0.1 }
  const options: TrainerOptions = {
    trainable: ['projector'],
    lora,
    objective: { kind: 'dpo', beta: 0.1 },
  }
  const trainer = await createTrainer(MODEL, options)
  await trainer.checkpoint(path)
  await trainer.dispose()
  for (const [other, told] of [
    [{ lora: { ...lora, alpha: 64 } }, /lora\.alpha was 8 and is 64; give/],
    [{ lora: { ...lora, rank: 2 } }, /lora\.rank was 4 and is 2; give/],
    [{ lora: { ...lora, dropout: 0 } }, /lora\.dropout was 0\.1 and is 0; give/],
    [{ lora: { ...lora, targets: /q_proj$/ } }, /lora\.targets was .* and is "\/q_proj\$\/"; give/],
    [{ lora: undefined }, /lora was \{.*\} and is null; give/],
    [{ trainable: [] }, /trainable was \["projector"\] and is \[\];/],
    [{ objective: { kind: 'sft' } }, /objective\.kind was "dpo" and is "sft"/],
    [{ objective: { kind: 'dpo', beta: 0.5 } }, /objective\.beta was 0\.1 and is 0\.5; give/],
    [{ base: 'int8' }, /storage was "f32" and is "int8"; give/],
    [{ quirks: { emptyBatch: 'none' } }, /quirks\.emptyBatch was null and is "none"; give/],
  ] as const) {
    const refused = createTrainer(MODEL, { ...options, ...other, resume: path })
    await assert.rejects(refused, { code: 'CHECKPOINT_RESUME', message: told })
  }
  const free = { learningRate: 1e-5, clipNorm: null, seed: 9, activations: 'recompute' } as const
  const resumed = await createTrainer(MODEL, { ...options, ...free, resume: path })
  await resumed.dispose()
})

// Preferences were learnt on against the base, or whatever stood in the reference's place: no field said so.
test('preferences are learnt on against the same reference or not at all, wherever it lies', async () => {
  const [sft, other, whole] = await Promise.all([
    steppedFrom({ lora: LORA }, { learningRate: 1e-2 }),
    steppedFrom({ lora: LORA }, { learningRate: 2e-2 }),
    steppedFrom({ trainable: ['decoder'] }, { learningRate: 1e-3 }),
  ])
  const adapted = (init?: string): TrainerOptions => ({
    objective: { kind: 'dpo' },
    trainable: [],
    lora: { ...LORA, ...(init !== undefined && { init }) },
  })
  const against = (reference?: string): TrainerOptions => ({
    objective: { kind: 'dpo', ...(reference !== undefined && { reference }) },
    trainable: ['decoder'],
  })
  for (const [options, right, wrong] of [
    [adapted, sft, other],
    [against, whole, MODEL],
  ] as const) {
    const path = mkdtempSync(join(folder, 'preferring-'))
    await using trainer = await createTrainer(MODEL, options(right))
    await losses(trainer, [0])
    await trainer.checkpoint(path)
    const expected = await losses(trainer, [1])
    for (const from of [undefined, wrong]) {
      await assert.rejects(createTrainer(MODEL, { ...options(from), resume: path }), {
        code: 'CHECKPOINT_RESUME',
        message: /objective\.reference was ".*SHA-256 .*" and is ".*SHA-256 .*"; give/,
      })
    }
    const moved = mkdtempSync(join(folder, 'moved-'))
    cpSync(right, moved, { recursive: true })
    await using again = await createTrainer(MODEL, { ...options(moved), resume: path })
    assert.deepEqual(await losses(again, [1]), expected)
  }
})

// Frozen weights were in no field: with LoRA alone any base was the same reference.
test('preferences against the start are learnt on over the same frozen weights, wherever they lie', async () => {
  const [sft, otherSft, otherModel] = await Promise.all([
    steppedFrom({ lora: LORA }, { learningRate: 1e-2 }),
    steppedFrom({ lora: LORA }, { learningRate: 2e-2 }),
    steppedFrom({ trainable: ['decoder'] }, { learningRate: 1e-3 }),
  ])
  const objective = { kind: 'dpo' } as const
  const lora: TrainerOptions = { objective, trainable: [], lora: LORA }
  const projector: TrainerOptions = { objective, trainable: ['projector'] }
  const moved = mkdtempSync(join(folder, 'moved-'))
  cpSync(MODEL, moved, { recursive: true })
  for (const [options, others] of [
    [lora, [[otherModel, {}]]],
    [projector, [[otherModel, {}]]],
    [
      { ...lora, adapters: [sft] },
      [
        [MODEL, { adapters: [otherSft] }],
        [MODEL, { adapters: [] }],
      ],
    ],
  ] as const) {
    const path = mkdtempSync(join(folder, 'preferring-'))
    await using trainer = await createTrainer(MODEL, options)
    await losses(trainer, [0])
    await trainer.checkpoint(path)
    const expected = await losses(trainer, [1])
    for (const [model, other] of others) {
      await assert.rejects(createTrainer(model, { ...options, ...other, resume: path }), {
        code: 'CHECKPOINT_RESUME',
        message: /objective\.reference\.files was ".*SHA-256 .*" and is ".*SHA-256 .*"; give/,
      })
    }
    await using again = await createTrainer(moved, { ...options, resume: path })
    assert.deepEqual(await losses(again, [1]), expected)
    withoutField(path, 'objective.reference.files')
    await using older = await createTrainer(MODEL, { ...options, resume: path })
    assert.deepEqual(await losses(older, [1]), expected)
  }
})

/** As a release wrote the checkpoint that did not know the field. */
function withoutField(path: string, field: string): void {
  const file = join(path, 'state.json')
  const state = JSON.parse(readFileSync(file, 'utf8')) as { learntFor: Record<string, unknown> }
  assert.ok(field in state.learntFor)
  delete state.learntFor[field]
  writeFileSync(file, JSON.stringify(state))
}

const LORA = { rank: 4, alpha: 8 }

/** A model or adapter after a step. */
async function steppedFrom(what: TrainerOptions, rates: TrainerOptions): Promise<string> {
  const path = mkdtempSync(join(folder, 'stepped-'))
  await using trainer = await createTrainer(MODEL, { trainable: [], ...what, ...rates })
  await losses(trainer, [0])
  await trainer.save(path)
  return path
}

test('a checkpoint that cannot be written leaves the one before', async () => {
  const path = join(folder, 'kept')
  await using trainer = await createTrainer(MODEL, { trainable: ['projector'] })
  await trainer.checkpoint(path)
  const names = readdirSync(path)
  writeFileSync(join(folder, 'file'), '')
  await assert.rejects(trainer.checkpoint(join(folder, 'file', 'inside')), {
    code: 'CHECKPOINT_UNWRITABLE',
  })
  assert.deepEqual(readdirSync(path), names)
})

test('neither a checkpoint nor a model takes the place of what is none', async () => {
  const path = join(folder, 'thesis')
  mkdirSync(path)
  writeFileSync(join(path, 'thesis.txt'), 'years')
  await using trainer = await createTrainer(MODEL, { trainable: ['projector'] })
  const refused = { code: 'CHECKPOINT_FOLDER_TAKEN' }
  await assert.rejects(trainer.checkpoint(path), refused)
  await assert.rejects(trainer.save(path), refused)
  assert.deepEqual(readdirSync(path), ['thesis.txt'])
  // What was not understood was taken for leave to delete.
  for (const replaces of ['Anything', 'all', null]) {
    const options = { replaces: replaces as 'anything' }
    await assert.rejects(trainer.save(path, options), { code: 'CONFIG_OPTION' })
  }
  const unknown = { code: 'INPUT_UNKNOWN_OPTION' }
  await assert.rejects(trainer.save(path, { replace: 'anything' } as object), unknown)
  await assert.rejects(trainer.checkpoint(path, { replaces: 'anything' } as object), unknown)
  assert.deepEqual(readdirSync(path), ['thesis.txt'])
  await trainer.save(path, { replaces: 'anything' })
  mkdirSync(join(path, '.llava-ts'))
  await trainer.save(path)
  await assert.rejects(trainer.checkpoint(path), refused)
})

/** A step on a pair of samples for each index. */
async function losses(trainer: Trainer, indices: readonly number[]): Promise<number[]> {
  const result: number[] = []
  for (const index of indices) {
    const [a, b] = [samples[index % 4]!, samples[(index + 1) % 4]!]
    const isPair = trainer.settings.objective.kind === 'dpo'
    const step = isPair ? [[{ chosen: a, rejected: b }]] : [[a], [b]]
    const { loss, gradNorm } = await trainer.step(step)
    result.push(loss, gradNorm)
  }
  return result
}
