/**
 * Finds the parts of a checkpoint and opens them: the model's folder, and what lies elsewhere — the base under an
 * adapter, a projector file, the vision tower, the tokenizer.
 *
 * Each part is where an option says, else in a folder beside the checkpoint, else an error that names both.
 */
import { checkAdapters } from './check-adapters.ts'
import {
  beside,
  besideOrHub,
  checkpointFolders,
  modelName,
  modeNames,
  TRAINED_BESIDE,
  type CheckpointFolder,
} from './checkpoint-folders.ts'
import { CheckpointError, ConfigError } from './core/errors.ts'
import { inTurns, nextTurn } from './core/steps.ts'
import { learntBeside, type AdapterFolder } from './families/convert/learnt-beside.ts'
import { checkOriginalDecoder } from './families/decoder-config.ts'
import { familyOf, parseModelConfig } from './families/index.ts'
import type {
  CheckpointDocuments,
  Family,
  FamilyOptions,
  Layout,
  ModelConfig,
} from './families/family.ts'
import { locate, type HubOptions } from './locate-model.ts'
import { mergeAdapters } from './merge-adapters.ts'
import { hasAllOf, hasTower, isConfigAlone, isOriginal, withoutTower } from './checkpoint-tower.ts'
import { ggufDocuments, ggufSource } from './families/gguf.ts'
import { isObject } from './families/json-reader.ts'
import type { WeightPart } from './families/parameter-map.ts'
import { knownCheckpoint } from './families/known-checkpoints.ts'
import { PROJECTOR_NAMES, TOWER_EXTRAS, VISION_NAMES } from './families/parameter-names.ts'
import { tiedHeadSteps } from './families/tied-head.ts'
import { checkQuirks } from './families/quirks.ts'
import { publishedTower } from './families/vision-config.ts'
import { refuseQuantized } from './refuse-quantized.ts'
import { tokenizerFile } from './text/node.ts'
import { readDocuments } from './weights/documents.ts'
import {
  openCheckpoint,
  openGgufInTurns,
  openWeightFile,
  type WeightSource,
} from './weights/index.ts'
import { baseName, isFile, joinPath, listFolder, parentFolder } from './weights/node.ts'

export type CheckpointOptions = FamilyOptions &
  HubOptions & {
    readonly base?: string | undefined
    readonly adapters?: readonly string[] | undefined
    /** One that is not merged, since training goes on with it: pictures are prepared as it learnt them. */
    readonly lora?: string | undefined
    readonly projector?: string | undefined
    readonly visionTower?: string | undefined
    readonly tokenizer?: string | undefined
  }

export type Checkpoint = {
  /** Of the model's folders, with what adapters elsewhere say of pictures and clips. */
  readonly documents: CheckpointDocuments
  /** Those of the model's folders alone. */
  readonly ownFiles: CheckpointDocuments['files']
  readonly family: Family
  readonly config: ModelConfig
  /** Files of weights; later ones win. Closed by `close`. */
  readonly parts: readonly WeightPart[]
  /** Folder or file that the tokenizer is read from. */
  readonly tokenizerPath: string
  /** The folder of the checkpoint, where a quantised copy may be kept. */
  readonly folder: string
  /** Every file that weights are read from. */
  readonly files: readonly string[]
  /** Folders of the adapters that are merged, in order. */
  readonly adapters: readonly string[]
  /** What whoever uses it should know, a sentence each; told to `onProgress` too. */
  readonly notices: readonly string[]
  close(): void
}

/**
 * Opens the checkpoint that `name` stands for: a folder, a .gguf file, or a hub id. Throws ConfigError for quirks that do not
 * exist before anything is read.
 */
export async function openParts(name: string, options: CheckpointOptions): Promise<Checkpoint> {
  checkQuirks(options.quirks ?? {})
  const opened: WeightSource[] = []
  const keep = <S extends WeightSource>(source: S): S => {
    opened.push(source)
    return source
  }
  const close = () => opened.forEach((source) => source.close())
  try {
    // A published one of a kind that is not supported is not fetched.
    checkOriginalDecoder(knownCheckpoint(name)?.documents.files.get('config.json'))
    // Whoever reads no text would hear of it when it is to be copied.
    if (options.tokenizer !== undefined) await tokenizerFile(options.tokenizer)
    const path = await locate(name, options)
    const checkpoint = path.endsWith('.gguf')
      ? await openGgufParts(path, options, keep)
      : await openFolderParts(path, await locateParts(options), keep)
    for (const item of checkpoint.notices)
      options.onProgress?.({ stage: 'notice', item, done: 0, total: 0 })
    return { ...checkpoint, close }
  } catch (error) {
    close()
    throw error
  }
}

type Keep = <S extends WeightSource>(source: S) => S
type Opened = Omit<Checkpoint, 'close'>

async function openGgufParts(
  path: string,
  options: CheckpointOptions,
  keep: Keep,
): Promise<Opened> {
  refuseParts(options)
  const { adapters = [], lora } = await locateParts(options)
  checkAdapters(withLora(adapters, lora))
  const source = keep(await openGgufInTurns(path))
  const documents = ggufDocuments(baseName(path), source)
  const family = familyOf(documents)
  const config = parseModelConfig(documents, options)
  const isTied = config.decoder.tieEmbeddings
  const whole = [{ source: ggufSource(source), rules: family.parameterNames }]
  const parts = mergeAdapters(whole, adapters, { keep, isTied })
  return {
    documents,
    ownFiles: documents.files,
    family,
    ...(await inTurns(tiedHeadSteps({ config, parts }))),
    tokenizerPath: options.tokenizer ?? path,
    folder: parentFolder(path),
    files: [path, ...adapters.flatMap(adapterFiles)],
    adapters,
    notices: [],
  }
}

/** A .gguf file is a whole language model: of the other parts none has a place in it. */
function refuseParts(options: CheckpointOptions): void {
  const parts = (['base', 'projector', 'visionTower'] as const).filter(
    (part) => options[part] !== undefined,
  )
  if (parts.length === 0) return
  throw new ConfigError(
    'CONFIG_OPTION',
    `${parts.join(', ')}: expected nothing beside a .gguf file, which is a language model without eyes and whole, ${parts.map((part) => options[part]).join(', ')} came; leave it out, or name the folder of a LLaVA checkpoint ("llava assemble" makes one of a .gguf file and a tower).`,
  )
}

/** The options with every part that they name as a folder or file. */
async function locateParts(options: CheckpointOptions): Promise<CheckpointOptions> {
  const each = async (part: string | undefined) =>
    part === undefined ? undefined : await locate(part, options)
  return {
    ...options,
    base: await each(options.base),
    visionTower: await each(options.visionTower),
    projector: await each(options.projector),
    adapters: await Promise.all((options.adapters ?? []).map((part) => locate(part, options))),
  }
}

async function openFolderParts(
  folder: string,
  options: CheckpointOptions,
  keep: Keep,
): Promise<Opened> {
  const folders = await checkpointFolders(folder, options)
  const { documents: own } = folders[0] as CheckpointFolder
  checkOriginalDecoder(own.get('config.json'))
  // Headers and documents take some milliseconds each: others get their turn in between.
  await nextTurn()
  const { path: weights, documents: besideWeights } = folders.at(-1) as CheckpointFolder
  const main = keep(openCheckpoint(weights))
  refuseQuantized(weights, besideWeights.get('config.json'), main)
  await nextTurn()
  const tower = await towerFolder(folders, main, options)
  const ownFiles = new Map(folders.toReversed().flatMap((one) => [...one.documents]))
  const learnt = learntBeside(ownFiles, adapterFolders(options))
  const documents: CheckpointDocuments = {
    name: modelName(folder),
    modeNames: modeNames(folders),
    files: new Map([...ownFiles, ...learnt.files]),
    ...(tower !== null && { tower: readDocuments(tower) }),
  }
  const family = familyOf(documents)
  const used = weightFiles(main, weights)
  const whole: WeightPart[] = [{ source: main, rules: family.parameterNames }]
  if (tower !== null && !isConfigAlone(tower, { documents, main })) {
    const source = keep(openCheckpoint(tower))
    const part = { source, rules: [...VISION_NAMES, ...TOWER_EXTRAS] }
    if (!isOriginal(documents))
      whole[0] = { source: withoutTower(main), rules: family.parameterNames }
    if (!hasAllOf(part, whole)) {
      whole.unshift(part)
      used.push(...weightFiles(source, tower))
    }
  }
  await nextTurn()
  const parsed = parseModelConfig(documents, options)
  await nextTurn()
  const top = trainedOnTop(folders, options)
  const adapters = top.flatMap(({ kind, path }) => (kind === 'adapter' ? [path] : []))
  checkAdapters(withLora(adapters, options.lora))
  const isTied = parsed.decoder.tieEmbeddings
  const parts = withTrained(whole, { top, rules: family.parameterNames, keep, isTied })
  await nextTurn()
  const tied = await inTurns(tiedHeadSteps({ config: parsed, parts }))
  const { config } = tied
  checkClipNewline(options, parts)
  return {
    documents,
    ownFiles,
    family,
    ...tied,
    tokenizerPath:
      options.tokenizer ??
      tokenizerPath(
        folders.map(({ path }) => path),
        config.layout,
      ),
    folder,
    files: [
      ...used,
      ...top.flatMap(({ kind, path }) =>
        kind === 'adapter' ? adapterFiles(path) : projectorWeights(path),
      ),
    ],
    adapters,
    notices: learnt.notices,
  }
}

/** Those that lie in no folder of the model's. */
function adapterFolders({ adapters = [], lora }: CheckpointOptions): readonly AdapterFolder[] {
  return withLora(adapters, lora).map((path) => ({ path, documents: readDocuments(path) }))
}

/** All adapters that count, the lowest first. */
function withLora(adapters: readonly string[], lora: string | undefined): readonly string[] {
  return lora === undefined ? adapters : [...adapters, lora]
}

/** A folder with an adapter, or a file or folder with weights trained beside the language model. */
type OnTop = { readonly kind: 'adapter' | 'projector'; readonly path: string }

/** What was trained on top of the weights, the lowest first: of each folder, then what was asked for. */
function trainedOnTop(
  folders: readonly CheckpointFolder[],
  { adapters = [], projector }: CheckpointOptions,
): readonly OnTop[] {
  const adapter = (path: string) => ({ kind: 'adapter', path }) as const
  const beside = (path: string) => ({ kind: 'projector', path }) as const
  return [
    ...folders
      .toReversed()
      .flatMap(({ path, names }) => [
        ...(names.includes('adapter_config.json') ? [adapter(path)] : []),
        ...TRAINED_BESIDE.filter((name) => names.includes(name)).map((name) =>
          beside(joinPath(path, name)),
        ),
      ]),
    ...adapters.map(adapter),
    ...(projector === undefined ? [] : [beside(projectorFile(projector))]),
  ]
}

function projectorFile(path: string): string {
  const isStage1 = listFolder(path)?.includes('mm_projector.bin') ?? false
  return isStage1 ? joinPath(path, 'mm_projector.bin') : path
}

/** The parts of a model with what was trained on top of each other on top of them. */
function withTrained(
  whole: readonly WeightPart[],
  {
    top,
    rules,
    keep,
    isTied,
  }: {
    readonly top: readonly OnTop[]
    readonly rules: Family['parameterNames']
    readonly keep: Keep
    readonly isTied: boolean
  },
): WeightPart[] {
  return top.reduce(
    (parts, { kind, path }) =>
      kind === 'adapter'
        ? [...mergeAdapters(parts, [path], { keep, isTied })]
        : [...parts, { source: keep(openProjector(path)), rules: [...PROJECTOR_NAMES, ...rules] }],
    [...whole],
  )
}

/** Newline rows of clips are one learnt vector, which models that never had any cannot give. */
function checkClipNewline({ quirks }: CheckpointOptions, parts: readonly WeightPart[]): void {
  const { clipNewline = 'no_token' } = quirks ?? {}
  if (clipNewline === 'no_token') return
  const names = parts.flatMap(({ source }) => [...source.tensors.keys()])
  if (names.some((name) => /(?:^|\.)image_newline$/.test(name))) return
  throw new ConfigError(
    'CONFIG_QUIRK',
    `quirks: clipNewline ${clipNewline} expects a model with image_newline among its weights, this one has none; leave it out or choose no_token.`,
  )
}

/** The files that tensors of `source` lie in, which was opened from a folder or from one file. */
function weightFiles(source: WeightSource, path: string): string[] {
  if (isFile(path)) return [path]
  const names = new Set([...source.tensors.values()].map(({ file }) => file))
  return [...names].map((name) => joinPath(path, name))
}

function adapterFiles(folder: string): string[] {
  const names = listFolder(folder) ?? []
  return names.filter((name) => name.startsWith('adapter_')).map((name) => joinPath(folder, name))
}

/** The folder of the vision tower: a given one, or that which an original checkpoint names; null where its own files hold all that is needed. */
async function towerFolder(
  folders: readonly CheckpointFolder[],
  main: WeightSource,
  options: CheckpointOptions,
): Promise<string | null> {
  if (options.visionTower !== undefined) return options.visionTower
  const { path: folder, documents } =
    folders.find((one) => one.documents.has('config.json')) ?? (folders[0] as CheckpointFolder)
  const config = documents.get('config.json')
  const named = isObject(config) ? config['mm_vision_tower'] : undefined
  if (typeof named !== 'string') return null
  const found = beside(folder, named)
  if (found !== null || (hasTower(main) && publishedTower(named) !== undefined)) return found
  const advice = hasTower(main)
    ? 'put its folder there, for its config: the weights are in the checkpoint'
    : 'give its folder as visionTower (--vision-tower)'
  return besideOrHub(folder, named, { ...options, advice })
}

/** A projector's file, or the projector alone out of the folder of a model: stage 1 leaves either. */
function openProjector(path: string): WeightSource {
  if (listFolder(path) === undefined) return withoutPeftPrefix(openWeightFile(path))
  const source = openCheckpoint(path)
  const own = [...source.tensors].filter(([name]) => PROJECTOR_TENSOR.test(name))
  if (own.length > 0) return { ...source, tensors: new Map(own) }
  source.close()
  throw new CheckpointError(
    'CHECKPOINT_PROJECTOR',
    `projector: expected mm_projector.bin or a model with a projector in ${path}, the model there has none; give the folder or file that stage 1 wrote.`,
  )
}

const PROJECTOR_TENSOR = /(?:^|\.)(?:multi_modal_projector|mm_projector|image_newline)(?:\.|$)/

function projectorWeights(path: string): string[] {
  if (listFolder(path) === undefined) return [path]
  const source = openCheckpoint(path)
  try {
    return weightFiles(source, path)
  } finally {
    source.close()
  }
}

/** Tensor names as they were before PEFT wrapped the model. */
function withoutPeftPrefix(source: WeightSource): WeightSource {
  const names = new Map(
    [...source.tensors.keys()].map((name) => [name.replace(/^base_model\.(?:model\.)?/, ''), name]),
  )
  const original = (name: string) => names.get(name) ?? name
  return {
    tensors: new Map(
      [...names].flatMap(([ours, theirs]) => {
        const info = source.tensors.get(theirs)
        return info ? [[ours, info] as const] : []
      }),
    ),
    read: (name) => source.read(original(name)),
    release: (name) => source.release?.(original(name)),
    close: () => source.close(),
  }
}

const TOKENIZER_FILES: { readonly [L in Layout]: readonly string[] } = {
  hf: ['tokenizer.json', 'tokenizer.model'],
  /** The original code takes the slow tokenizer, which reads the SentencePiece model. */
  original: ['tokenizer.model', 'tokenizer.json'],
}

/** The tokenizer of the first folder that has one. */
function tokenizerPath(folders: readonly string[], layout: Layout): string {
  for (const folder of folders) {
    const names = listFolder(folder) ?? []
    const found = TOKENIZER_FILES[layout].find((name) => names.includes(name))
    if (found !== undefined) return joinPath(folder, found)
  }
  return folders[0] as string
}
