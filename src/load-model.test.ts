/** A tiny checkpoint loaded in every form: what it costs in exactness, where its quantised copies lie, what is refused. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { EMBEDDING } from './decoder/decoder.ts'
import { hostTensor, type HostTensor } from './core/tensor.ts'
import { toFloat32 } from './core/tensor.ts'
import {
  CheckpointError,
  LlavaError,
  loadModel,
  type LoadOptions,
  type LoadProgress,
  type PrecisionOption,
} from './index.ts'
import { writeTinyAdapter } from '../test/tiny/adapter.ts'
import { writeTinyCheckpoint, type TinyCheckpoint } from '../test/tiny/checkpoint.ts'
import { controlId } from '../test/tiny/tokenizer.ts'
import { LLAVA_CLIP, LLAVA_SIGLIP, NEXT, TEXT_ONLY } from '../test/tiny/checkpoints.ts'

const root = mkdtempSync(join(tmpdir(), 'llava-load-'))
const { HOME } = process.env
before(async () => {
  // What falls back to the user's cache folder must not go into that of whoever runs the tests.
  process.env['HOME'] = join(root, 'home')
  await written('llava', LLAVA_CLIP)
})
after(() => {
  process.env['HOME'] = HOME
  rmSync(root, { recursive: true })
})

async function written(
  name: string,
  checkpoint: TinyCheckpoint,
  change?: (w: Map<string, HostTensor>) => void,
) {
  return writeTinyCheckpoint(join(root, name), checkpoint, change)
}

const PIXELS = { data: new Uint8Array(40 * 30 * 3).fill(99), width: 40, height: 30 }
const PROMPT = { prompt: '<image>What is it?', images: [PIXELS] }

/** Logits at all positions of a prompt with a picture, and what was heard while loading. */
async function trial(folder: string, options: LoadOptions, prompt: object = PROMPT) {
  const events: LoadProgress[] = []
  await using model = await loadModel(folder, {
    ...options,
    onProgress: (event) => events.push(event),
  })
  const { data } = await model.logits({ ...(prompt as typeof PROMPT), positions: 'all' })
  const answer = await model.generate({
    ...(prompt as typeof PROMPT),
    maxTokens: 4,
    ignoreEos: true,
  })
  assert.equal(answer.tokens.length, 4)
  return { data, events, precision: model.precision }
}

function relativeError(actual: Float32Array, expected: Float32Array): number {
  let [error, size] = [0, 0]
  expected.forEach((value, i) => {
    error += (actual[i]! - value) ** 2
    size += value ** 2
  })
  return Math.sqrt(error / size)
}

/** Weights of products in the decoder. */
const LINEAR = /^decoder\.layers\..*\.(?:q|k|v|output|gate|up|down)\.weight$/

const OUTLIER = 64

/** One channel of each MLP that is far larger than the others and is read as much smaller, and the token that begins every prompt. */
function addOutliers(weights: Map<string, HostTensor>): void {
  for (const [name, { data, shape }] of weights) {
    const columns = shape[1] ?? 1
    const isAt = (i: number) =>
      (/^decoder\..*\.up\.weight$/.test(name) && Math.floor(i / columns) === 3) ||
      (name === EMBEDDING && Math.floor(i / columns) === controlId('<s>'))
    const isRead = (i: number) => /^decoder\..*\.down\.weight$/.test(name) && i % columns === 3
    const values = data as Float32Array
    for (let i = 0; i < values.length; i++) {
      if (isAt(i)) values[i]! *= OUTLIER
      if (isRead(i)) values[i]! /= OUTLIER
    }
  }
}

/** To 8 bits with one scale for the whole tensor. */
function roundedByTensor({ data, shape }: HostTensor): HostTensor {
  const values = data as Float32Array
  const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127
  return hostTensor(
    'float32',
    shape,
    values.map((value) => Math.round(value / scale) * scale),
  )
}

describe('precision', () => {
  /** Of the logits, measured and doubled. Layers of 32 columns average nothing away: real ones are far nearer. */
  const ERRORS: Readonly<Record<string, number>> = {
    int8: 0.03,
    q8: 0.04,
    q4: 0.3,
    q4b128: 0.4,
    'int8+q4': 0.03,
  }
  /** What is rounded is the weights alone. */
  const WEIGHTS = { kvCache: 'f32' } as const
  const cacheDir = join(root, 'precision')
  let exact: Float32Array
  before(async () => {
    exact = (await trial(join(root, 'llava'), { precision: 'f32' })).data
  })

  test('an int8 cache is near float32', async (t) => {
    const { data } = await trial(join(root, 'llava'), { precision: 'f32', kvCache: 'int8' })
    const error = relativeError(data, exact)
    t.diagnostic(`relative error ${error.toFixed(4)}`)
    assert.ok(error > 0 && error <= 0.03, `${error}`)
  })

  for (const [precision, allowed] of Object.entries(ERRORS)) {
    test(`${precision} is near float32`, async (t) => {
      const options = { ...WEIGHTS, precision: precision as PrecisionOption, cacheDir }
      const { data, precision: chosen } = await trial(join(root, 'llava'), options)
      const error = relativeError(data, exact)
      t.diagnostic(`relative error ${error.toFixed(4)}`)
      assert.ok(error > 0 && error <= allowed, `${error}`)
      assert.equal(chosen.name, precision)
    })
  }

  test('outlier channels and an outlier token cost no form more, and one scale a tensor far more', async (t) => {
    await written('outliers', LLAVA_CLIP, addOutliers)
    await written('naive', LLAVA_CLIP, (weights) => {
      addOutliers(weights)
      for (const [name, tensor] of weights) {
        if (LINEAR.test(name)) weights.set(name, roundedByTensor(tensor))
      }
    })
    const outliers = join(root, 'outliers')
    const expected = (await trial(outliers, { precision: 'f32' })).data
    const naive = await trial(join(root, 'naive'), { precision: 'f32' })
    const cost = relativeError(naive.data, expected)
    t.diagnostic(`one scale a tensor: ${cost.toFixed(4)}`)
    // q4b128 is nobody's default: its blocks are as wide as these tensors.
    for (const precision of ['int8', 'q8', 'q4', 'int8+q4'] as const) {
      const allowed = ERRORS[precision]!
      const options = { ...WEIGHTS, precision, cacheDir }
      const error = relativeError((await trial(outliers, options)).data, expected)
      t.diagnostic(`${precision}: ${error.toFixed(4)}`)
      assert.ok(error <= allowed && allowed < cost, `${precision}: ${error} of ${allowed}, ${cost}`)
    }
  })

  for (const precision of ['f32', 'int8', 'q8', 'q4', 'q4b128'] as const) {
    test(`a batch in ${precision} equals the single runs`, async () => {
      await using model = await loadModel(join(root, 'llava'), { precision, cacheDir })
      const texts = ['Hello', 'What is 2 + 2?', 'A longer question about spring. '.repeat(6)]
      const requests = texts.map((text, i) => ({
        messages: [{ role: 'user' as const, content: text }],
        maxTokens: 20 + 4 * i,
        ignoreEos: true,
      }))
      const together = await model.generateBatch(requests)
      for (const [i, request] of requests.entries()) {
        assert.deepEqual((await model.generate(request)).tokens, together[i]!.tokens)
      }
    })
  }

  test('auto takes float32 for what is small, and says why', async () => {
    const { data, precision } = await trial(join(root, 'llava'), {})
    assert.equal(precision.name, 'f32')
    assert.match(precision.reason, /small enough for float32/)
    assert.deepEqual(data, exact)
  })

  test('layers may differ: all of them in float32 are float32', async () => {
    const layers = { 'decoder.*': 'f32', 'vision.*': 'f32', 'projector.*': 'f32' } as const
    const precision = { default: 'q4', layers } as const
    const { data } = await trial(join(root, 'llava'), { ...WEIGHTS, precision, cacheDir })
    assert.deepEqual(data, exact)
  })

  test('layers may differ: one of them alone is quantised', async () => {
    const layers = { 'decoder.layers.1.mlp.down': 'q4' } as const
    const { data } = await trial(join(root, 'llava'), {
      precision: { default: 'f32', layers },
      cacheDir,
    })
    const error = relativeError(data, exact)
    assert.ok(error > 0 && error < ERRORS['q4']! / 2, `${error}`)
  })

  test('one activation may be read in 8 and in 16 bits', async () => {
    const layers = { 'decoder.layers.0.attention.k': 'int8' } as const
    await trial(join(root, 'llava'), { precision: { default: 'int8', layers }, cacheDir })
  })

  test('stored types do not matter: a half-precision file quantises like its widened twin', async () => {
    const { weights } = await written('halves', { ...NEXT, dtype: 'float16' })
    await written('wide', { ...NEXT, dtype: 'float32' }, (wide) => {
      for (const [name, tensor] of weights) {
        wide.set(name, hostTensor('float32', tensor.shape, toFloat32(tensor)))
      }
    })
    const [halves, wide] = [
      await trial(join(root, 'halves'), { precision: 'int8', cacheDir }),
      await trial(join(root, 'wide'), { precision: 'int8', cacheDir }),
    ]
    assert.deepEqual(halves.data, wide.data)
  })

  test('a tied head is quantised and the embedding is not', async () => {
    await written('tied', LLAVA_SIGLIP)
    const tied = await trial(join(root, 'tied'), { precision: 'f32' })
    const int8 = await trial(join(root, 'tied'), { ...WEIGHTS, precision: 'int8', cacheDir })
    assert.ok(relativeError(int8.data, tied.data) <= ERRORS['int8']!)
  })
})

describe('quantised copies', () => {
  const stages = (events: readonly LoadProgress[]) => new Set(events.map(({ stage }) => stage))
  const INT8 = { precision: 'int8' } as const
  const TEXT = { prompt: 'What is it?' }

  test('lie beside the checkpoint, are made once and then mapped', async () => {
    const { folder } = await written('beside', TEXT_ONLY)
    const first = await trial(folder, INT8, TEXT)
    assert.ok(stages(first.events).has('quantize'))
    const files = () => readdirSync(join(folder, '.llava-ts'))
    const times = () => files().map((name) => statSync(join(folder, '.llava-ts', name)).mtimeMs)
    assert.ok(files().some((name) => name.endsWith('.safetensors')))
    const made = times()
    const second = await trial(folder, INT8, TEXT)
    assert.ok(!stages(second.events).has('quantize'))
    assert.deepEqual(times(), made)
    assert.deepEqual(second.data, first.data)
  })

  test('are made anew when the weights are others', async () => {
    const { folder } = await written('changed', TEXT_ONLY)
    const first = await trial(folder, INT8, TEXT)
    await written('changed', TEXT_ONLY, (weights) => {
      const down = weights.get('decoder.layers.0.mlp.down.weight')!.data as Float32Array
      down.forEach((value, i) => (down[i] = -value))
    })
    const second = await trial(folder, INT8, TEXT)
    assert.ok(stages(second.events).has('quantize'))
    assert.notDeepEqual(second.data, first.data)
  })

  test('of one model with other adapters are several, each made once', async () => {
    const { folder } = await written('adapted', TEXT_ONLY)
    const matrices = new Map([['model.layers.0.self_attn.q_proj.weight', [32, 32]]])
    const adapters: string[][] = [[]]
    for (const name of ['a', 'b'])
      adapters.push([await writeTinyAdapter(join(root, name), matrices, () => 0.1)])
    const heard = async (given: readonly string[]) =>
      stages((await trial(folder, { ...INT8, adapters: given }, TEXT)).events)
    for (const given of adapters) assert.ok((await heard(given)).has('quantize'))
    for (const given of adapters) assert.ok(!(await heard(given)).has('quantize'), given[0])
    assert.equal(readdirSync(join(folder, '.llava-ts')).length, adapters.length)
  })

  test('go to the user where the folder cannot be written', async () => {
    const { folder } = await written('locked', TEXT_ONLY)
    // A file in the folder's place stops every user, root too.
    writeFileSync(join(folder, '.llava-ts'), 'no folder')
    chmodSync(folder, 0o555)
    const first = await trial(folder, INT8, TEXT)
    assert.ok(stages(first.events).has('quantize'))
    const second = await trial(folder, INT8, TEXT)
    assert.ok(!stages(second.events).has('quantize'))
    assert.deepEqual(second.data, first.data)
    chmodSync(folder, 0o755)
  })

  test('go where cacheDir says, and nowhere else', async () => {
    const { folder } = await written('elsewhere', TEXT_ONLY)
    const cacheDir = join(root, 'cache')
    await trial(folder, { ...INT8, cacheDir }, TEXT)
    assert.ok(existsSync(cacheDir))
    assert.ok(!existsSync(join(folder, '.llava-ts')))
  })
})

describe('a weight that is no number is refused by its name', () => {
  const damaged = [
    'decoder.embedTokens.weight',
    'decoder.layers.1.attention.k.weight',
    'decoder.layers.0.mlpNorm.weight',
    'decoder.head.weight',
    'vision.layers.0.mlp.up.bias',
    'projector.layers.1.weight',
    'imageNewline',
  ]
  for (const precision of ['f32', 'int8', 'q4'] as const) {
    for (const name of damaged) {
      test(`${precision}: ${name}`, async () => {
        const checkpoint =
          name === 'imageNewline' ? { ...NEXT, dtype: 'float32' as const } : LLAVA_CLIP
        const { folder } = await written(`nan-${precision}-${name}`, checkpoint, (weights) => {
          const data = weights.get(name)!.data as Float32Array
          data[data.length - 1] = NaN
        })
        await assert.rejects(
          loadModel(folder, { precision, cacheDir: join(root, 'nan') }),
          (error) => {
            assert.ok(error instanceof CheckpointError, String(error))
            assert.equal(error.code, 'CHECKPOINT_NOT_FINITE')
            assert.ok(error.message.includes(name), error.message)
            assert.match(
              error.message,
              /\S+(weight|bias|newline|embedding) in \S*model\.safetensors/,
            )
            return true
          },
        )
      })
    }
  }
})

describe('options that make no sense are refused by name', () => {
  const REFUSED: readonly (readonly [object, string, RegExp])[] = [
    [
      { maxcontext: 9 },
      'INPUT_UNKNOWN_OPTION',
      /unknown option maxcontext; known are precision, .*maxContext/,
    ],
    [{ maxContext: 0 }, 'CONFIG_OPTION', /maxContext should be a whole number from 1, 0 came/],
    [
      { threads: 1.5, kvBytes: -1 },
      'CONFIG_OPTION',
      /threads should be .* 1\.5 came; kvBytes should be a number from 0/,
    ],
    [{ layout: 'llava' }, 'CONFIG_OPTION', /layout should be 'original' or 'hf', "llava" came/],
    [{ signal: 'stop' }, 'CONFIG_OPTION', /signal should be an AbortSignal/],
    [{ adapters: 'lora' }, 'CONFIG_OPTION', /adapters should be a list of folders, "lora" came/],
    [{ allowRemote: 'yes' }, 'CONFIG_OPTION', /allowRemote should be true or false/],
    [{ device: 'gpu' }, 'CONFIG_DEVICE', /device should be 'cpu', "gpu" came/],
    [{ quirks: { fitt: 'pad' } }, 'CONFIG_QUIRK', /there is no fitt/],
    [
      { quirks: { clipNewline: 'frame' } },
      'CONFIG_QUIRK',
      /clipNewline frame expects a model with image_newline/,
    ],
    [
      { precision: { defualt: 'q4' } },
      'CONFIG_OPTION',
      /precision should be auto, f32, .* or \{ default, layers \}/,
    ],
    [{ precision: null }, 'CONFIG_OPTION', /precision should be .* null came/],
    [
      { hub: { tokn: 'x' } },
      'CONFIG_OPTION',
      /hub should be an object of cacheDir, endpoint, .*, one with tokn came/,
    ],
    [
      { hub: { offline: 'yes', token: 5 }, processor: 'x' },
      'CONFIG_OPTION',
      /processor should be 'file' or 'derived', "x" came; hub\.offline should be .* "yes" came; hub\.token should be a text, another value came/,
    ],
    [
      { hub: { token: ['hf_SECRET'] as never, cacheDir: '' } },
      'CONFIG_OPTION',
      /^loadModel: hub\.cacheDir should be a text, "" came; hub\.token should be a text, another value came\.$/,
    ],
    [
      { hub: { token: 'hf_SECRET', cachedir: 'x' } },
      'CONFIG_OPTION',
      /^loadModel: hub should be an object of [a-zA-Z, ]*, one with cachedir came\.$/,
    ],
    [{ maxContext: Infinity }, 'CONFIG_OPTION', /maxContext should be .* 1, Infinity came/],
    [{ kvCache: null }, 'CONFIG_OPTION', /kvCache should be a text, null came/],
    [{ precision: 'int3' }, 'CONFIG_PRECISION', /expected one of auto, f32/],
    [{ kvCache: 'f8' }, 'CONFIG_KV_CACHE', /kvCache: expected one of/],
    [
      { precision: { layers: { 'decoder.head': 'int3' } } },
      'CONFIG_PRECISION',
      /"decoder\.head" should be one of f32, int8, .* "int3" came/,
    ],
    [
      { precision: { default: 'f32', layers: { 'decoder.layer.*': 'q8' } } },
      'CONFIG_PRECISION_PATTERN',
      /"decoder\.layer\.\*" fits no linear layer; names are like decoder\.layers\.0\.attention\.q\.weight/,
    ],
    [
      { precision: { layers: { '(a|b)': 'q8' } } },
      'CONFIG_PRECISION_PATTERN',
      /"\(a\|b\)" is no parameter pattern/,
    ],
  ]
  for (const [options, code, message] of REFUSED) {
    test(JSON.stringify(options), async () => {
      await assert.rejects(loadModel(join(root, 'llava'), options), (error) => {
        assert.ok(error instanceof LlavaError, String(error))
        assert.equal(error.code, code)
        assert.match(error.message, message)
        return true
      })
    })
  }

  test('a model that is no text, and options that are no object', async () => {
    const load = loadModel as (name: unknown, options?: unknown) => Promise<unknown>
    const fault = (message: RegExp) => ({ name: 'ConfigError', code: 'CONFIG_OPTION', message })
    await assert.rejects(load(5), fault(/should be named by a text, .* 5 came/))
    await assert.rejects(load(undefined), fault(/should be named by a text, .* nothing came/))
    await assert.rejects(load('mini', null), fault(/options should be an object, null came/))
  })

  test('a hub id is looked for where the environment of Hugging Face says', async () => {
    const set = { HF_HOME: join(root, 'hf'), HF_HUB_OFFLINE: '1' }
    const before = { ...process.env }
    Object.assign(process.env, set)
    try {
      await assert.rejects(loadModel('tiny/llava'), (error) => {
        assert.ok(error instanceof LlavaError, String(error))
        assert.equal(error.code, 'CHECKPOINT_NOT_CACHED')
        assert.ok(error.message.includes(join(root, 'hf', 'hub')), error.message)
        assert.match(error.message, /offline/i)
        return true
      })
    } finally {
      for (const name of Object.keys(set)) delete process.env[name]
      Object.assign(process.env, before)
    }
  })

  test('loading stops when the signal says so', async () => {
    const reason = new Error('enough')
    await assert.rejects(
      loadModel(join(root, 'llava'), { signal: AbortSignal.abort(reason) }),
      reason,
    )
  })
})
