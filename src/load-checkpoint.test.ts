/** Which part of a checkpoint gives a weight, and what is refused where parts do not go together. */
import assert from 'node:assert/strict'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, describe, test } from 'node:test'
import { hostTensor, type HostTensor } from './core/tensor.ts'
import { parameterPath } from './families/parameter-names.ts'
import { openParts, type CheckpointOptions } from './load-checkpoint.ts'
import { loadModel } from './index.ts'
import { tinyWeights, writeTinyCheckpoint, writeTinyWeights } from '../test/tiny/checkpoint.ts'
import { LLAVA_CLIP } from '../test/tiny/checkpoints.ts'
import { tensorName } from '../test/tiny/tensor-names.ts'

const root = mkdtempSync(join(tmpdir(), 'llava-parts-'))
after(() => rmSync(root, { recursive: true }))

/** The tensor at a path of ours, from the last part that has it; the files that are said to be read. */
async function readPart(folder: string, path: string, options: CheckpointOptions) {
  const checkpoint = await openParts(folder, options)
  try {
    const found = checkpoint.parts.flatMap(({ source, rules }) =>
      [...source.tensors.keys()]
        .filter((name) => parameterPath(rules, name) === path)
        .map((name) => Array.from(source.read(name).data as Float32Array)),
    )
    return { data: found.at(-1), files: checkpoint.files.map((file) => basename(file)) }
  } finally {
    checkpoint.close()
  }
}

describe('a vision tower that is given', async () => {
  const { folder, config, weights } = await writeTinyCheckpoint(join(root, 'whole'), LLAVA_CLIP)

  /** The tower alone, each weight doubled, without those whose path `isLeft` leaves out. */
  async function writeTower(name: string, isLeft?: (path: string) => boolean): Promise<string> {
    const tower = join(root, name)
    mkdirSync(tower)
    writeFileSync(join(tower, 'config.json'), JSON.stringify(LLAVA_CLIP.config['vision_config']))
    const doubled = [...tinyWeights(config)]
      .filter(([path]) => path.startsWith('vision.') && !isLeft?.(path))
      .map(([path, { shape, data }]): [string, HostTensor] => {
        return [
          path,
          hostTensor(
            'float32',
            shape,
            (data as Float32Array).map((x) => 2 * x),
          ),
        ]
      })
    await writeTinyWeights(join(tower, 'tower.safetensors'), new Map(doubled), (path) =>
      tensorName('original-apart', path, 'clip'),
    )
    return tower
  }

  test('replaces the one that a llava-hf checkpoint has', async () => {
    const path = 'vision.layers.0.mlp.up.weight'
    const stored = Array.from(weights.get(path)!.data as Float32Array)
    const alone = await readPart(folder, path, {})
    assert.deepEqual(alone, { data: stored, files: ['model.safetensors'] })
    const visionTower = join(await writeTower('tower'), 'tower.safetensors')
    const given = await readPart(folder, path, { visionTower })
    assert.deepEqual(given, {
      data: stored.map((value) => Math.fround(2 * value)),
      files: ['model.safetensors', 'tower.safetensors'],
    })
  })

  test('leaves no gap to the one that it replaces', async () => {
    const isLayer1 = (path: string) => path.startsWith('vision.layers.1.')
    const visionTower = join(await writeTower('short', isLayer1), 'tower.safetensors')
    await assert.rejects(loadModel(folder, { visionTower }), {
      code: 'CHECKPOINT_MISMATCH',
      message: /missing: vision_model\.encoder\.layers\.1\./,
    })
  })

  test('gives its config alone where an original checkpoint was saved with the tower it trained', async () => {
    const checkpoints = 'fixtures/original/checkpoints'
    const visionTower = join(checkpoints, 'tower-clip-vit-large-patch14-336')
    const whole = join(checkpoints, 'llava-v1.6-vicuna')
    const path = 'vision.layers.0.mlp.up.weight'
    const read = await readPart(whole, path, { visionTower })
    const tower = await readPart(join(checkpoints, 'llava-v1.5'), path, { visionTower })
    assert.notDeepEqual(read.data, tower.data)
    assert.deepEqual([read.files.length, tower.files.length], [1, 2])
  })

  test('may be a config alone where an original checkpoint holds its weights, and nowhere else', async () => {
    const checkpoints = 'fixtures/original/checkpoints'
    const visionTower = join(root, 'x-tower')
    mkdirSync(visionTower)
    for (const name of ['config.json', 'preprocessor_config.json'])
      cpSync(join(checkpoints, 'tower-clip-vit-large-patch14-336', name), join(visionTower, name))
    const whole = join(root, 'llava-v1.6-vicuna')
    cpSync(join(checkpoints, basename(whole)), whole, { recursive: true })
    const json = JSON.parse(readFileSync(join(whole, 'config.json'), 'utf8'))
    writeFileSync(
      join(whole, 'config.json'),
      JSON.stringify({ ...json, mm_vision_tower: 'x-tower' }),
    )
    for (const options of [{}, { visionTower }]) await (await loadModel(whole, options)).dispose()
    for (const other of [join(checkpoints, 'llava-v1.5'), folder]) {
      await assert.rejects(loadModel(other, { visionTower }), {
        code: 'CHECKPOINT_NOT_FOUND',
        message: /x-tower, it has config\.json, preprocessor_config\.json/,
      })
    }
  })
})

test('a checkpoint of the hub is asked in the mode of its id, not of its commit nor of a link that says none', async () => {
  const checkpoints = 'fixtures/original/checkpoints'
  const visionTower = join(checkpoints, 'tower-clip-vit-large-patch14-336')
  const repository = join(root, 'hub', 'models--liuhaotian--llava-v1.6-34b')
  const commit = '0123456789abcdef'.repeat(3).slice(0, 40)
  const snapshot = join(repository, 'snapshots', commit)
  mkdirSync(join(repository, 'refs'), { recursive: true })
  writeFileSync(join(repository, 'refs', 'main'), commit)
  cpSync(join(checkpoints, 'llava-v1.6-vicuna'), snapshot, { recursive: true })
  const hub = { cacheDir: join(root, 'hub'), offline: true }
  const [link, named] = [join(root, 'my-model'), join(root, 'LLaVA-7b-v0')]
  for (const path of [link, named]) symlinkSync(snapshot, path)
  for (const name of ['liuhaotian/llava-v1.6-34b', snapshot, `${snapshot}/`, link]) {
    const checkpoint = await openParts(name, { hub, visionTower })
    checkpoint.close()
    const { prompt } = checkpoint.config
    assert.equal(prompt.kind === 'conversation' && prompt.mode, 'chatml_direct', name)
  }
  const checkpoint = await openParts(named, { visionTower })
  checkpoint.close()
  const { prompt } = checkpoint.config
  assert.equal(prompt.kind === 'conversation' && prompt.mode, 'llava_v0')
})

test('a folder whose weights are missing has not those of the model that its config names', async () => {
  const { folder } = await writeTinyCheckpoint(join(root, 'named'), LLAVA_CLIP)
  const empty = join(root, 'without-weights')
  mkdirSync(empty)
  const config = { ...LLAVA_CLIP.config, _name_or_path: folder }
  writeFileSync(join(empty, 'config.json'), JSON.stringify(config))
  await assert.rejects(openParts(empty, {}), {
    code: 'CHECKPOINT_NOT_FOUND',
    message: /expected model\.safetensors.*without-weights/,
  })
})

test('weights that another program has quantised are refused by its name', async () => {
  const { folder, weights } = await writeTinyCheckpoint(join(root, 'packed'), LLAVA_CLIP)
  const quantized = (config: object) =>
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...LLAVA_CLIP.config, ...config }))
  quantized({ quantization_config: { quant_method: 'bitsandbytes', load_in_4bit: true } })
  // As the config of a QLoRA adapter has it, whose base is not rounded.
  const { close } = await openParts(folder, {})
  close()
  const packed = hostTensor('uint8', [4], new Uint8Array(4))
  await writeTinyWeights(
    join(folder, 'model.safetensors'),
    new Map([...weights, ['decoder.layers.0.mlp.up.weight', packed]]),
    (path) => tensorName('hub', path, 'clip'),
  )
  for (const [config, method] of [
    [{ quantization_config: { quant_method: 'awq' } }, 'awq'],
    [{ text_config: { quantization_config: { quant_method: 'gptq' } } }, 'gptq'],
    [{ quantization_config: { load_in_8bit: true } }, 'bitsandbytes'],
  ] as const) {
    quantized(config)
    await assert.rejects(openParts(folder, {}), {
      code: 'CHECKPOINT_QUANTIZED',
      message: new RegExp(`up_proj.weight is uint8: they were quantised by ${method} .*take the`),
    })
  }
})

test('adapters that are each other’s base are refused, and a chain without an end', async () => {
  const writeAdapter = (name: string, base: string) => {
    const folder = join(root, name)
    mkdirSync(folder, { recursive: true })
    const config = { peft_type: 'LORA', base_model_name_or_path: base }
    writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify(config))
    return folder
  }
  const one = writeAdapter('one', join(root, 'two'))
  writeAdapter('two', one)
  await assert.rejects(openParts(one, {}), {
    code: 'CHECKPOINT_BASE',
    message: /one: expected bases that end at a whole model, .*one again came; give/,
  })
  for (let i = 0; i < 20; i++) writeAdapter(`chain-${i}`, join(root, `chain-${i + 1}`))
  mkdirSync(join(root, 'chain-20'))
  await assert.rejects(openParts(join(root, 'chain-0'), {}), { code: 'CHECKPOINT_BASE' })
})
