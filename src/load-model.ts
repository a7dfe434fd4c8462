/** `loadModel`: a name in, a model out. Families, weights, runtime and engine are put together here and nowhere else. */
import { checkLoadOptions } from './check-load-options.ts'
import { choosePrecision, type ChosenPrecision, type PrecisionOption } from './choose-precision.ts'
import { CapacityError } from './core/errors.ts'
import { elementCount } from './core/shape.ts'
import { atOnce, inTurns, nextTurn, type Steps } from './core/steps.ts'
import { toFloat32, type HostTensor } from './core/tensor.ts'
import { EMBEDDING, type DecoderConfig } from './decoder/decoder.ts'
import { withClipOptions, type ClipOptions } from './families/clip-options.ts'
import { IMAGE_NEWLINE } from './families/parameter-names.ts'
import { turnEndOf } from './families/turn-end.ts'
import { parameterSteps, type ParameterMap } from './families/parameter-map.ts'
import { Graph, type Value } from './graph/graph.ts'
import type { PrecisionPolicy } from './graph/lower.ts'
import type { DigitProducts } from './graph/lower-int8.ts'
import { liveParameters } from './graph/onnx-writer.ts'
import { openParts, type Checkpoint, type CheckpointOptions } from './load-checkpoint.ts'
import { quantizedPlanner } from './load-quantized.ts'
import {
  createModelSession,
  createModelSessions,
  type QuantizedPlanner,
  type SessionGraph,
  type SessionParts,
} from './load-weights.ts'
import { Model } from './model.ts'
import { assertFiniteInTurns, readFloatWeight, turnTaker } from './read-float-weight.ts'
import { createClips, createPictures } from './open-media.ts'
import { int8Saturates } from './runtime/int8-check.ts'
import { returnLargeBlocks } from './runtime/malloc-node.ts'
import { createRuntime, freeMemoryBytes } from './runtime/node.ts'
import type { Session } from './runtime/runtime.ts'
import { grammarVocabulary } from './serve/constrained/grammar-vocabulary.ts'
import { GrammarThreads } from './serve/constrained/grammar-threads-node.ts'
import {
  decoderGraph,
  int8DecodeGraph,
  int8PrefillGraph,
  segmentedGraph,
  type CacheForm,
} from './serve/decoder-graph.ts'
import { DecoderRunner } from './serve/decoder-runner.ts'
import { cacheScales } from './serve/calibrate-cache.ts'
import { EmbeddingTable } from './serve/embedding-table.ts'
import { Engine } from './serve/engine.ts'
import { coarseLayer } from './serve/exact-runs.ts'
import { parseGenerationConfig, type GenerationConfig } from './serve/generation-config.ts'
import { Generator } from './serve/generator.ts'
import { PromptPreparer } from './serve/prepare-prompt.ts'
import { RequestGate } from './serve/request-gate.ts'
import { SEGMENTS, type MakeSegmented } from './serve/segmented-prefill.ts'
import { visionGraph, visionHalves, VisionRunner, type Turn } from './serve/vision-runner.ts'
import { loadTokenizer } from './text/node.ts'
import type { Tokenizer } from './text/tokenizer.ts'
import { assertFinite, type WeightSource } from './weights/index.ts'

export type LoadProgress = {
  /** `notice`: nothing is counted, `item` is something worth knowing. */
  readonly stage: 'download' | 'hash' | 'quantize' | 'load' | 'notice'
  readonly done: number
  readonly total: number
  readonly item: string
}

export type LoadOptions = Omit<CheckpointOptions, 'use' | 'lora'> & {
  readonly precision?: PrecisionOption | undefined
  readonly device?: 'cpu' | undefined
  readonly threads?: number | undefined
  /** The longest sequence, in tokens. Default: what the checkpoint was made for. */
  readonly maxContext?: ClipOptions['maxContext']
  /** Frames of a clip whose request does not say how many. Default: what fits the context, at most 32. */
  readonly frames?: ClipOptions['frames']
  /** Stretches positions for longer contexts; `auto`: as the demo of NeXT-Video does for the number of frames. */
  readonly ropeScaling?: ClipOptions['ropeScaling']
  /**
   * Memory for keys and values: of running answers, and with what they leave, of kept beginnings. An answer that needs more
   * runs alone. Default: a quarter of what is free when the model is loaded, at least 1 GiB; kept beginnings take no more
   * than that GiB then.
   */
  readonly kvBytes?: number | undefined
  /**
   * Keep beginnings of ended answers for requests that begin alike. Default true. Answers are the same without, but in
   * `int8+q4` and `q4b128`: docs/serving.md.
   */
  readonly prefixCache?: boolean | undefined
  /** Answers that are decoded together at most. Default 16. Where it is given, `auto` precisions are those for several. */
  readonly maxRows?: number | undefined
  /** Requests that may wait for their prompt to be read; further ones are refused with CAPACITY_QUEUE. Default: any number. */
  readonly maxWaiting?: number | undefined
  /** Memory for rows of encoded pictures. Default 256 MiB. */
  readonly pictureBytes?: number | undefined
  /** Pixels of pictures that are decoded, encoded or waiting to be read at a time. Default 268 million. */
  readonly maxPixels?: number | undefined
  /** How keys and values are kept. Default: `f32` if the precision is, and of int8 decoders narrower than 2048; else `int8`. */
  readonly kvCache?: CacheForm | undefined
  /** Turn pictures as their Exif or XMP says; the reference does not. */
  readonly autoOrient?: boolean | undefined
  /** Fetch pictures from http and https URLs. */
  readonly allowRemote?: boolean | undefined
  /** Where quantised copies are kept; default beside the checkpoint, else in the user's cache folder. */
  readonly cacheDir?: string | undefined
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

const SERVING_DEFAULTS = {
  maxRows: 16,
  maxWaiting: Infinity,
  prefixCache: true,
  /** About forty pictures of a 7B. */
  pictureBytes: 256 << 20,
  /** Twenty pictures of twelve megapixels. */
  maxPixels: 2 ** 28,
} as const
const DEFAULT_KEPT_BYTES = 2 ** 30

/**
 * Loads a model: a folder, a .gguf file, or a hub id such as `llava-hf/llava-1.5-7b-hf`.
 *
 * Throws ConfigError for options or a config that cannot be used, CheckpointError for files that are missing or damaged.
 */
export async function loadModel(name: string, options: LoadOptions = {}): Promise<Model> {
  checkLoadOptions(name, options)
  options.signal?.throwIfAborted()
  const checkpoint = await openParts(name, options)
  const cleanup: (() => void | Promise<void>)[] = [() => checkpoint.close()]
  const dispose = async () => {
    for (const step of cleanup.splice(0).reverse()) await step()
  }
  try {
    return await assemble(checkpoint, options, { cleanup, dispose })
  } catch (error) {
    await dispose()
    throw error
  }
}

type Lifetime = {
  /** Undone in reverse when the model is disposed of, or when loading fails. */
  readonly cleanup: (() => void | Promise<void>)[]
  readonly dispose: () => Promise<void>
}

async function assemble(
  checkpoint: Checkpoint,
  options: LoadOptions,
  { cleanup, dispose }: Lifetime,
): Promise<Model> {
  const config = withClipOptions(checkpoint.config, options)
  returnLargeBlocks()
  // Each of these first steps takes some milliseconds of this thread: the event loop gets its turn in between.
  await nextTurn()
  const runtime = await createRuntime({ threads: options.threads })
  cleanup.push(() => runtime.dispose())
  await nextTurn()
  const pictures = createPictures(options)
  cleanup.push(() => pictures.dispose())
  // Its modules are read while this thread reads weights.
  if (config.image) pictures.warm()
  const graphs = modelGraphs(checkpoint)
  await nextTurn()
  const parameters = await inTurns(parameterMapSteps(checkpoint, graphs))
  const isInt8Exact = !(await int8Saturates(runtime))
  const precision = precisionOf(options, checkpoint, { graphs, isInt8Exact })
  const opened: WeightSource[] = []
  cleanup.push(() => opened.forEach((source) => source.close()))
  const quantize = quantizedPlanner(checkpoint, options, opened)
  const embeddings = await readEmbeddings(parameters, options.signal)
  const known = new Map([[EMBEDDING, embeddings]])
  const parts = { runtime, parameters, known, quantize, isInt8Exact, signal: options.signal }
  const serving = servingOptions(options)
  const table = new EmbeddingTable(embeddings, parameters.stored(EMBEDDING).place)
  let begin = () => {}
  const areWeightsRead = new Promise<void>((resolve) => (begin = resolve))
  const decoder = createDecoder(config.decoder, graphs.decoder, {
    precision,
    parts: { ...parts, onRead: () => begin() },
  })
  const cacheBytes = serving.pictureBytes
  const turn: Turn = (job, rank) => engine.scheduler.turn(job, rank)
  // Packing the weights is the engine's work, on threads of its own: the rest is read meanwhile.
  const rest = areWeightsRead.then(() =>
    Promise.all([
      loadTokenizer(checkpoint.tokenizerPath),
      createVision(checkpoint, graphs, { precision, parts, cacheBytes, turn }),
    ]),
  )
  const [runner, [tokenizer, vision]] = await Promise.all([decoder, rest])
  cleanup.push(() => runner.dispose())
  const scales = await cacheScales(runner, table, { signal: options.signal })
  if (scales) runner.setCacheScales(scales)
  await nextTurn()
  const { maxRows, prefixCache } = serving
  const kvBytes = options.kvBytes ?? Math.max(DEFAULT_KEPT_BYTES, freeMemoryBytes() / 4)
  const keptBytes = options.kvBytes ?? DEFAULT_KEPT_BYTES
  const limits = { maxRows, prefixCache, kvBytes, keptBytes, freeBytes: freeMemoryBytes }
  const engine = new Engine({ runner, table, ...limits })
  cleanup.push(() => engine.dispose())
  if (vision) cleanup.push(() => vision.dispose())
  const clips = createClips(options)
  const preparer = new PromptPreparer({ config, tokenizer, pictures, clips })
  const generation = generationOf(checkpoint, tokenizer)
  await nextTurn()
  const constraints = new GrammarThreads(
    grammarVocabulary({ config, tokenizer, stopIds: generation.eosTokenIds }),
  )
  cleanup.push(() => constraints.dispose())
  const generator = new Generator({
    config,
    generation,
    tokenizer,
    preparer,
    vision,
    engine,
    gate: new RequestGate(serving),
    table,
    constraints,
    newline: config.image?.hasNewline ? newlineRow(parameters) : null,
  })
  return new Model({
    config,
    precision,
    device: runtime.device,
    keepsPrompts: prefixCache,
    autoOrient: options.autoOrient ?? false,
    generation,
    tokenizer,
    preparer,
    generator,
    engine,
    imageSize: pictures.size,
    clipInfo: clips.infoOf,
    dispose,
  })
}

/** The file's own memory where it is a view, else widened with turns for others in between. */
async function readEmbeddings(
  parameters: ParameterMap,
  signal: AbortSignal | undefined,
): Promise<HostTensor> {
  const takeTurns = turnTaker(signal)
  const { isView, place } = parameters.stored(EMBEDDING)
  if (isView) {
    const table = parameters.read(EMBEDDING)
    if (table.data.byteLength <= CHECKED_BYTES) {
      await assertFiniteInTurns(table, { path: EMBEDDING, place }, takeTurns)
    }
    return table
  }
  const allocate = (elements: number) => new Float32Array(elements)
  return readFloatWeight(EMBEDDING, { parameters, allocate, takeTurns })
}

/** Tables up to this are checked at once, larger ones row by row when they are used: checking reads a mapped file. */
const CHECKED_BYTES = 1 << 28

type ServingOptions = { readonly [O in keyof typeof SERVING_DEFAULTS]: NonNullable<LoadOptions[O]> }

function servingOptions(options: LoadOptions): ServingOptions {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return { ...SERVING_DEFAULTS, ...(Object.fromEntries(given) as Partial<ServingOptions>) }
}

function newlineRow(parameters: ParameterMap): Float32Array {
  const stored = parameters.read(IMAGE_NEWLINE)
  assertFinite(stored, IMAGE_NEWLINE, parameters.stored(IMAGE_NEWLINE).place)
  return toFloat32(stored)
}

export type ModelGraphs = {
  /** Tower and projector together, or the tower alone where something happens between the two. */
  readonly vision: Graph | null
  readonly projector: Graph | null
  readonly decoder: Graph
}

export function modelGraphs({ config }: Pick<Checkpoint, 'config'>): ModelGraphs {
  const { vision, projector, video } = config
  const decoder = decoderGraph(config.decoder)
  if (!vision || !projector) return { vision: null, projector: null, decoder }
  const isSplit = video?.poolPlace === 'before' && video.tokens.pooling.mode !== 'none'
  if (!isSplit || projector.depth === 0) {
    return { vision: visionGraph(vision, projector), projector: null, decoder }
  }
  const halves = visionHalves(vision, projector)
  return { vision: halves.tower, projector: halves.projector, decoder }
}

/** Blocks behind the one whose features are read, and a newline that the config does not use, are in files unread. */
const UNREAD = /^vision\.layers\.|^imageNewline$/
const TIED_HEAD = /^decoder\.head\.weight$/

export function parameterMap(
  checkpoint: Pick<Checkpoint, 'parts' | 'config'>,
  graphs: ModelGraphs,
): ParameterMap {
  return atOnce(parameterMapSteps(checkpoint, graphs))
}

function* parameterMapSteps(
  { parts, config }: Pick<Checkpoint, 'parts' | 'config'>,
  graphs: ModelGraphs,
): Steps<ParameterMap> {
  const wanted = [graphs.vision, graphs.projector, graphs.decoder].flatMap((graph) =>
    graph ? liveParameters(graph) : [],
  )
  // Read by the host, not by a graph.
  const g = new Graph('host')
  const { vocabSize, hiddenSize, tieEmbeddings } = config.decoder
  g.parameter(EMBEDDING, [vocabSize, hiddenSize])
  if (config.image?.hasNewline) g.parameter(IMAGE_NEWLINE, [hiddenSize])
  const unused = tieEmbeddings ? new RegExp(`${UNREAD.source}|${TIED_HEAD.source}`) : UNREAD
  yield
  return yield* parameterSteps(parts, [...wanted, ...g.parameters.values()], { unused })
}

export function precisionOf(
  { precision = 'auto', kvCache, maxRows = 1 }: LoadOptions,
  { config }: Pick<Checkpoint, 'config'>,
  { graphs, isInt8Exact }: { readonly graphs: ModelGraphs; readonly isInt8Exact: boolean },
): ChosenPrecision {
  const decoder = linearWeights(graphs.decoder)
  const others = [graphs.vision, graphs.projector].flatMap((g) => (g ? linearWeights(g) : []))
  const sizes = decoder.map(({ shape }) => shape.reduce<number>((a, b) => a * Number(b), 1))
  return choosePrecision(precision, {
    decoderElements: sizes.reduce((a, b) => a + b, 0),
    visionWidth: config.vision?.hiddenSize ?? 0,
    hiddenSize: config.decoder.hiddenSize,
    freeBytes: freeMemoryBytes(),
    isInt8Exact,
    kvCache,
    streams: maxRows,
    linears: [...decoder, ...others].map(({ name }) => name),
  })
}

function linearWeights(graph: Graph): Value[] {
  return graph.nodes.flatMap(({ op, inputs }) => (op === 'Linear' ? [inputs[1] as Value] : []))
}

async function createDecoder(
  config: DecoderConfig,
  graph: Graph,
  { precision, parts }: { readonly precision: ChosenPrecision; readonly parts: SessionParts },
): Promise<DecoderRunner> {
  const { kvCache: cacheForm, singleStream } = precision
  const isInt8 = cacheForm === 'int8'
  const graphs = await inTurns(decoderSessionSteps(config, graph, precision))
  // A session of prompts may come later: it finds what is packed and quantised now.
  const sharedWeights = isInt8 ? undefined : parts.runtime.createSharedWeights()
  let quantized: ReturnType<QuantizedPlanner> | null = null
  const quantize: QuantizedPlanner = (plan) => (quantized ??= parts.quantize(plan))
  const decoding = { ...parts, quantize, sharedWeights }
  // The weights of a second form are still to be read then.
  const first = singleStream ? { ...decoding, onRead: undefined } : decoding
  const made = await createModelSessions(graphs, precision.decoder, first)
  const [prefill, decode] = [made[0] as Session, made.at(-1) as Session]
  const alone = singleStream
    ? await createModelSession(graphs.at(-1) as SessionGraph, singleStream, parts)
    : null
  const makeSegmented = isInt8
    ? null
    : segmentedMaker(config, graph, { precision, parts: decoding })
  const coarse = coarseLayer(graph, precision.decoder)
  const forms = { cacheForm, singleStream: alone, coarseLayer: coarse }
  const sessions = { ...forms, prefill, decode, makeSegmented }
  return new DecoderRunner({ runtime: parts.runtime, config, sessions })
}

/**
 * What sessions of the decoder are made of: that of prompts, and that of steps. Prompts have many rows, steps have few. Over a
 * float32 cache one does for both, unless they multiply digits otherwise.
 */
export function* decoderSessionSteps(
  config: DecoderConfig,
  graph: Graph,
  { kvCache, decoder }: ChosenPrecision,
): Steps<SessionGraph[]> {
  if (kvCache === 'int8') {
    const prompts = int8PrefillGraph(config)
    yield
    return [
      { graph: prompts, digits: 'apart', order: 'lastFirst', unsized: ROWS },
      { graph: int8DecodeGraph(config) },
    ]
  }
  const steps = { graph, unsized: ROWS }
  const digits = promptDigits(graph, decoder)
  return digits ? [{ ...steps, digits }, steps] : [steps]
}

/** Where activations of whole layers have two digits, and not those of the head alone, prompts multiply them apart. */
function promptDigits(graph: Graph, policy: PrecisionPolicy): DigitProducts | undefined {
  const fine = linearWeights(graph).filter(({ name }) => policy(name) === 'int8a16')
  return fine.length > 1 ? 'apart' : undefined
}

/** The input of the decoder that its rows come from: `OnnxOptions.unsized`. */
const ROWS: readonly string[] = ['embeddings']

function segmentedMaker(
  config: DecoderConfig,
  graph: Graph,
  { precision, parts }: { readonly precision: ChosenPrecision; readonly parts: SessionParts },
): MakeSegmented {
  const digits = promptDigits(graph, precision.decoder)
  return async (signal) => {
    assertMemoryFor(graph, precision.decoder)
    // Some milliseconds of this thread.
    await nextTurn()
    const prompts = {
      graph: segmentedGraph(config, SEGMENTS),
      unsized: ROWS,
      ...(digits && { digits }),
    }
    return createModelSession(prompts, precision.decoder, { ...parts, onRead: undefined, signal })
  }
}

/** A session that shares what others have packed reads weights once more, widened, before it gives them back. */
function assertMemoryFor(graph: Graph, policy: PrecisionPolicy): void {
  const widened = liveParameters(graph).filter(({ name }) => policy(name) === 'f32')
  const bytes = widened.reduce((sum, { shape }) => sum + 4 * elementCount(shape as number[]), 0)
  const free = freeMemoryBytes()
  if (free >= bytes) return
  throw new CapacityError(
    'CAPACITY_MEMORY',
    `decoder: reading the weights again takes ${bytes} bytes for a while, ${free} are free; prompts are read one by one.`,
  )
}

type VisionParts = {
  readonly precision: ChosenPrecision
  readonly parts: SessionParts
  readonly cacheBytes: number
  readonly turn: Turn
}

async function createVision(
  { config }: Checkpoint,
  graphs: ModelGraphs,
  { precision, parts, cacheBytes, turn }: VisionParts,
): Promise<VisionRunner | null> {
  const { vision, projector } = config
  if (!vision || !projector || !graphs.vision) return null
  const first = { graph: graphs.vision, unsized: ['pixelValues'] }
  const tower = await createModelSession(first, precision.vision, parts)
  const second = graphs.projector
    ? await createModelSession({ graph: graphs.projector }, precision.vision, parts)
    : null
  return new VisionRunner({
    runtime: parts.runtime,
    sessions: { tower, projector: second },
    vision,
    projector,
    cacheBytes,
    turn,
  })
}

/** An original checkpoint that names no end token ends where its conversation mode does. */
export function generationOf(
  { documents, config }: Pick<Checkpoint, 'documents' | 'config'>,
  tokenizer: Tokenizer,
): GenerationConfig {
  const parsed = parseGenerationConfig(documents.files.get('generation_config.json'))
  const turnEnd = turnEndOf(config.prompt, tokenizer)
  const named = [parsed.eosTokenIds, config.endTokens].find((ids) => ids.length > 0)
  return { ...parsed, turnEnd, eosTokenIds: named ?? turnEnd.tokenIds }
}
