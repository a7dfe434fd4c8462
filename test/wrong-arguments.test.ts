/**
 * Public functions that are called with something else than they take, as JavaScript allows: none may fail on its way
 * through our code with a bare TypeError that names a variable of ours.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fork, gen, InputError, LlavaError, program } from '../src/index.ts'
import {
  Graph,
  liveParameters,
  lower,
  precisionPolicy,
  printGraph,
  writeOnnx,
} from '../src/graph/index.ts'
import * as preprocess from '../src/preprocess/index.ts'
import * as text from '../src/text/index.ts'

type AnyFunction = (...values: unknown[]) => unknown

const WRONG = [undefined, null, 5, 'x', {}, [], [null], true, new Map(), new Uint8Array(3)]
const CALLS = [[], ...WRONG.flatMap((first) => WRONG.map((second) => [first, second]))]

/** Plain geometry, called for every candidate of every picture: unchecked. */
const UNCHECKED = [
  'fitOnCanvas',
  'keptRegion',
  'planTiles',
  'selectBestResolution',
  'shrinkToBudget',
  'tileCount',
]

const tokenizer = text.tokenizerFromJson({
  model: { type: 'BPE', vocab: { a: 0, b: 1 }, merges: [] },
})

const ofGraphs = { lower, precisionPolicy, writeOnnx, liveParameters, printGraph }
const exported = Object.entries({ ...text, ...preprocess, ...ofGraphs, fork, gen, program }).filter(
  ([name, value]) =>
    typeof value === 'function' && !UNCHECKED.includes(name) && name !== 'Tokenizer',
) as unknown as [string, AnyFunction][]

const FUNCTIONS: [string, AnyFunction][] = [
  ...exported,
  ['tokenizer.encode', (...values) => tokenizer.encode(...(values as [string]))],
  ['tokenizer.decode', (...values) => tokenizer.decode(...(values as unknown as [number[]]))],
  ...['input', 'parameter', 'constant', 'scalar', 'op', 'node', 'output'].map(
    (name): [string, AnyFunction] => [`graph.${name}`, (...values) => onGraph(name, values)],
  ),
  ['graph.op Add', (...values) => onGraph('op', ['Add', ...values])],
  ['tokenizer.stream', (...values) => tokenizer.stream(...(values as [object]))],
]

function onGraph(name: string, values: readonly unknown[]): unknown {
  const g = new Graph('g')
  return (g[name as keyof Graph] as AnyFunction).apply(g, values as unknown[])
}

for (const [name, call] of FUNCTIONS) {
  test(`${name} of anything is an answer or an error of ours`, async () => {
    for (const values of CALLS) {
      const fault: unknown = await (async () => call(...values))().then(
        () => undefined,
        (error: unknown) => error,
      )
      if (fault === undefined || fault instanceof LlavaError) continue
      assert.fail(`${name}(${values.map(String).join(', ')}): ${String(fault)}`)
    }
  })
}

test('a text is no true or false, no id and no list, and a repository is one of the two', () => {
  const turns = [{ from: 'human', value: 'Hi' }]
  const message = { role: 'user', content: 'Hi' }
  const { renderChat, renderConversation } = text as unknown as Record<string, AnyFunction>
  const chat = (options: object) => renderChat!('{{ tools }}', { messages: [message], ...options })
  const mode = (options: object) => renderConversation!('vicuna_v1', turns, options)
  const flag = / should be true or false, "(?:false|no)" came/
  const cases: [() => unknown, RegExp][] = [
    [() => chat({ addGenerationPrompt: 'false' }), flag],
    [() => chat({ tools: 'x' }), /^renderChat: tools should be a list of objects, "x" came/],
    [
      () => chat({ documents: 'x' }),
      /^renderChat: documents should be a list of objects, "x" came/,
    ],
    [() => mode({ addGenerationPrompt: 'false' }), flag],
    [() => mode({ repository: 'bogus' }), /repository: bogus is not a choice; choices: LLaVA, LL/],
    [() => tokenizer.encode('a', { addBos: 'no' } as never), flag],
    [() => tokenizer.decode([0], { skipSpecial: 'no' } as never), flag],
    [() => tokenizer.stream({ skipSpecial: 'no' } as never), flag],
    [() => tokenizer.decode(['1'] as never), /^tokenizer\.decode: ids\[0\] should be .*, "1" came/],
    [() => tokenizer.stream().push('1' as never), /^stream\.push: id should be .*, "1" came/],
    [() => text.tokenizePrompt(tokenizer, 'a', { doubleBos: 'no' } as never), flag],
    [() => text.normaliseImageTags(turns as never, { wrapImage: 'no' } as never), flag],
    [
      () => text.labelConversation('v1', tokenizer, turns as never, { legacy: 'no' } as never),
      flag,
    ],
  ]
  for (const [call, words] of cases) {
    assert.throws(call, (error) => error instanceof InputError && words.test(error.message))
  }
})

test('where, what was expected and what came are told', () => {
  const size = { width: 2, height: 2 }
  const cases: [() => unknown, RegExp][] = [
    [() => tokenizer.encode(5 as never), /^tokenizer\.encode: text should be a string, 5 came/],
    [() => tokenizer.decode('x' as never), /^tokenizer\.decode: ids should be a list, "x" came/],
    [() => tokenizer.stream(null as never), /^tokenizer\.stream: options .* an object, null came/],
    [
      () => (text.renderChat as AnyFunction)(),
      /^renderChat: options should be an object, nothing came/,
    ],
    [
      () => preprocess.countImageTokens(size, {} as never),
      /^countImageTokens: config .* one without tiling.* came; imageTokenConfig makes one\.$/,
    ],
    [
      () => text.renderConversation('vicuna_v1', [{ from: 'human' }] as never),
      /^renderConversation: turns\[0\]\.value should be a text or null, nothing came/,
    ],
  ]
  for (const [call, words] of cases) {
    assert.throws(call, (error) => error instanceof InputError && words.test(error.message))
  }
})

const PIXELS = { width: 4, height: 4, channels: 3, data: new Uint8Array(48) } as const
const CLIP_FILE = {
  image_processor_type: 'CLIPImageProcessor',
  size: { shortest_edge: 4 },
  crop_size: { height: 4, width: 4 },
}

test('pictures: an option that does not exist and a value that none has are refused by name', async () => {
  const processor = preprocess.parseImageProcessor(CLIP_FILE)
  await using preprocessor = preprocess.createPreprocessor()
  const patches = { tile: { width: 28, height: 28 }, patchSize: 14 }
  const tokens = preprocess.imageTokenConfig(patches)
  const frames = { patchesPerSide: 2, rowsPerFrame: 4, pooling: { mode: 'none' } } as const
  const {
    preprocessImage,
    countImageTokens,
    imageTokenConfig,
    parseImageProcessor,
    createPreprocessor,
    ...others
  } = preprocess as unknown as Record<string, AnyFunction>
  const prepare = preprocessor.preprocess as AnyFunction
  const original = { config: {}, tower: { processor: CLIP_FILE } }
  const cases: [name: string, call: () => unknown][] = [
    ['picture', () => preprocessImage?.(PIXELS, processor, { picture: 2 })],
    ['pictures', () => preprocessImage?.(PIXELS, processor, { pictures: 0 })],
    ['order', () => preprocessImage?.(PIXELS, { ...processor, order: 'pil' })],
    ['tiling', () => preprocessImage?.(PIXELS, { ...processor, tiling: {} })],
    ['picture', () => prepare(PIXELS, processor, { picture: 2 })],
    ['pictures', () => prepare(PIXELS, processor, { pictures: 'x' })],
    ['processor', () => prepare(PIXELS, {})],
    ['picture', () => countImageTokens?.({ width: 3, height: 3 }, tokens, { picture: 2 })],
    ['severalPicture', () => imageTokenConfig?.({ ...patches, severalPicture: 'single' })],
    ['severalPictures', () => imageTokenConfig?.({ ...patches, severalPictures: 'bog' })],
    ['rounding', () => imageTokenConfig?.({ ...patches, rounding: 'bogus' })],
    ['fitt', () => parseImageProcessor?.(CLIP_FILE, { fitt: 'pad' })],
    ['fit', () => parseImageProcessor?.(CLIP_FILE, { fit: 'padd' })],
    ['order', () => parseImageProcessor?.(CLIP_FILE, { order: 'pil' })],
    ['layout', () => others['originalImageProcessor']?.(original, { layout: 'hf' })],
    ['fit', () => others['withFit']?.(processor, 'padd')],
    ['fit', () => others['withFit']?.(processor)],
    ['workers', () => createPreprocessor?.({ workers: 0 })],
    ['workers', () => createPreprocessor?.({ workers: 1.5 })],
    ['workers', () => createPreprocessor?.({ workers: '2' })],
    ['autoOrient', () => others['readImage']?.('x.png', { autoOrient: 'false' })],
    ['autoOrient', () => others['imageSizeOf']?.('x.png', { autoOrient: 1 })],
    ['autoOrient', () => others['openClip']?.('x.gif', { autoOrient: 'false' })],
    ['newline', () => others['videoTokenConfig']?.({ ...frames, newline: 'row' })],
    [
      'fpss',
      () => others['sampleFrames']?.({ frames: 3, framesPerSecond: 2 }, { frames: 2, fpss: 1 }),
    ],
    ['box', () => others['resizeImage']?.(PIXELS, { width: 2, height: 2, box: '0,0,2,2' })],
    ['200000', () => others['resizeImage']?.(PIXELS, { width: 200_000, height: 200_000 })],
    ['host', () => others['readImage']?.('file://host/x.png')],
    ['host', () => others['openClip']?.(new URL('file://host/x.gif'))],
  ]
  for (const [name, call] of cases) {
    await assert.rejects(
      async () => call(),
      (error) => error instanceof InputError && error.message.includes(name),
      `${name}: ${String(call)}`,
    )
  }
})

test('pictures: samples that are no bytes, or fewer than the size says, are refused', async () => {
  const processor = preprocess.parseImageProcessor(CLIP_FILE)
  await using preprocessor = preprocess.createPreprocessor()
  const halves = { ...PIXELS, data: new Float32Array(48).fill(0.5) as never }
  const few = { mode: 'RGB', width: 2, height: 2, data: new Uint8Array(3) } as const
  const wide = { mode: 'RGB', width: 1, height: 1, data: new Float32Array(3) } as const
  const calls = [
    () => preprocess.preprocessImage(halves, processor),
    () => preprocessor.preprocess(halves, processor),
    () => preprocess.resizeImage(halves, { width: 2, height: 2 }),
    () => preprocess.convertImage(few, 'L'),
    () => preprocess.convertImage(wide, 'L'),
  ]
  for (const call of calls) {
    await assert.rejects(async () => call(), { code: 'INPUT_IMAGE_SHAPE' }, String(call))
  }
  const clamped = { ...PIXELS, data: new Uint8ClampedArray(48) as never }
  assert.equal(preprocess.preprocessImage(clamped, processor).tiles.data.length, 48)
})
