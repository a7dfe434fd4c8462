/** What must not work, through the public interface: each is refused with a class, a code, and words that say what to do. */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { InputError, loadModel, type LlavaError, type Model } from '../../src/index.ts'

const MODEL = 'fixtures/inference/mini-vit-crop'
const PICTURE = 'fixtures/pictures/photo-100x100.png'
const FOLDER = mkdtempSync(join(tmpdir(), 'llava-bad-'))
after(() => rmSync(FOLDER, { recursive: true }))

type Refusal = { readonly code: string | RegExp; readonly message: RegExp }

async function refused(promise: Promise<unknown>, { code, message }: Refusal): Promise<void> {
  const error = await promise.then(
    () => assert.fail('accepted'),
    (reason: LlavaError) => reason,
  )
  assert.match(error.code, new RegExp(code))
  assert.match(error.message, message)
  assert.doesNotMatch(error.message, /^internal/)
}

/** A copy of the checkpoint in a folder of its own, changed by `change`. */
function broken(name: string, change: (folder: string) => void): string {
  const folder = join(FOLDER, name.replaceAll(' ', '-'))
  cpSync(MODEL, folder, { recursive: true })
  change(folder)
  return folder
}

/** A copy of a checkpoint's folder with other keys in one of its JSON files. */
function edited(source: string, file: string, keys: object): string {
  const folder = mkdtempSync(join(FOLDER, 'edited-'))
  cpSync(source, folder, { recursive: true })
  const json = JSON.parse(readFileSync(join(source, file), 'utf8')) as object
  writeFileSync(join(folder, file), JSON.stringify({ ...json, ...keys }))
  return folder
}

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>

/** Rewrites the header of model.safetensors, and the bytes behind it. */
function editTensors(folder: string, edit: (header: Header, data: Buffer) => void): void {
  const file = join(folder, 'model.safetensors')
  const bytes = readFileSync(file)
  const length = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Header
  const data = bytes.subarray(8 + length)
  edit(header, data)
  const text = Buffer.from(JSON.stringify(header))
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(text.length))
  writeFileSync(file, Buffer.concat([size, text, data]))
}

const NORM = 'model.language_model.norm.weight'

describe('checkpoints that are refused', () => {
  const cases: readonly (readonly [string, (folder: string) => void, Refusal])[] = [
    [
      'truncated safetensors',
      (folder) => truncateSync(join(folder, 'model.safetensors'), 100_000),
      { code: /^CHECKPOINT_/, message: /model\.safetensors/ },
    ],
    [
      'a header that claims 2^60 bytes',
      (folder) => {
        const bytes = readFileSync(join(folder, 'model.safetensors'))
        bytes.writeBigUInt64LE(1n << 60n)
        writeFileSync(join(folder, 'model.safetensors'), bytes)
      },
      { code: /^CHECKPOINT_/, message: /model\.safetensors.*1152921504606846976/ },
    ],
    [
      'overlapping tensors',
      (folder) =>
        editTensors(folder, (header) => {
          const [first, second] = Object.entries(header)
            .filter(([name]) => name !== '__metadata__')
            .sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0])
          second![1].data_offsets[0] = first![1].data_offsets[0]
        }),
      { code: /^CHECKPOINT_/, message: /model\.safetensors/ },
    ],
    [
      'weights of whole numbers',
      (folder) =>
        editTensors(folder, (header) => {
          header[NORM]!.dtype = 'I16'
        }),
      { code: /^CHECKPOINT_/, message: /norm.*int16/ },
    ],
    [
      'a weight that is not a number',
      (folder) =>
        editTensors(folder, (header, data) => {
          data.writeUInt16LE(0x7e00, header[NORM]!.data_offsets[0])
        }),
      { code: /^CHECKPOINT_/, message: /decoder\.norm.*NaN/ },
    ],
    [
      'a missing tensor',
      (folder) =>
        editTensors(folder, (header) => {
          header[`${NORM}s`] = header[NORM]!
          delete header[NORM]
        }),
      { code: /^CHECKPOINT_/, message: /norm\.weight.*norm\.weights|norm\.weights.*norm\.weight/s },
    ],
    [
      'a tensor of another shape',
      (folder) =>
        editTensors(folder, (header) => {
          const { shape } = header[NORM]!
          header[NORM]!.shape = [2, shape[0]! / 2]
        }),
      { code: /^CHECKPOINT_|^SHAPE_/, message: /norm.*\[2,/ },
    ],
    [
      'a config that is no JSON',
      (folder) => writeFileSync(join(folder, 'config.json'), '{'),
      { code: /^(CHECKPOINT|CONFIG)_/, message: /config\.json/ },
    ],
    [
      'a model of another kind',
      (folder) => writeFileSync(join(folder, 'config.json'), '{ "model_type": "bert" }'),
      { code: 'CONFIG_FAMILY_UNSUPPORTED', message: /"bert".*llava/ },
    ],
    [
      'a folder without a tokenizer',
      (folder) => rmSync(join(folder, 'tokenizer.json')),
      { code: 'CHECKPOINT_TOKENIZER', message: /tokenizer\.json/ },
    ],
  ]
  for (const [name, change, refusal] of cases) {
    test(name, () => refused(loadModel(broken(name, change)), refusal))
  }

  test('grids that are no multiples of the tile', () => {
    const folder = edited('fixtures/inference/next-video-rope', 'preprocessor_config.json', {
      image_grid_pinpoints: [
        [336, 672],
        [500, 336],
      ],
    })
    return refused(loadModel(folder), {
      code: 'CONFIG_PINPOINTS',
      message: /image_grid_pinpoints: expected pairs of multiples of the tile's side 336.*500/,
    })
  })

  test('a way to merge tiles, and one to cut pictures, that nobody knows', async () => {
    const visionTower = 'fixtures/original/checkpoints/tower-clip-vit-large-patch14-336'
    const source = 'fixtures/original/checkpoints/llava-v1.6-vicuna'
    const merge = edited(source, 'config.json', { mm_patch_merge_type: 'spatial_pad' })
    await refused(loadModel(merge, { visionTower }), {
      code: 'CONFIG_PATCH_MERGE',
      message: /mm_patch_merge_type: expected flat, or spatial.*came spatial_pad/,
    })
    const cut = edited(source, 'config.json', { image_aspect_ratio: 'anyres_min_3' })
    await refused(loadModel(cut, { visionTower }), {
      code: 'CONFIG_ASPECT_RATIO',
      message: /image_aspect_ratio: expected square.*came anyres_min_3/,
    })
  })

  test('no such model', () =>
    refused(loadModel('no-such-model'), {
      code: 'CHECKPOINT_NOT_FOUND',
      message: /no-such-model.*check the path/,
    }))

  test('a malicious pickle', () => {
    const folder = join(FOLDER, 'pickle')
    cpSync('fixtures/original/checkpoints/llava-v1.5', folder, { recursive: true })
    cpSync('fixtures/weights/module.bin', join(folder, 'pytorch_model.bin'))
    const visionTower = 'fixtures/original/checkpoints/tower-clip-vit-large-patch14-336'
    return refused(loadModel(folder, { visionTower }), {
      code: /^CHECKPOINT_/,
      message: /pytorch_model\.bin.*torch\.nn/,
    })
  })

  test('a GGUF file with lying counts', () => {
    const file = join(FOLDER, 'lies.gguf')
    const bytes = readFileSync('fixtures/weights/types.gguf')
    bytes.writeBigUInt64LE(1n << 50n, 8)
    writeFileSync(file, bytes)
    return refused(loadModel(file), {
      code: /^CHECKPOINT_/,
      message: /lies\.gguf.*1125899906842624/,
    })
  })

  test('an unknown option, device or precision', async () => {
    const load = (options: object) => loadModel(MODEL, options)
    await refused(load({ precison: 'f32' }), {
      code: 'INPUT_UNKNOWN_OPTION',
      message: /precison.*precision/,
    })
    await refused(load({ device: 'gpu' }), { code: 'CONFIG_DEVICE', message: /'cpu'.*"gpu"/ })
    await refused(load({ precision: 'int3' }), { code: 'CONFIG_PRECISION', message: /int8.*int3/ })
  })
})

describe('requests that are refused', () => {
  let model: Model
  before(async () => (model = await loadModel(MODEL)))
  after(() => model.dispose())

  function ask(image: string | Uint8Array, text = 'What is it?') {
    const content = [{ type: 'image', image } as const, { type: 'text', text } as const]
    return model.generate({ messages: [{ role: 'user', content }], maxTokens: 2 })
  }

  /** The head of a JPEG that says how large it is, and nothing else. */
  function jpeg(width: number, height: number): Uint8Array {
    const bytes = Buffer.from('ffd8ffc000110800000000030122000211010311010000', 'hex')
    bytes.writeUInt16BE(height, 7)
    bytes.writeUInt16BE(width, 9)
    return bytes
  }

  const pictures: readonly (readonly [string, Uint8Array, Refusal])[] = [
    ['of 0 bytes', new Uint8Array(), { code: 'INPUT_IMAGE_UNREADABLE', message: /picture/ }],
    [
      'that are text',
      Buffer.from('Dear diary'),
      { code: 'INPUT_IMAGE_UNREADABLE', message: /PNG, JPEG/ },
    ],
    [
      'cut off',
      readFileSync('fixtures/pictures/photo-640x480.jpg').subarray(0, 20_000),
      { code: 'INPUT_IMAGE_UNREADABLE', message: /whole/ },
    ],
    [
      'wider than any limit, before they are decoded',
      jpeg(65_535, 65_535),
      { code: 'INPUT_IMAGE_TOO_LARGE', message: /65535/ },
    ],
    [
      'of 400 megapixels, before they are decoded',
      jpeg(20_000, 20_000),
      { code: 'INPUT_IMAGE_TOO_LARGE', message: /20000/ },
    ],
  ]
  for (const [name, bytes, refusal] of pictures) {
    test(`pictures ${name}`, () => refused(ask(bytes), refusal))
  }

  test('a picture of one pixel is answered', async () => {
    const answer = await ask('fixtures/pictures/photo-1x1.png')
    assert.ok(answer.usage.imageTokens > 0)
  })

  test('a prompt longer than the context: by how much, and no picture is cut', async () => {
    await using narrow = await loadModel(MODEL, { maxContext: 100 })
    const content = [{ type: 'image', image: PICTURE } as const]
    await refused(narrow.generate({ messages: [{ role: 'user', content }] }), {
      code: 'INPUT_CONTEXT',
      message: /\d+ more than the context of 100/,
    })
  })

  test('a picture without a place, and a place without a picture', async () => {
    await refused(model.generate({ prompt: 'Hello', images: [PICTURE] }), {
      code: /^INPUT_/,
      message: /0 image placeholders.*1 image|no image placeholder/,
    })
    await refused(model.generate({ prompt: '<image> Hello' }), {
      code: /^INPUT_/,
      message: /1 image placeholder.*(0 images|no image)/,
    })
  })

  test('a config that knows another token as the place of a picture than the tokenizer', async () => {
    const folder = edited(MODEL, 'config.json', { image_token_index: 7 })
    await using other = await loadModel(folder, { precision: 'f32' })
    const content = [{ type: 'image', image: PICTURE } as const]
    await refused(other.generate({ messages: [{ role: 'user', content }] }), {
      code: 'CONFIG_IMAGE_TOKEN',
      message: /image_token_index .*expected \d+, the tokenizer's <image>, 7 came; take both files/,
    })
  })

  test('token ids that are in no vocabulary', async () => {
    for (const inputIds of [[1, 1_000_000], [-1], [-200]]) {
      await refused(model.generate({ inputIds }), {
        code: 'INPUT_PROMPT',
        message: /inputIds\[\d\] should be a token id from 0 to \d+/,
      })
    }
  })

  test('requests that are none: every fault is named', async () => {
    const request = { messages: [{ role: 'robot', content: 3 }], maxTokens: -1, temprature: 1 }
    await assert.rejects(model.generate(request as never), (error: InputError) => {
      assert.ok(error instanceof InputError)
      for (const fault of ['role', 'content', 'maxTokens', 'temprature']) {
        assert.match(error.message, new RegExp(fault))
      }
      return true
    })
  })
})
