/** `lora.init`: what an adapter brings in full is checked, used and handed on. */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openCheckpoint, openLoraAdapter } from '../weights/index.ts'
import { createTrainer } from './index.ts'
import { FIXTURES, MODEL, recordedSamples } from '../../test/recorded-training.ts'
import { addInFull, filled, type InFull } from '../../test/tiny/adapter.ts'
import { writeTinyCheckpoint } from '../../test/tiny/checkpoint.ts'
import { TEXT_ONLY } from '../../test/tiny/checkpoints.ts'

let root: string
before(() => {
  root = mkdtempSync(join(tmpdir(), 'lora-init-'))
})
after(() => rmSync(root, { recursive: true }))

const TIED = join(FIXTURES, 'models', 'llava-qwen')
const samples = recordedSamples('stage1')
/** A merged weight is rounded once more. */
const MERGED = 1e-5
const lora = { rank: 2, alpha: 4 }

/** Names as PEFT 0.21 saved them over transformers 5, and the modules that they are of. */
const IN_MEMORY = new Map([
  ['model.language_model.embed_tokens', [64, 48]],
  ['model.language_model.layers.0.input_layernorm', [48]],
  ['model.language_model.norm', [48]],
  ['lm_head', [64, 48]],
])

// `model.language_model.lm_head` and `model.language_model.model.norm` were passed over by PEFT without a word.
test('modules of the decoder are handed on under the names by which PEFT knows them', async () => {
  const modules = [...IN_MEMORY]
  const folder = await adapterWith(
    MODEL,
    new Map(modules.map(([module, shape]) => [`${module}.weight`, filled(shape)])),
  )
  const next = join(root, 'handed-on')
  await using trainer = await createTrainer(MODEL, {
    trainable: [],
    lora: { ...lora, init: folder },
  })
  await trainer.save(next)
  const [was, is] = [folder, next].map((path) => openLoraAdapter(path).source)
  assert.deepEqual([...is!.tensors.keys()].sort(), [...was!.tensors.keys()].sort())
  for (const name of was!.tensors.keys()) assert.deepEqual(is!.read(name), was!.read(name), name)
  for (const source of [was, is]) source!.close()
  assert.deepEqual(configOf(next).modules_to_save.sort(), [...IN_MEMORY.keys()].sort())
})

// As those of a model that sees, `model.language_model.embed_tokens`, PEFT passed them over.
test('modules of a language model without eyes are handed on under its own names', async () => {
  const base = join(root, 'text')
  await writeTinyCheckpoint(base, TEXT_ONLY)
  const source = openCheckpoint(base)
  const shapeOf = (name: string) => source.tensors.get(name)!.shape
  const names = ['model.embed_tokens', 'model.norm', 'model.layers.0.input_layernorm']
  const full = names.map((name) => [`${name}.weight`, filled(shapeOf(`${name}.weight`))] as const)
  source.close()
  const [folder, next] = [await adapterWith(base, new Map(full)), join(root, 'text-next')]
  await using trainer = await createTrainer(base, {
    trainable: [],
    lora: { ...lora, init: folder },
  })
  await trainer.save(next)
  const [was, is] = [folder, next].map((path) => openLoraAdapter(path).source)
  assert.deepEqual([...is!.tensors.keys()].sort(), [...was!.tensors.keys()].sort())
  for (const source of [was, is]) source!.close()
  assert.deepEqual(configOf(next).modules_to_save.sort(), names.sort())
})

test('an adapter of the tower is to be merged first', async () => {
  const source = openCheckpoint(MODEL)
  const name = [...source.tensors.keys()].find((one) =>
    /vision.*0\.self_attn\.q_proj\.weight/.test(one),
  )!
  const [rows = 0, columns = 0] = source.tensors.get(name)!.shape
  source.close()
  const module = name.replace(/\.weight$/, '')
  const pair = [
    [`${module}.lora_A.weight`, filled([lora.rank, columns])],
    [`${module}.lora_B.weight`, filled([rows, lora.rank])],
  ] as const
  const init = await adapterWith(MODEL, new Map(pair))
  await assert.rejects(createTrainer(MODEL, { trainable: [], lora: { ...lora, init } }), {
    code: 'CHECKPOINT_ADAPTER',
    message: /decoder alone, it adapts others \(vision\.\S*\); name it in adapters/,
  })
})

// The embedding was the head as well, and a head of its own was dropped.
for (const module of ['model.language_model.embed_tokens', 'lm_head']) {
  test(`${module} beside its tied twin is used alone, as where it is merged, and kept`, async () => {
    const next = join(root, `tied-${module}`)
    const folder = await adapterWith(TIED, new Map([[`${module}.weight`, filled([64, 48])]]))
    await using merged = await createTrainer(TIED, { adapters: [folder], trainable: ['projector'] })
    const { loss } = await merged.evaluate(samples)
    await using plain = await createTrainer(TIED, { trainable: ['projector'] })
    assert.ok(Math.abs((await plain.evaluate(samples)).loss - loss) > 100 * MERGED)
    await using trainer = await createTrainer(TIED, {
      trainable: [],
      lora: { ...lora, init: folder },
    })
    assert.ok(Math.abs((await trainer.evaluate(samples)).loss - loss) < MERGED)
    await trainer.save(next)
    assert.deepEqual(configOf(next).modules_to_save, [module])
    await using again = await createTrainer(next, { trainable: ['projector'] })
    assert.ok(Math.abs((await again.evaluate(samples)).loss - loss) < MERGED)
  })
}

// It went on over the base's own projector, and the saved adapter lost the trained one.
test('a run over an adapter with frozen parts in full goes on over the same ones alone', async () => {
  const name = 'model.multi_modal_projector.linear_1.bias'
  const held = (first: number) => {
    const { shape, data } = filled([48])
    return new Map([[name, { shape, data: Float32Array.from([first, ...data.slice(1)]) }]])
  }
  const [init, other] = [await adapterWith(MODEL, held(0)), await adapterWith(MODEL, held(1))]
  const options = (from?: string) => ({ trainable: [], lora: { ...lora, init: from } }) as const
  const state = join(root, 'state')
  await using trainer = await createTrainer(MODEL, options(init))
  await trainer.step([samples])
  await trainer.checkpoint(state)
  const { loss } = await trainer.step([samples])
  for (const from of [undefined, other]) {
    await assert.rejects(createTrainer(MODEL, { ...options(from), resume: state }), {
      code: 'CHECKPOINT_RESUME',
      message: /lora\.init was "frozen parameters: 1, SHA-256 .* and is "frozen parameters: /,
    })
  }
  const moved = join(root, 'moved')
  cpSync(init, moved, { recursive: true })
  const file = join(state, 'state.json')
  const written = JSON.parse(readFileSync(file, 'utf8')) as { learntFor: object }
  const { 'lora.init': _, ...older } = written.learntFor as Record<string, unknown>
  for (const learntFor of [written.learntFor, older]) {
    writeFileSync(file, JSON.stringify({ ...written, learntFor }))
    await using again = await createTrainer(MODEL, { ...options(moved), resume: state })
    assert.equal((await again.step([samples])).loss, loss)
  }
})

describe('what an adapter brings in full is refused by its name', () => {
  const projector = 'model.multi_modal_projector'
  const bad = { shape: [48], data: new Float32Array(48).fill(NaN) }
  const cases = [
    { is: 'too wide', name: `${projector}.linear_1.weight`, tensor: filled([96, 32]) },
    { is: 'too small', name: `${projector}.linear_1.bias`, tensor: filled([4]) },
    { is: 'unknown', name: `${projector}.linear_9.bias`, tensor: filled([48]) },
    { is: 'no number', name: `${projector}.linear_1.bias`, tensor: bad },
  ]
  for (const { is, name, tensor } of cases) {
    test(`where it is ${is}, be its part frozen or trained`, async () => {
      const init = await adapterWith(MODEL, new Map([[name, tensor]]))
      const code = is === 'no number' ? 'CHECKPOINT_NOT_FINITE' : 'CHECKPOINT_ADAPTER'
      const message = new RegExp(`base_model\\.model\\.${name.replaceAll('.', '\\.')}`)
      for (const trainable of [[], ['projector']] as const)
        await assert.rejects(createTrainer(MODEL, { trainable, lora: { ...lora, init } }), {
          code,
          message,
        })
    })
  }
})

/** A fresh adapter of a model with tensors in full beside it, by their names in memory. */
async function adapterWith(model: string, full: InFull): Promise<string> {
  const folder = mkdtempSync(join(root, 'adapter-'))
  const trainer = await createTrainer(model, { trainable: [], lora })
  await trainer.save(folder)
  await trainer.dispose()
  await addInFull(folder, full)
  return folder
}

function configOf(folder: string): { modules_to_save: string[] } {
  return JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8')) as never
}
