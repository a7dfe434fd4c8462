/** What can be trained from a .gguf file, which has a tokenizer and no config that others read. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { writeTinyCheckpoint } from '../../test/tiny/checkpoint.ts'
import { TEXT_ONLY } from '../../test/tiny/checkpoints.ts'
import { writeTinyGguf } from '../../test/tiny/gguf.ts'
import { createTrainer, dryRun, train } from './index.ts'

let root: string
before(async () => {
  root = mkdtempSync(join(tmpdir(), 'llava-gguf-base-'))
  await writeTinyGguf(join(root, 'lm.gguf'))
})
after(() => rmSync(root, { recursive: true }))

function rowsFile(): string {
  const path = join(root, 'rows.json')
  const turns = [
    { from: 'human', value: 'Why?' },
    { from: 'gpt', value: 'So.' },
  ]
  writeFileSync(path, JSON.stringify([{ id: '0', conversations: turns }]))
  return path
}

const SAMPLE = { inputIds: [1, 40, 41, 42, 2], labels: [-100, 40, 41, 42, 2] }

// Such a run made all its steps, and there was no model.
test('training in full is refused before anything is done, an adapter and evaluation are not', async () => {
  const [from, path, output] = [join(root, 'lm.gguf'), rowsFile(), join(root, 'run')]
  const recipe = {
    model: { from },
    stage: 'instruction',
    trainable: ['decoder'],
    conversation: 'qwen_1_5',
    steps: 1,
    batchSize: 1,
    learningRate: 1e-3,
    data: { path },
    output,
  }
  const dryly = { operationsPerSecond: { f32: 1e9, int8: 1e9 } }
  const refused = { code: 'CONFIG_SAVE', message: /lm\.gguf is a \.gguf file; .*lora/ }
  await assert.rejects(createTrainer(from, { trainable: ['decoder'] }), refused)
  await assert.rejects(dryRun(recipe, dryly), refused)
  await assert.rejects(train(recipe), refused)
  assert.ok(!existsSync(output))
  const learnt = { ...recipe, trainable: [], lora: { rank: 2 } }
  await dryRun(learnt, dryly)
  await train(learnt)
  assert.ok(existsSync(join(output, 'model', 'adapter_model.safetensors')))
  await using trainer = await createTrainer(from, { trainable: [] })
  assert.ok((await trainer.evaluate([SAMPLE])).loss > 0)
  await assert.rejects(trainer.save(join(root, 'none')), refused)
})

// The default named a projector, and the refusal told whoever had left it out to leave it out.
test('without a word of parts an adapter alone is trained over a language model without eyes', async () => {
  const [gguf, folder] = [join(root, 'lm.gguf'), join(root, 'text')]
  await writeTinyCheckpoint(folder, TEXT_ONLY)
  for (const from of [gguf, folder]) {
    await using trainer = await createTrainer(from, { lora: { rank: 2 } })
    assert.deepEqual(trainer.settings.trainable, [])
    await trainer.step([[SAMPLE]])
    await using plain = await createTrainer(from)
    assert.ok((await plain.evaluate([SAMPLE])).loss > 0)
    await assert.rejects(plain.step([[SAMPLE]]), { message: /name a part \(decoder\), give lora/ })
    await assert.rejects(createTrainer(from, { trainable: ['projector'], lora: { rank: 2 } }), {
      code: 'CONFIG_TRAINER',
    })
  }
  for (const [from, more, parts] of [
    [gguf, { lora: { rank: 2 } }, []],
    [folder, {}, ['decoder']],
  ] as const) {
    const { recipe, groups } = await dryRun(
      {
        model: from,
        stage: 'instruction',
        data: rowsFile(),
        steps: 1,
        output: join(root, 'o'),
        ...more,
      },
      { operationsPerSecond: { f32: 1e9, int8: 1e9 } },
    )
    assert.deepEqual(recipe.trainable, parts)
    assert.ok(groups.some(({ isTrained }) => isTrained))
  }
  await train({
    model: gguf,
    stage: 'instruction',
    conversation: 'qwen_1_5',
    lora: { rank: 2 },
    steps: 1,
    data: rowsFile(),
    output: join(root, 'unnamed'),
  })
  assert.ok(existsSync(join(root, 'unnamed', 'model', 'adapter_model.safetensors')))
})

// It was told to name the projector, which the model has not, in place of `[]`, which nobody had written.
test('a stage that trains the projector alone is refused over a language model without eyes', async () => {
  const folder = join(root, 'eyeless')
  await writeTinyCheckpoint(folder, TEXT_ONLY)
  for (const stage of ['alignment', 'words']) {
    const recipe = { model: folder, stage, data: rowsFile(), output: join(root, 'o') }
    await assert.rejects(train(recipe), {
      code: 'CONFIG_RECIPE',
      message: new RegExp(`a projector, which stage ${stage} trains, .*eyeless is .*instruction`),
    })
  }
})

// It named the folder that the file lies in: another model may be there.
test('an adapter over a .gguf file names the file, and says how it is opened', async () => {
  const [from, folder] = [join(root, 'lm.gguf'), join(root, 'adapter')]
  await using trainer = await createTrainer(from, {
    trainable: [],
    lora: { rank: 2 },
    learningRate: 1e-2,
  })
  await trainer.step([[SAMPLE]])
  const [notice] = await trainer.save(folder)
  assert.ok(notice?.includes(`--model ${from} --adapter FOLDER`), notice)
  const config = JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8')) as object
  assert.equal((config as { base_model_name_or_path: string }).base_model_name_or_path, from)
  await using again = await createTrainer(from, { adapters: [folder], trainable: [] })
  const { loss } = await trainer.evaluate([SAMPLE])
  assert.ok(Math.abs((await again.evaluate([SAMPLE])).loss - loss) < 1e-5)
  await assert.rejects(createTrainer(folder), {
    code: 'CONFIG_OPTION',
    // It spoke of the option base, which nobody had given.
    message: new RegExp(
      `^${folder}: .*its adapter_config\\.json names ${from}; give the \\.gguf file as the model and ${folder} as`,
    ),
  })
})
