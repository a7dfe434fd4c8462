/**
 * The real ViT-Ti/16 on real pictures: inputs byte for byte, patch features, and the classes it sees.
 *
 * Needs the recordings and the weights: LLAVA_FIXTURES names the folder with `vit/`, LLAVA_VIT that with the model and
 * LLAVA_PICTURES the pictures' folder (by default `assets` beside the recordings); skips aloud without them.
 * Tolerances of the recordings' README: features 1e-4 of the row's largest value, logits 1e-3; quantised, cosine 0.999.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { toFloat32 } from '../../src/core/tensor.ts'
import { JsonReader } from '../../src/families/json-reader.ts'
import { mapParameters } from '../../src/families/parameter-map.ts'
import { TOWER_EXTRAS, VISION_NAMES } from '../../src/families/parameter-names.ts'
import { timmVitSource } from '../../src/families/timm-vit.ts'
import { parseVisionConfig } from '../../src/families/vision-config.ts'
import { choosePrecision } from '../../src/choose-precision.ts'
import { precisionPolicy, type PrecisionPolicy } from '../../src/graph/index.ts'
import { liveParameters } from '../../src/graph/onnx-writer.ts'
import { createModelSession } from '../../src/load-weights.ts'
import { parseImageProcessor, preprocessImage, readImage } from '../../src/preprocess/index.ts'
import { createRuntime } from '../../src/runtime/node.ts'
import type { Runtime, Session } from '../../src/runtime/runtime.ts'
import { visionGraph } from '../../src/serve/vision-runner.ts'
import { openCheckpoint, openWeightFile, type WeightSource } from '../../src/weights/index.ts'
import { openQuantized } from '../../src/weights/quantized-cache-node.ts'

const FIXTURES = process.env['LLAVA_FIXTURES'] ?? 'fixtures'
const ASSETS = join(FIXTURES, '..', 'assets')
const MODEL = process.env['LLAVA_VIT'] ?? join(ASSETS, 'vit-tiny-patch16-224')
const PICTURES = process.env['LLAVA_PICTURES'] ?? join(ASSETS, 'images')

const [PATCHES, WIDTH, LAYERS] = [196, 192, 12]
const PROCESSORS = {
  crop: {
    size: { shortest_edge: 248 },
    do_center_crop: true,
    crop_size: { height: 224, width: 224 },
  },
  squash: { size: { height: 224, width: 224 } },
}

type Way = keyof typeof PROCESSORS
type Picture = { picture: string; size: [number, number] } & Record<
  Way,
  { input_sha256: string; top5: { class: number; logit: number }[] }
>

const recorded = join(FIXTURES, 'vit', 'expected.json')
if (existsSync(recorded) && existsSync(join(MODEL, 'model.safetensors'))) runAll()
else test('ViT-Ti', (t) => t.skip('recordings or weights are not here'))

function runAll(): void {
  const expected = JSON.parse(readFileSync(recorded, 'utf8')) as {
    rows: number[]
    pictures: Picture[]
  }
  const tensors = openWeightFile(join(FIXTURES, 'vit', 'expected.safetensors'))
  describe('ViT-Ti', async () => {
    const runtime = await createRuntime({})
    const source = openCheckpoint(MODEL)
    after(async () => {
      runtime.dispose()
      source.close()
      tensors.close()
    })
    const facts = {
      decoderElements: 0,
      hiddenSize: 0,
      visionWidth: WIDTH,
      freeBytes: 0,
      isInt8Exact: true,
    }
    const exact = await createTower(runtime, source, precisionPolicy('f32'))
    const small = await createTower(runtime, source, choosePrecision('int8', facts).vision)
    for (const [i, picture] of expected.pictures.entries()) {
      for (const way of ['crop', 'squash'] as const) {
        test(`${picture.picture} ${way}`, async () => {
          const pixels = await prepare(picture, way)
          const states = await run(runtime, exact, pixels)
          checkFeatures(states.features, tensors, { name: `${i}.${way}`, rows: expected.rows })
          checkClasses(states.last, source, picture[way].top5)
          const rough = await run(runtime, small, pixels)
          const least = leastCosine(rough.features, states.features)
          assert.ok(least >= 0.999, `int8 features: cosine ${least}`)
        })
      }
    }
  })
}

async function createTower(
  runtime: Runtime,
  source: WeightSource,
  policy: PrecisionPolicy,
): Promise<Session> {
  const json = new JsonReader(
    'config.json',
    JSON.parse(readFileSync(join(MODEL, 'config.json'), 'utf8')),
  )
  const layers = [LAYERS - 1, LAYERS]
  const vision = parseVisionConfig(json, () => ({ layers, dropFirstRow: false }))
  const none = {
    depth: 0,
    activation: 'identity',
    inputSize: 2 * WIDTH,
    hiddenSize: WIDTH,
    bias: false,
  } as const
  const graph = visionGraph(vision, none)
  const parameters = mapParameters(
    [{ source: timmVitSource(source), rules: [...VISION_NAMES, ...TOWER_EXTRAS] }],
    liveParameters(graph),
    { unused: /^$/ },
  )
  return createModelSession({ graph }, policy, {
    runtime,
    parameters,
    isInt8Exact: true,
    quantize: (plan) =>
      openQuantized({ plan, key: 'vit', folders: [], keep: 'memory', workers: 0 }),
  })
}

async function prepare(picture: Picture, way: Way): Promise<Float32Array> {
  const image = await readImage(join(PICTURES, picture.picture))
  const norm = { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] }
  const processor = parseImageProcessor({
    image_processor_type: 'ViTImageProcessor',
    resample: 3,
    ...norm,
    ...PROCESSORS[way],
  })
  const { tiles, pixelValues } = preprocessImage(image, processor)
  const hash = createHash('sha256').update(tiles.data).digest('hex')
  assert.equal(hash, picture[way].input_sha256)
  return pixelValues.data
}

/** Hidden states of block 11 (patches) and block 12 (all rows). */
async function run(
  runtime: Runtime,
  session: Session,
  pixels: Float32Array,
): Promise<{ features: Float32Array; last: Float32Array }> {
  const rows = PATCHES + 1
  const output = runtime.tensor('float32', [1, rows, 2 * WIDTH])
  const input = runtime.tensor('float32', [1, 3, 224, 224], pixels)
  await session.run({ pixelValues: input }, { features: output })
  const half = (which: number, from: number) =>
    Float32Array.from({ length: (rows - from) * WIDTH }, (_, i) => {
      const row = from + Math.floor(i / WIDTH)
      return Number(output.data[row * 2 * WIDTH + which * WIDTH + (i % WIDTH)])
    })
  return { features: half(0, 1), last: half(1, 0) }
}

function checkFeatures(
  features: Float32Array,
  tensors: WeightSource,
  { name, rows }: { name: string; rows: number[] },
): void {
  const wanted = toFloat32(tensors.read(`${name}.features`))
  rows.forEach((row, i) => {
    const expected = wanted.subarray(i * WIDTH, (i + 1) * WIDTH)
    const largest = Math.max(...expected.map(Math.abs))
    expected.forEach((value, k) => {
      const off = Math.abs(features[row * WIDTH + k]! - value)
      assert.ok(
        off <= 1e-4 * largest,
        `row ${row} is off by ${off}, its largest value is ${largest}`,
      )
    })
  })
}

function checkClasses(last: Float32Array, source: WeightSource, top5: Picture[Way]['top5']): void {
  const read = (name: string) => toFloat32(source.read(name))
  const cls = layerNorm(last.subarray(0, WIDTH), read('norm.weight'), read('norm.bias'))
  const [weight, bias] = [read('head.weight'), read('head.bias')]
  const logits = Array.from(bias, (b, n) =>
    cls.reduce((sum, value, k) => sum + value * weight[n * WIDTH + k]!, b),
  )
  const order = logits.map((logit, id) => ({ logit, id })).sort((a, b) => b.logit - a.logit)
  top5.forEach(({ class: id, logit }, i) => {
    assert.equal(order[i]!.id, id)
    assert.ok(Math.abs(order[i]!.logit - logit) <= 1e-3)
  })
}

function layerNorm(x: Float32Array, weight: Float32Array, bias: Float32Array): number[] {
  const mean = x.reduce((a, b) => a + b, 0) / x.length
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length
  return Array.from(
    x,
    (value, i) => ((value - mean) / Math.sqrt(variance + 1e-6)) * weight[i]! + bias[i]!,
  )
}

function leastCosine(a: Float32Array, b: Float32Array): number {
  let least = 1
  for (let row = 0; row < PATCHES; row++) {
    let [dot, aa, bb] = [0, 0, 0]
    for (let k = row * WIDTH; k < (row + 1) * WIDTH; k++) {
      dot += a[k]! * b[k]!
      aa += a[k]! ** 2
      bb += b[k]! ** 2
    }
    least = Math.min(least, dot / Math.sqrt(aa * bb))
  }
  return least
}
