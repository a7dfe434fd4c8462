/**
 * Conversion there and back: the same pixels, ids and logits in both layouts. `fixtures/original/checkpoints` and
 * `fixtures/inference` hold the models; transformers 5.23 was seen to open what is written here, with equal ids and logits
 * within 7e-5, as its classes for LLaVA, NeXT, NeXT-Video and OneVision.
 */
import assert from 'node:assert/strict'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { loadModel, type LoadOptions, type Message } from '../../src/index.ts'
import { float16ToFloat32, float32ToFloat16 } from '../../src/core/dtype.ts'
import { toFloat32 } from '../../src/core/tensor.ts'
import { loadTokenizer } from '../../src/text/index.ts'
import { openCheckpoint, type WeightSource } from '../../src/weights/index.ts'
import { writeTinyCheckpoint } from '../tiny/checkpoint.ts'
import { LLAVA_CLIP } from '../tiny/checkpoints.ts'
import { llava } from './run-cli.ts'
import { firstOf } from '../thorough.ts'

const ORIGINAL = 'fixtures/original/checkpoints'
const TOWER_224 = `${ORIGINAL}/tower-clip-vit-large-patch14`
const TOWER_336 = `${TOWER_224}-336`
const TOWER_SIGLIP = `${ORIGINAL}/tower-siglip-so400m-patch14-384`
const FOLDER = mkdtempSync(join(tmpdir(), 'llava-convert-'))
after(() => rmSync(FOLDER, { recursive: true }))

/** A copy of a recorded checkpoint with other keys in its config, under its own name. */
function changed(name: string, keys: object): string {
  const folder = named(name, name)
  const config = { ...json(folder, 'config.json'), ...keys }
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  return folder
}

/** A copy of a recorded checkpoint under another name. */
function named(name: string, other: string): string {
  const folder = join(mkdtempSync(join(FOLDER, 'named-')), other)
  cpSync(`${ORIGINAL}/${name}`, folder, { recursive: true })
  return folder
}

function json(folder: string, name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, name), 'utf8')) as Record<string, unknown>
}

/** Two turns, so that the end of an answer is part of the prompt. */
const MESSAGES: readonly Message[] = [
  {
    role: 'user',
    content: [
      { type: 'image', image: 'fixtures/pictures/photo-247x167.png' },
      { type: 'text', text: 'What is this?' },
    ],
  },
  { role: 'assistant', content: 'A plant.' },
  { role: 'user', content: 'Are you sure?' },
]

describe('original to llava-hf and back', () => {
  const cases: readonly (readonly [string, LoadOptions, number])[] = [
    ['llava-v1', { visionTower: TOWER_224 }, 1],
    ['llava-v1.5-lora', { visionTower: TOWER_336, base: `${ORIGINAL}/vicuna` }, 1],
    ['llava-next-video', { visionTower: TOWER_336 }, 2],
    ['llava-onevision-qwen2', { visionTower: TOWER_SIGLIP }, 2],
    ['llava-v1.5', { visionTower: TOWER_336 }, 1],
    ['llava-v1.5-projector', { visionTower: TOWER_336, base: `${ORIGINAL}/vicuna` }, 1],
    ['llava-v1.6-vicuna', { visionTower: TOWER_336 }, 1],
  ]
  for (const [name, options, added] of firstOf(4, cases)) {
    test(`${name}: logits are equal, the vocabulary grows by the picture's token and shrinks again`, async () => {
      const source = `${ORIGINAL}/${name}`
      const [hf, back] = [join(FOLDER, `${name}-hf`), join(FOLDER, name)]
      await convert(source, 'llava-hf', hf, options)
      await convert(hf, 'original', back)
      const before = await look(source, options)
      const between = await look(hf)
      const afterwards = await look(back)
      assert.equal(between.vocabSize, before.vocabSize + added)
      assert.deepEqual(commonLogits(between, before.vocabSize), before.logits)
      assert.deepEqual(afterwards, before)
    })
  }

  // Frames are cut by the tower's own processor, pictures padded: once the new layout padded both.
  test('llava-v1.5: a clip is what it was, frame by frame', async () => {
    const source = `${ORIGINAL}/llava-v1.5`
    const [hf, back] = [join(FOLDER, 'clip-hf'), join(FOLDER, 'clip-back')]
    const there = await convert(source, 'llava-hf', hf, { visionTower: TOWER_336 })
    const again = await convert(hf, 'original', back)
    const tiles = await clipTiles(source, { visionTower: TOWER_336 })
    assert.deepEqual(await clipTiles(hf), tiles)
    assert.deepEqual(await clipTiles(back), tiles)
    for (const { notices } of [there, again]) assert.ok(!notices.some((n) => /Frames/.test(n)))
    rmSync(join(hf, 'video_preprocessor_config.json'))
    const { notices } = await convert(hf, 'original', join(FOLDER, 'clip-other'))
    const told = /Frames of clips are prepared cut to their middle .* padded to a square/
    assert.ok(
      notices.some((notice) => told.test(notice)),
      notices.join('\n'),
    )
  })

  // Seen to answer with equal logits in transformers 5.23; with 576 it stopped at every picture.
  test('CLIP with anyres_max_N counts the row that OneVision takes off', async () => {
    const source = changed('llava-v1.6-vicuna', { image_aspect_ratio: 'anyres_max_2' })
    const hf = join(FOLDER, 'max-hf')
    await convert(source, 'llava-hf', hf, { visionTower: TOWER_336 })
    assert.equal(json(hf, 'config.json')['model_type'], 'llava_onevision')
    assert.equal(json(hf, 'processor_config.json')['num_image_tokens'], 24 ** 2 + 1)
    const before = await look(source, { visionTower: TOWER_336 })
    assert.deepEqual((await look(hf)).tokens, before.tokens)
  })

  // transformers counts ⌊27² / 4⌋ rows a frame and makes 13², and its class for frames crops them to 224.
  test('an odd map that is pooled says that transformers takes no clips of it', async () => {
    const clips = { image_aspect_ratio: 'anyres', mm_spatial_pool_mode: 'average' }
    const source = changed('llava-onevision-qwen2', clips)
    const hf = join(FOLDER, 'odd-hf')
    const { notices } = await convert(source, 'llava-hf', hf, { visionTower: TOWER_SIGLIP })
    assert.equal(json(hf, 'config.json')['model_type'], 'llava_next_video')
    assert.equal(json(hf, 'video_preprocessor_config.json')['do_center_crop'], false)
    assert.match(notices.join(), /transformers counts 182 tokens a frame and pools it to 169/)
    const even = join(FOLDER, 'even-hf')
    const options = { visionTower: TOWER_336 }
    const other = await convert(`${ORIGINAL}/llava-next-video`, 'llava-hf', even, options)
    assert.doesNotMatch(other.notices.join(), /transformers counts/)
  })

  test('the number of frames that a processor samples is kept, or told where it has no place', async () => {
    const [hf, next] = [join(FOLDER, 'sampled-hf'), join(FOLDER, 'sampled-next')]
    await convert(`${ORIGINAL}/llava-next-video`, 'llava-hf', hf, { visionTower: TOWER_336 })
    const file = 'video_preprocessor_config.json'
    const sampled = { do_sample_frames: true, num_frames: 2 }
    writeFileSync(join(hf, file), JSON.stringify({ ...json(hf, file), ...sampled }))
    const kept = await convert(hf, 'llava-hf', next)
    assert.deepEqual(json(next, file), json(hf, file))
    assert.doesNotMatch(kept.notices.join(), /num_frames/)
    const told = await convert(next, 'original', join(FOLDER, 'sampled-original'))
    assert.match(told.notices.join(), /no place for num_frames.*--frames 2/)
  })

  // `###` ends answers of v0 by its conversation mode, which a chat template does not tell: converted ones ran on.
  test('what ends an answer is what ended it before', async () => {
    const source = named('llava-v1', 'LLaVA-13b-v0')
    const hf = join(FOLDER, 'v0-hf')
    const { notices } = await convert(source, 'llava-hf', hf, { visionTower: TOWER_224 })
    assert.deepEqual(json(hf, 'generation_config.json')['stop_strings'], ['###'])
    assert.match(notices.join(), /ends at the text "###".*tokenizer=processor.tokenizer/)
    const ends = await endsOf(source, ['--vision-tower', TOWER_224])
    assert.deepEqual(ends.endTexts, ['###'])
    assert.deepEqual(await endsOf(hf), ends)
  })

  test('a mode ends answers at its token though the files name another', async () => {
    const hf = join(FOLDER, 'mode-hf')
    const source = changed('llava-onevision-qwen2', { eos_token_id: 0 })
    await convert(source, 'llava-hf', hf, { visionTower: TOWER_SIGLIP })
    const end = (await loadTokenizer(hf)).idOf('<|im_end|>')
    assert.deepEqual(json(hf, 'generation_config.json')['eos_token_id'], [0, end])
  })

  // The original reads the mode off the folder: under a new name a model was asked in another way, and nothing said so.
  test('a name that stands for another conversation mode is told', async () => {
    const source = named('llava-v1.6-vicuna', 'llava-v1.6-34b')
    const options = { visionTower: TOWER_336 }
    const { notices } = await convert(source, 'original', join(FOLDER, 'merged'), options)
    assert.match(notices.join(), /vicuna_v1 in the new one, chatml_direct in the old.*--template/)
    assert.match(readFileSync(join(FOLDER, 'merged/README.md'), 'utf8'), /chatml_direct in the old/)
    const same = await convert(source, 'original', join(FOLDER, 'merged-34b'), options)
    assert.doesNotMatch(same.notices.join(), /conversation mode/)
    const hf = join(FOLDER, 'named-hf')
    await convert(source, 'llava-hf', hf, options)
    const back = await convert(hf, 'original', join(FOLDER, 'back-34b'))
    assert.doesNotMatch(back.notices.join(), /conversation mode/)
    const other = await convert(hf, 'original', join(FOLDER, 'back-other'))
    assert.match(other.notices.join(), /no chat template.*\(vicuna_v1 for this one\)/)
  })

  test('a checkpoint whose tower lies elsewhere says so', async () => {
    const out = join(FOLDER, 'no-tower')
    const args = ['convert', `${ORIGINAL}/llava-v1.5`, '--offline', '--out', out]
    const { code, stderr } = await llava(args)
    assert.equal(code, 1)
    assert.match(stderr, /needs "openai\/clip.*give its folder as visionTower/)
    assert.ok(!existsSync(out))
  })
})

describe('a delta and its base', () => {
  const delta = `${ORIGINAL}/llava-v1`
  const base = `${ORIGINAL}/vicuna`

  test('are added, tensor by tensor, and the vocabulary keeps the rows that it gained', async () => {
    const out = join(FOLDER, 'applied')
    const parts = ['--delta', delta, '--base', base, '--vision-tower', TOWER_224]
    const { code, stderr } = await llava(['convert', ...parts, '--to', 'original', '--out', out])
    assert.equal(code, 0, stderr)
    const sources = [delta, base, out].map(openCheckpoint)
    const [theirs, ours, sum] = sources as [WeightSource, WeightSource, WeightSource]
    let added = 0
    for (const [name, { shape }] of sum.tensors) {
      const expected = toFloat32(theirs.read(name)).slice()
      assert.deepEqual(shape, theirs.tensors.get(name)!.shape)
      if (ours.tensors.has(name)) {
        toFloat32(ours.read(name)).forEach((value, i) => (expected[i]! += value))
        added++
      } else assert.match(name, /mm_projector/)
      assert.deepEqual(toFloat32(sum.read(name)), rounded(expected), name)
    }
    assert.equal(added, ours.tensors.size)
    for (const source of sources) source.close()
    await look(out)
  })

  test('need one another', async () => {
    for (const [args, message] of [
      [['--delta', delta], /--delta needs --base/],
      [[delta, '--delta', delta], /in place of a source/],
      [[], /needs a source/],
    ] as const) {
      const { code, stderr } = await llava(['convert', ...args, '--out', join(FOLDER, 'none')])
      assert.equal(code, 2)
      assert.match(stderr, message)
    }
  })

  test('a shard of no bytes is refused before anything is opened', async () => {
    for (const bytes of ['0', '-5', '1.5']) {
      const args = ['convert', 'nothing/here', `--max-shard-bytes=${bytes}`]
      const { code, stderr } = await llava([...args, '--out', join(FOLDER, 'none')])
      assert.equal(code, 2)
      assert.match(stderr, /--max-shard-bytes should be a whole number/)
    }
  })

  test('a base of another kind is refused before anything is written', async () => {
    const out = join(FOLDER, 'other-base')
    const other = 'fixtures/inference/llava-mlp'
    const args = ['convert', '--delta', delta, '--base', other, '--vision-tower', TOWER_224]
    const { code, stderr } = await llava([...args, '--out', out])
    assert.equal(code, 1)
    assert.match(stderr, /is not in the base.*\[CHECKPOINT_DELTA\]/)
    assert.ok(!existsSync(out))
  })
})

/** As float16 holds them. */
function rounded(values: Float32Array): Float32Array {
  return float16ToFloat32(float32ToFloat16(values))
}

describe('llava-hf', () => {
  test('to original: the same raw prompt gives the same logits', async () => {
    const source = 'fixtures/inference/llava-mlp'
    const out = join(FOLDER, 'mlp')
    const { notices } = await convert(source, 'original', out)
    assert.match(notices[0] ?? '', /no chat template/)
    assert.deepEqual((await lookAtRaw(out)).logits, (await lookAtRaw(source)).logits)
  })

  test("to original and back: Mistral's window is kept, and it is said who sees it", async () => {
    const [source, original, back] = ['window', 'window-original', 'window-back'].map((name) =>
      join(FOLDER, name),
    ) as [string, string, string]
    const { text_config, ...config } = LLAVA_CLIP.config as { text_config: object }
    const mistral = { ...text_config, model_type: 'mistral', sliding_window: 9 }
    await writeTinyCheckpoint(source, {
      ...LLAVA_CLIP,
      config: { ...config, text_config: { ...mistral, num_key_value_heads: 2 } },
    })
    const { notices } = await convert(source, 'original', original)
    assert.ok(notices.some((notice) => /sees 9 positions.*sees all before it/.test(notice)))
    await convert(original, 'llava-hf', back)
    const { logits } = await lookAtRaw(source)
    assert.deepEqual((await lookAtRaw(original)).logits, logits)
    assert.deepEqual((await lookAtRaw(back)).logits, logits)
  })

  test('a linear projector becomes one layer again', async () => {
    const source = 'fixtures/inference/llava-linear-224'
    const out = join(FOLDER, 'linear')
    await convert(source, 'original', out)
    const tensors = openCheckpoint(out)
    assert.ok(tensors.tensors.has('model.mm_projector.weight'))
    tensors.close()
    assert.deepEqual((await lookAtRaw(out)).logits, (await lookAtRaw(source)).logits)
  })

  test('to llava-hf again, of transformers 5 names: nothing changes', async () => {
    const source = 'fixtures/inference/mini-vit-crop'
    const out = join(FOLDER, 'mini-vit-crop')
    await convert(source, 'llava-hf', out)
    assert.deepEqual(await look(out), await look(source))
  })

  test('a tower that the original does not have is refused before anything is written', async () => {
    const out = join(FOLDER, 'vit')
    const args = ['convert', 'fixtures/inference/mini-vit-crop', '--to', 'original', '--out', out]
    const { code, stderr } = await llava(args)
    assert.equal(code, 1)
    assert.match(stderr, /CLIP and SigLIP towers.*\[CONFIG_CONVERT\]/)
    assert.ok(!existsSync(out))
  })

  test('shards, dtype and model card are as asked for', async () => {
    const out = join(FOLDER, 'shards')
    const more = ['--dtype', 'float16', '--max-shard-bytes', '200000']
    const { files } = await convert(
      'fixtures/inference/llava-linear-224',
      'llava-hf',
      out,
      {},
      more,
    )
    assert.ok(files.includes('model.safetensors.index.json'))
    assert.deepEqual([...files].sort(), readdirSync(out).sort())
    const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))
    assert.equal(config.torch_dtype, 'float16')
    const tensors = openCheckpoint(out)
    for (const { dtype } of tensors.tensors.values()) assert.equal(dtype, 'float16')
    tensors.close()
    assert.match(readFileSync(join(out, 'README.md'), 'utf8'), /Weights: float16/)
  })

  test('a folder that is not empty is left alone', async () => {
    const { code, stderr } = await llava(['convert', TOWER_224, '--out', 'fixtures/pictures'])
    assert.equal(code, 2)
    assert.match(stderr, /not an empty folder/)
  })
})

type Converted = { readonly files: readonly string[]; readonly notices: readonly string[] }

async function convert(
  source: string,
  to: string,
  out: string,
  { visionTower, base }: LoadOptions = {},
  more: readonly string[] = [],
): Promise<Converted> {
  const tower = visionTower === undefined ? [] : ['--vision-tower', visionTower]
  const under = base === undefined ? [] : ['--base', base]
  const args = [source, '--to', to, '--out', out, ...tower, ...under, ...more, '--json']
  const { code, stdout, stderr } = await llava(['convert', ...args])
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout) as Converted
}

type Ends = {
  readonly endTokens: readonly { readonly id: number; readonly token: string }[]
  readonly endTexts: readonly string[]
}

async function endsOf(name: string, more: readonly string[] = []): Promise<Ends> {
  const { code, stdout, stderr } = await llava(['inspect', name, ...more, '--json'])
  assert.equal(code, 0, stderr)
  const { endTokens, endTexts } = JSON.parse(stdout) as Ends
  return { endTokens, endTexts }
}

type Seen = { readonly vocabSize: number; readonly logits: Float32Array; readonly tokens: unknown }

async function look(name: string, options: LoadOptions = {}): Promise<Seen> {
  return lookWith(name, { messages: MESSAGES }, options)
}

async function lookAtRaw(name: string): Promise<Seen> {
  const images = ['fixtures/pictures/photo-247x167.png']
  return lookWith(name, { prompt: 'USER: <image>\nWhat? ASSISTANT:', images }, {})
}

async function lookWith(
  name: string,
  prompt: Parameters<Awaited<ReturnType<typeof loadModel>>['logits']>[0],
  options: LoadOptions,
): Promise<Seen> {
  await using model = await loadModel(name, { precision: 'f32', ...options })
  const { data, shape } = await model.logits({ ...prompt, positions: 'last' })
  const { tokens } = await model.generate({ ...prompt, maxTokens: 6 })
  return { vocabSize: shape[1]!, logits: data, tokens }
}

/** A wide picture as a clip of two frames. */
async function clipTiles(name: string, options: LoadOptions = {}): Promise<Uint8Array> {
  await using model = await loadModel(name, { precision: 'f32', ...options })
  const frame = 'fixtures/pictures/photo-247x167.png'
  const content = [{ type: 'video', video: [frame, frame] } as const]
  const { tiles } = await model.prepare({ messages: [{ role: 'user', content }] })
  assert.ok(tiles)
  return new Uint8Array(tiles.data)
}

/** The logits of the ids that both have. */
function commonLogits({ logits }: Seen, vocabSize: number): Float32Array {
  return logits.subarray(0, vocabSize).slice()
}
