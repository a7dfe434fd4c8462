/** What lies under an adapter is packed with it: the folder answers as the trained one does. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { Rng } from './core/rng.ts'
import { loadModel, type LoadOptions } from './load-model.ts'
import { packModel } from './pack-model.ts'
import { createTrainer } from './train/index.ts'
import { openLoraAdapter } from './weights/index.ts'
import { addInFull, filled, writeTinyAdapter } from '../test/tiny/adapter.ts'

const root = mkdtempSync(join(tmpdir(), 'llava-stack-'))
after(() => rmSync(root, { recursive: true }))
const at = (name: string) => join(root, name)

/** CLIP of four blocks, of which three are read. */
const BASE = resolve('fixtures', 'inference', 'llava-mlp')
const QUESTION = {
  messages: [
    {
      role: 'user' as const,
      content: [
        { type: 'image' as const, image: 'fixtures/pictures/photo-247x167.png' },
        { type: 'text' as const, text: 'What?' },
      ],
    },
  ],
}
/** Of the largest logit: blocks of 8 bits. */
const ROUNDING = 0.05

const rng = new Rng(7)
const q = (layer: number) => `model.language_model.layers.${layer}.self_attn.q_proj.weight`
const SQUARE = [48, 48] as const

/** Of strong matrices, by the names of the weights they change. */
async function adapter(name: string, base: string, weights: Record<string, readonly number[]>) {
  const folder = await writeTinyAdapter(at(name), new Map(Object.entries(weights)), () =>
    rng.normal(),
  )
  change(folder, { base_model_name_or_path: base })
  return folder
}

function change(folder: string, keys: object): void {
  const path = join(folder, 'adapter_config.json')
  const config = JSON.parse(readFileSync(path, 'utf8')) as object
  writeFileSync(path, JSON.stringify({ ...config, ...keys }))
}

async function logits(folder: string, options: LoadOptions = {}): Promise<Float32Array> {
  const model = await loadModel(folder, { precision: 'f32', ...options })
  try {
    return (await model.logits(QUESTION)).data
  } finally {
    await model.dispose()
  }
}

function distance(a: Float32Array, b: Float32Array): number {
  const size = Math.max(...b.map(Math.abs))
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!))) / size
}

async function assertPacked(out: string, trained: Float32Array): Promise<void> {
  const packed = await logits(out)
  assert.ok(distance(packed, trained) < ROUNDING, `${distance(packed, trained)}`)
}

// The adapter of a packed base was left out, and with it all that the base had learnt.
test('an adapter on a packed model is packed with the one in it', async () => {
  const below = await adapter('below', BASE, { [q(0)]: SQUARE, [q(1)]: SQUARE })
  await addInFull(below, new Map([['model.language_model.norm.weight', filled([48])]]))
  await packModel(at('packed'), { base: BASE, adapters: [below], card: '' })
  // Another version's names, another scale, and a matrix that the one below changes as well.
  const name = q(1).replace('model.language_model.', 'language_model.model.')
  const above = await adapter('above', at('packed'), { [name]: SQUARE, [q(2)]: SQUARE })
  change(above, { lora_alpha: 6 })
  const learnt = JSON.stringify({ max_new_tokens: 7 })
  writeFileSync(join(above, 'generation_config.json'), learnt)
  const trained = await logits(above)
  assert.ok(distance(await logits(BASE, { adapters: [above] }), trained) > 2 * ROUNDING)
  await packModel(at('packed again'), { base: at('packed'), adapters: [above], card: '' })
  await assertPacked(at('packed again'), trained)
  const beside = readFileSync(join(at('packed again'), 'generation_config.json'), 'utf8')
  assert.equal(beside, learnt)
  const { modules, replacements, source } = openLoraAdapter(at('packed again'))
  source.close()
  assert.deepEqual([...modules.values()].map(({ rank }) => rank).sort(), [2, 2, 4])
  assert.deepEqual([...replacements.keys()], ['model.language_model.norm.weight'])
  await assert.rejects(packModel(at('none'), { base: BASE, adapters: [above], card: '' }), {
    code: 'CHECKPOINT_BASE',
    message: /above was trained on .*packed, which has an adapter of its own/,
  })
})

test('adapters on top of each other are packed, be they named by the base or one by one', async () => {
  const first = await adapter('first', BASE, { [q(0)]: SQUARE })
  const second = await adapter('second', first, { [q(0)]: SQUARE })
  const trained = await logits(second)
  await packModel(at('by the base'), { base: first, adapters: [second], card: '' })
  // The base of one that was given others by name has none of them.
  change(second, { base_model_name_or_path: BASE })
  writeFileSync(join(second, 'adapter_stack.json'), JSON.stringify({ under: [first] }))
  await packModel(at('one by one'), { base: BASE, adapters: [first, second], card: '' })
  assert.ok(!existsSync(join(at('one by one'), 'adapter_stack.json')))
  for (const out of [at('by the base'), at('one by one')]) await assertPacked(out, trained)
  await assert.rejects(packModel(at('none'), { base: BASE, adapters: [second], card: '' }), {
    code: 'CHECKPOINT_BASE',
    message: /second was trained over .*first, of adapters under it none came/,
  })
})

test('what an adapter holds in full takes the place of what lies below it', async () => {
  const below = await adapter('changed', BASE, { [q(0)]: SQUARE })
  const above = await adapter('replaced', below, { [q(1)]: SQUARE })
  await addInFull(above, new Map([[q(0), filled(SQUARE)]]))
  // And gains what lies on top, by another version's name for it.
  const name = q(0).replace('model.language_model.', 'language_model.model.')
  const top = await adapter('on top', above, { [name]: SQUARE })
  const trained = await logits(top)
  await packModel(at('in full'), { base: above, adapters: [top], card: '' })
  await assertPacked(at('in full'), trained)
})

// PEFT adapts every block that `target_modules` names, and a packed tower has no place for the last ones.
test('an adapter of the tower is packed without the blocks that are never read', async () => {
  const towerQ = (block: number) =>
    `model.vision_tower.vision_model.encoder.layers.${block}.self_attn.q_proj.weight`
  const eyes = await adapter('eyes', BASE, {
    [q(0)]: SQUARE,
    ...Object.fromEntries([0, 1, 2, 3].map((block) => [towerQ(block), [32, 32]])),
    'model.multi_modal_projector.linear_1.weight': [48, 32],
  })
  const trained = await logits(BASE, { adapters: [eyes] })
  await packModel(at('eyes packed'), { base: BASE, adapters: [eyes], card: '' })
  await assertPacked(at('eyes packed'), trained)
  const { modules, source } = openLoraAdapter(at('eyes packed'))
  source.close()
  assert.deepEqual([modules.size, modules.has(towerQ(3).replace('.weight', ''))], [5, false])
})

// Of a weight's products only the last was held against the base: others were cut, or refused as damaged data.
test('each adapter is held against the base before anything is written', async () => {
  const fits = await adapter('fits', BASE, { [q(0)]: SQUARE })
  const [narrow, short] = [
    await adapter('narrow', BASE, { [q(0)]: [48, 40] }),
    await adapter('short', BASE, { [q(0)]: [32, 48] }),
  ]
  for (const adapters of [[narrow], [narrow, fits], [short, fits], [fits, short]]) {
    const misfit = { code: 'CHECKPOINT_ADAPTER', message: /lora_A\.weight makes .* of the base is/ }
    await assert.rejects(packModel(at('misfit'), { base: BASE, adapters, card: '' }), misfit)
    await assert.rejects(loadModel(BASE, { adapters }), misfit)
    assert.ok(!existsSync(at('misfit')))
  }
})

// Its product was added twice, and nothing said so.
test('an adapter that is named twice is refused, by whichever path', async () => {
  const once = await adapter('once', BASE, { [q(0)]: SQUARE })
  symlinkSync(once, at('linked'))
  const refused = { code: 'CONFIG_OPTION', message: /expected each adapter once, .* came twice/ }
  for (const [base, adapters] of [
    [BASE, [once, once]],
    [BASE, [once, at('linked')]],
    [once, [once]],
  ] as const) {
    await assert.rejects(packModel(at('twice'), { base, adapters, card: '' }), refused)
    await assert.rejects(loadModel(base, { adapters }), refused)
    assert.ok(!existsSync(at('twice')))
  }
  await assert.rejects(
    createTrainer(once, { trainable: [], lora: { rank: 2, init: once } }),
    refused,
  )
})
