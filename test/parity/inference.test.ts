/**
 * Every recorded inference case: prompt, pixels, features, logits, greedy, penalised and beam answers, batches.
 *
 * The default run reads the cases copied into `fixtures/inference`; LLAVA_FIXTURES names a folder with more. A case without
 * `expected.safetensors` has no weights: other tests read its texts and tiles.
 * Tolerances are those of the recordings' README: 1e-4 for features, 1e-3 for logits and log-probabilities.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { toFloat32, type HostTensor } from '../../src/core/tensor.ts'
import {
  ConfigError,
  loadModel,
  type ContentPart,
  type Message,
  type Model,
} from '../../src/index.ts'
import { openWeightFile, type WeightSource } from '../../src/weights/index.ts'

const FIXTURES = process.env['LLAVA_FIXTURES'] ?? 'fixtures'
const FEATURE_TOLERANCE = 1e-4
const LOGIT_TOLERANCE = 1e-3
const PIXEL_TOLERANCE = 1e-5
/** Files that run together have one processor each: here several threads share an operator's work all the same. */
const THREADS = 2

type Recorded = {
  readonly prompts: readonly RecordedPrompt[]
  readonly batch?: { readonly prompts: readonly string[] }
}

type RecordedPrompt = {
  readonly name: string
  readonly messages: readonly {
    role: 'system' | 'user' | 'assistant'
    content: string | { type: string; text?: string }[]
  }[]
  readonly text: string
  readonly length: number
  readonly pictures?: readonly { name: string; tiles: number[]; sha256: string; tokens: number }[]
  readonly videos?: readonly RecordedClip[]
  readonly logit_positions: readonly number[]
  readonly greedy: { ids: number[]; text: string }
  readonly repetition_penalty?: { ids: number[] }
  readonly beam?: { ids: number[][]; scores: number[] }
}

type RecordedClip = {
  readonly name: string
  readonly frames: number
  readonly tiles: number[]
  readonly sha256: string
  readonly tokens: number
}

const folder = join(FIXTURES, 'inference')
for (const name of readdirSync(folder).sort()) {
  if (existsSync(join(folder, name, 'expected.safetensors'))) runCase(name)
}

function runCase(name: string): void {
  const path = join(folder, name)
  const recorded = JSON.parse(readFileSync(join(path, 'expected.json'), 'utf8')) as Recorded
  describe(`inference ${name}`, () => {
    let model: Model | null = null
    const tensors = openWeightFile(join(path, 'expected.safetensors'))
    test('the checkpoint loads', async (t) => {
      try {
        model = await loadModel(path, { precision: 'f32', threads: THREADS })
      } catch (error) {
        if (!(error instanceof ConfigError) || !error.code.includes('UNSUPPORTED')) throw error
        t.skip(error.message)
      }
    })
    for (const prompt of recorded.prompts) {
      test(prompt.name, async (t) => {
        if (!model) return t.skip('not loaded')
        await checkPrompt(model, prompt, tensors)
      })
    }
    const inBatch = recorded.prompts.filter(({ name: one }) =>
      recorded.batch?.prompts.includes(one),
    )
    if (inBatch.length > 0) {
      test('a batch equals the single runs', async (t) => {
        if (!model) return t.skip('not loaded')
        const answers = await model.generateBatch(inBatch.map((prompt) => request(prompt)))
        answers.forEach((answer, i) => assert.deepEqual(answer.tokens, inBatch[i]!.greedy.ids))
      })
    }
    if (existsSync(join(path, 'original'))) {
      test('its twin in the original layout says the same', () =>
        checkTwin(path, recorded, tensors))
    }
    test('the model is disposed of', async () => {
      await model?.dispose()
      tensors.close()
    })
  })
}

async function checkPrompt(
  model: Model,
  prompt: RecordedPrompt,
  tensors: WeightSource,
): Promise<void> {
  const messages = messagesOf(prompt)
  const prepared = await model.prepare({ messages })
  assert.equal(prepared.prompt, prompt.text)
  assert.deepEqual(
    prepared.inputIds,
    Array.from(tensors.read(`${prompt.name}.input_ids`).data, Number),
  )
  assert.deepEqual(model.countTokens({ messages }), {
    text: prompt.length - prepared.imageSlots.length,
    image: prepared.imageSlots.length,
  })
  checkPixels(prompt, prepared, tensors)
  await checkFeatures(model, prompt, tensors)
  await checkLogits(model, prompt, tensors)
  const greedy = await model.generate(request(prompt))
  assert.deepEqual(greedy.tokens, prompt.greedy.ids)
  assert.equal(greedy.text, prompt.greedy.text)
  if (prompt.repetition_penalty) {
    const penalised = await model.generate({ ...request(prompt), repetitionPenalty: 1.3 })
    assert.deepEqual(penalised.tokens, prompt.repetition_penalty.ids)
  }
  if (prompt.beam) await checkBeams(model, prompt)
}

/** The same weights as the original repositories save them. */
async function checkTwin(path: string, recorded: Recorded, tensors: WeightSource): Promise<void> {
  const options = { precision: 'f32', threads: THREADS, tokenizer: path } as const
  await using model = await loadModel(join(path, 'original'), options)
  for (const { name, text, pictures = [], greedy } of recorded.prompts) {
    const images = pictures.map((picture) => join(FIXTURES, 'pictures', picture.name))
    const { data } = await model.logits({ prompt: text, images })
    const wanted = toFloat32(tensors.read(`${name}.logits_last`))
    assertClose(data, wanted, LOGIT_TOLERANCE, `${name}: last logits`)
    const maxTokens = greedy.ids.length
    const answer = await model.generate({ prompt: text, images, maxTokens, ignoreEos: true })
    assert.deepEqual(answer.tokens, greedy.ids)
  }
}

type PreparedPrompt = Awaited<ReturnType<Model['prepare']>>

function checkPixels(
  prompt: RecordedPrompt,
  prepared: PreparedPrompt,
  tensors: WeightSource,
): void {
  const pictures = prompt.pictures ?? []
  const clips = prompt.videos ?? []
  assert.deepEqual(
    prepared.images.map(({ tokens }) => tokens),
    pictures.map(({ tokens }) => tokens),
  )
  assert.deepEqual(
    prepared.videos.map(({ frames, tokens }) => ({ frames, tokens })),
    clips.map(({ frames, tokens }) => ({ frames, tokens })),
  )
  let tile = 0
  for (const picture of [...pictures, ...clips]) {
    const [count, channels, height, width] = picture.tiles as [number, number, number, number]
    const size = channels * height * width
    const bytes = prepared.tiles.data.subarray(tile * size, (tile + count) * size)
    const planar = toPlanar(bytes, { count, channels, pixels: height * width })
    assert.equal(createHash('sha256').update(planar).digest('hex'), picture.sha256, picture.name)
    tile += count
  }
  if (tile === 0) return
  const samples = toFloat32(tensors.read(`${prompt.name}.pixel_samples`))
  const { data } = prepared.pixelValues
  const drawn = Float32Array.from(
    samples,
    (_, i) => data[Math.floor((i * (data.length - 1)) / 63)]!,
  )
  assertClose(drawn, samples, PIXEL_TOLERANCE, 'pixels')
}

/** [I, h, w, C] as the recordings hash it: [I, C, h, w]. */
function toPlanar(
  bytes: Uint8Array,
  { count, channels, pixels }: { count: number; channels: number; pixels: number },
): Uint8Array {
  const planar = new Uint8Array(bytes.length)
  for (let i = 0; i < count; i++) {
    for (let p = 0; p < pixels; p++) {
      for (let c = 0; c < channels; c++) {
        planar[(i * channels + c) * pixels + p] = bytes[(i * pixels + p) * channels + c]!
      }
    }
  }
  return planar
}

async function checkFeatures(
  model: Model,
  prompt: RecordedPrompt,
  tensors: WeightSource,
): Promise<void> {
  if (!prompt.pictures && !prompt.videos) return
  const { images, videos } = await model.encodeImages({ messages: messagesOf(prompt) })
  const what = (kind: string) => ({
    rows: Array.from(tensors.read(`${prompt.name}.${kind}_feature_rows`).data, Number),
    wanted: tensors.read(`${prompt.name}.${kind}_features`),
  })
  if (prompt.pictures) checkRows(images, what('image'))
  if (prompt.videos) checkRows(videos, what('video'))
}

/** Recorded rows are as wide as the decoder, or all of a prompt's clips in one. */
function checkRows(
  actual: readonly { readonly data: Float32Array }[],
  { rows, wanted }: { rows: readonly number[]; wanted: HostTensor },
): void {
  const values = Float32Array.from(actual.flatMap(({ data }) => [...data]))
  const width = wanted.shape[1]!
  const recorded = toFloat32(wanted)
  rows.forEach((row, i) => {
    const expected = recorded.subarray(i * width, (i + 1) * width)
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1)
    const drawn = values.subarray(row * width, (row + 1) * width)
    assertClose(drawn, expected, FEATURE_TOLERANCE * largest, `feature row ${row}`)
  })
}

async function checkLogits(
  model: Model,
  prompt: RecordedPrompt,
  tensors: WeightSource,
): Promise<void> {
  const messages = messagesOf(prompt)
  const some = await model.logits({ messages, positions: prompt.logit_positions })
  assertClose(
    some.data,
    toFloat32(tensors.read(`${prompt.name}.logits`)),
    LOGIT_TOLERANCE,
    'logits',
  )
  const last = await model.logits({ messages })
  const wanted = toFloat32(tensors.read(`${prompt.name}.logits_last`))
  assertClose(last.data, wanted, LOGIT_TOLERANCE, 'last logits')
}

async function checkBeams(model: Model, prompt: RecordedPrompt): Promise<void> {
  const { sequences = [] } = await model.generate({ ...request(prompt), numBeams: 3 })
  assert.deepEqual(
    sequences.map(({ tokens }) => tokens),
    prompt.beam!.ids,
  )
  const scores = Float32Array.from(sequences, ({ score }) => score)
  assertClose(scores, Float32Array.from(prompt.beam!.scores), LOGIT_TOLERANCE, 'beam scores')
}

function request(prompt: RecordedPrompt): {
  messages: Message[]
  maxTokens: number
  ignoreEos: boolean
} {
  return { messages: messagesOf(prompt), maxTokens: prompt.greedy.ids.length, ignoreEos: true }
}

/** The recorded messages with their pictures and clips put in, in order. */
function messagesOf(prompt: RecordedPrompt): Message[] {
  const pictures = [...(prompt.pictures ?? [])]
  const clips = [...(prompt.videos ?? [])]
  const file = (name: string) => join(FIXTURES, 'pictures', name)
  return prompt.messages.map(({ role, content }) => {
    if (typeof content === 'string') return { role, content }
    const parts = content.map((part): ContentPart => {
      if (part.type === 'text') return { type: 'text', text: part.text! }
      if (part.type === 'image') return { type: 'image', image: file(pictures.shift()!.name) }
      const { name, frames } = clips.shift()!
      return { type: 'video', video: file(name), frames }
    })
    return { role, content: parts }
  })
}

function assertClose(
  actual: Float32Array,
  expected: Float32Array,
  tolerance: number,
  what: string,
): void {
  assert.equal(actual.length, expected.length, what)
  let worst = 0
  for (let i = 0; i < actual.length; i++)
    worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!))
  assert.ok(worst <= tolerance, `${what}: off by ${worst}, allowed ${tolerance}`)
}
