/**
 * How SGLang or vLLM is started for a checkpoint, and what they will not do with it.
 *
 * Sources: docs.vllm.ai, "Engine arguments" and "Supported models" (LLaVA in the `llava-hf` layout, towers CLIP and SigLIP:
 * vllm/model_executor/models/llava*.py); docs.sglang.io, "Server Arguments" and "Supported models" (LLaVA in the original
 * layout with named chat templates, `LlavaForConditionalGeneration`: python/sglang/srt/models/llava.py).
 */
import type { DType } from '../core/dtype.ts'
import type { ModelConfig } from '../families/family.ts'
import { countImageTokens } from '../preprocess/index.ts'
import { pictureParts, sumOf } from '../preprocess/token-parts.ts'
import { featureRows } from '../vision/vision-transformer.ts'
import type { CheckpointWords } from './load-flags.ts'

export const ENGINES = ['sglang', 'vllm'] as const
export type EngineName = (typeof ENGINES)[number]

/** What is known of a checkpoint without reading a weight. */
export type LaunchFacts = {
  readonly engine: EngineName
  readonly model: string
  readonly config: ModelConfig
  /** Elements of all weights by the type that they are stored in. */
  readonly elements: Readonly<Partial<Record<DType, number>>>
  /** Why no engine can read the files as they are: adapters beside a base, habits of the command line, packed blocks. */
  readonly isInParts: boolean
  readonly isPacked: boolean
  readonly given: CheckpointWords
}

export type LaunchOptions = {
  readonly host: string
  readonly port: number
  readonly servedName: string | null
  readonly maxContext: number
  readonly dtype: 'float16' | 'bfloat16' | 'float32' | null
  readonly gpuGib: number
  readonly gpus: number
  /** Pictures and clips of one request. */
  readonly maxImages: number | null
}

export type LaunchPlan = {
  readonly engine: EngineName
  readonly model: string
  /** Why the engine cannot serve it, converted or not; the rest of the plan is of use only where there are none. */
  readonly reasons: readonly string[]
  /** What is run first; null where the files are read as they are. */
  readonly convert: readonly string[] | null
  readonly command: readonly string[]
  /** What this program is started with in front of it. */
  readonly front: readonly string[]
  readonly dtype: string
  readonly contextLength: number
  readonly tensorParallel: number
  readonly weightBytes: number
  /** Keys and values of one sequence as long as the context. */
  readonly contextBytes: number
  readonly chatTemplate: string | null
  readonly limits: { readonly image: number; readonly video: number }
  readonly warnings: readonly string[]
}

export function planLaunch(facts: LaunchFacts, options: LaunchOptions): LaunchPlan {
  const { engine, config } = facts
  const warnings: string[] = []
  const reasons = reasonsAgainst(facts)
  const layout = layoutFor(facts)
  const isConverted =
    reasons.length === 0 && (facts.isInParts || facts.isPacked || layout !== config.layout)
  const out = `${facts.model.replace(/\/+$/, '').split('/').pop()}-${layout === 'hf' ? 'hf' : 'original'}`
  const dtype = options.dtype ?? storedAs(facts.elements)
  const memory = memoryOf(facts, dtype, options)
  if (memory.tensorParallel === null) {
    warnings.push(
      `weights of ${gib(memory.weightBytes)} do not fit ${options.gpus} cards of ${options.gpuGib} GiB beside one context; give more cards (--gpus) or larger ones (--gpu-gib).`,
    )
  }
  const limits = limitsOf(facts, options, warnings)
  // A template that is given is written into files of the one layout; the other has no place for it.
  const isTemplateLost = !isConverted || layout === 'original'
  const chatTemplate = templateOf(facts, { layout, isTemplateLost }, warnings)
  const tensorParallel = memory.tensorParallel ?? options.gpus
  const model = isConverted ? out : facts.model
  const revision = isConverted ? [] : facts.given.revision
  const starting = { ...options, model, revision, dtype, tensorParallel, limits, chatTemplate }
  return {
    engine,
    model: facts.model,
    reasons,
    convert: isConverted ? convertCommand(facts, layout, out) : null,
    command: engine === 'vllm' ? vllmCommand(starting) : sglangCommand(starting),
    front: [
      ['npx', 'llava', 'serve', '--upstream', `http://${reachable(options.host)}:${options.port}`],
      // Counted as it is served: the layouts round some sizes of pictures differently.
      ['--model', model],
      isTemplateLost ? facts.given.template : [],
      [...revision, ...(isConverted ? [] : facts.given.offline)],
    ].flat(),
    dtype,
    contextLength: options.maxContext,
    tensorParallel,
    weightBytes: memory.weightBytes,
    contextBytes: memory.contextBytes,
    chatTemplate,
    limits,
    warnings,
  }
}

/** What no conversion helps against. */
function reasonsAgainst(facts: LaunchFacts): string[] {
  const { engine, config } = facts
  const { vision } = config
  const what = [
    vision &&
      vision.patchMerge > 1 &&
      `it merges ${vision.patchMerge} × ${vision.patchMerge} patches before its projector`,
    vision?.isStandardised && 'it scales the features of its tower',
    vision?.kind === 'vit' && 'its tower is a ViT, and LLaVA has CLIP or SigLIP there',
    engine === 'sglang' &&
      config.family === 'next-video' &&
      'it knows no NeXT-Video of the llava-hf layout',
    config.family === 'text' &&
      (facts.isInParts || facts.isPacked) &&
      'it is quantised, in parts or read by habits that are not its own, and only models that see are converted here',
  ].filter((one) => typeof one === 'string')
  return what.map(
    (reason) => `${NAMES[engine]} cannot serve this model: ${reason}; serve it with llava serve.`,
  )
}

const NAMES = { vllm: 'vLLM', sglang: 'SGLang' } as const

/** vLLM reads the layout of `llava-hf`; SGLang the original one, and of the other plain LLaVA alone. */
function layoutFor({ engine, config }: LaunchFacts): ModelConfig['layout'] {
  if (engine === 'vllm' || config.family === 'text') return 'hf'
  return config.family === 'next' ? 'original' : config.layout
}

function convertCommand(
  { model, given }: LaunchFacts,
  layout: ModelConfig['layout'],
  out: string,
): readonly string[] {
  const to = layout === 'hf' ? 'llava-hf' : 'original'
  const { parts, template, revision, offline } = given
  const source = [model, ...parts, ...template, ...revision, ...offline]
  return ['npx', 'llava', 'convert', ...source, '--to', to, '--out', out]
}

/** Half precision of the kind that most weights have; what is stored wider was so for training. */
function storedAs(elements: LaunchFacts['elements']): 'float16' | 'bfloat16' {
  const { bfloat16 = 0, ...others } = elements
  const rest = Object.values(others).reduce((sum, count) => sum + count, 0)
  return bfloat16 > rest ? 'bfloat16' : 'float16'
}

type Memory = {
  readonly weightBytes: number
  readonly contextBytes: number
  /** The fewest cards that hold it; null where none do. */
  readonly tensorParallel: number | null
}

/** What a card keeps for itself, and the share that engines take of the rest by default. */
const CARD_BYTES = 2 * 2 ** 30
const USABLE = 0.9

function memoryOf(
  { config: { decoder }, elements }: LaunchFacts,
  dtype: string,
  { maxContext, gpuGib, gpus }: LaunchOptions,
): Memory {
  const bytes = dtype === 'float32' ? 4 : 2
  const count = Object.values(elements).reduce((sum, one) => sum + one, 0)
  const { numHeads, numKvHeads, headDim } = decoder.attention
  const weightBytes = count * bytes
  const contextBytes = 2 * decoder.numLayers * numKvHeads * headDim * maxContext * bytes
  const room = (gpuGib * 2 ** 30 - CARD_BYTES) * USABLE
  const fits = [1, 2, 4, 8, 16].find((cards) => {
    const divides = numHeads % cards === 0 && (numKvHeads % cards === 0 || cards % numKvHeads === 0)
    // Key and value heads that are fewer than cards are on several of them.
    const heads = Math.max(1, numKvHeads / cards) / numKvHeads
    return cards <= gpus && divides && weightBytes / cards + contextBytes * heads <= room
  })
  return { weightBytes, contextBytes, tensorParallel: fits ?? null }
}

/** As many pictures as the context holds of the largest kind, with room for words. */
function limitsOf(
  { engine, config }: LaunchFacts,
  { maxContext, maxImages }: LaunchOptions,
  warnings: string[],
): LaunchPlan['limits'] {
  const { image, vision } = config
  if (!image || !vision) return { image: 0, video: 0 }
  const square = { width: 4096, height: 4096 }
  const counted = countImageTokens(square, image.tokens)
  const tokens = sumOf(pictureParts(counted, featureRows(vision)))
  const fitting = Math.max(1, Math.floor((maxContext - WORDS) / tokens))
  if (maxImages !== null && maxImages > fitting) {
    warnings.push(
      `${maxImages} pictures of ${tokens} tokens are more than the context of ${maxContext} holds: ${fitting} do.`,
    )
  }
  const isClipModel = engine === 'vllm' && config.family === 'next-video'
  if (isClipModel) warnings.push('vLLM takes clips alone with NeXT-Video, no pictures.')
  const takesClips = isClipModel || /onevision/i.test(config.family) || isOneVision(config)
  if (config.video && !takesClips) {
    warnings.push(`${NAMES[engine]} takes no clips with this family; llava serve does.`)
  }
  const most = Math.min(maxImages ?? DEFAULT_IMAGES, Math.max(fitting, maxImages ?? 0))
  return { image: isClipModel ? 0 : most, video: takesClips ? 1 : 0 }
}

/** Of the question and its answer, beside the pictures. */
const WORDS = 512
/** As many as our own server lets into a request. */
const DEFAULT_IMAGES = 16

function isOneVision({ family, decoder, image }: ModelConfig): boolean {
  return family === 'next' && decoder.kind === 'qwen2' && image !== null
}

/** The name that SGLang knows a conversation mode by; of templates in the files nothing need be said. */
function templateOf(
  { engine, config: { prompt }, given }: LaunchFacts,
  {
    layout,
    isTemplateLost,
  }: { readonly layout: ModelConfig['layout']; readonly isTemplateLost: boolean },
  warnings: string[],
): string | null {
  if (prompt.kind === 'none') {
    warnings.push(
      'the checkpoint has no chat template: only raw prompts are answered; give one with --template.',
    )
    return null
  }
  if (engine === 'vllm' || layout === 'hf') {
    if (given.template.length > 0 && isTemplateLost) {
      warnings.push(
        'prompts follow --template, of which the files know nothing: write it into a .jinja file and add --chat-template FILE.',
      )
    }
    return null
  }
  if (prompt.kind === 'template') {
    warnings.push(
      'SGLang finds no chat template in the original layout: write that of this checkpoint into a .jinja file and add --chat-template FILE.',
    )
    return null
  }
  const known = SGLANG_TEMPLATES[prompt.mode]
  if (known !== undefined) return known
  warnings.push(
    `SGLang knows no template that is conversation mode ${prompt.mode}: prompts will differ; compare them (llava serve --model logs prompt-mismatch).`,
  )
  return null
}

/** Built-in ones, by the modes of the original repositories. */
const SGLANG_TEMPLATES: Readonly<Record<string, string>> = {
  vicuna_v1: 'vicuna_v1.1',
  qwen_1_5: 'chatml-llava',
  qwen_2: 'chatml-llava',
  chatml_direct: 'chatml-llava',
  llava_llama_3: 'llava_llama_3',
}

type Starting = LaunchOptions &
  Pick<LaunchPlan, 'model' | 'dtype' | 'tensorParallel' | 'limits' | 'chatTemplate'> &
  Pick<CheckpointWords, 'revision'>

function vllmCommand(start: Starting): string[] {
  const { model, host, port, dtype, maxContext, tensorParallel, servedName, limits } = start
  const { revision } = start
  return [
    ['vllm', 'serve', model, ...revision, '--host', host, '--port', String(port)],
    servedName === null ? [] : ['--served-model-name', servedName],
    ['--dtype', dtype, '--max-model-len', String(maxContext)],
    tensorParallel > 1 ? ['--tensor-parallel-size', String(tensorParallel)] : [],
    limits.image + limits.video > 0 ? ['--limit-mm-per-prompt', JSON.stringify(limits)] : [],
    // Cached tokens are in the usage only so.
    ['--enable-prompt-tokens-details'],
  ].flat()
}

function sglangCommand(start: Starting): string[] {
  const { model, host, port, dtype, maxContext, tensorParallel, servedName, limits } = start
  const { chatTemplate, revision } = start
  return [
    ['python3', '-m', 'sglang.launch_server', '--model-path', model, ...revision],
    ['--host', host, '--port', String(port)],
    servedName === null ? [] : ['--served-model-name', servedName],
    ['--dtype', dtype, '--context-length', String(maxContext)],
    tensorParallel > 1 ? ['--tp-size', String(tensorParallel)] : [],
    chatTemplate === null ? [] : ['--chat-template', chatTemplate],
    limits.image + limits.video > 0 ? ['--limit-mm-data-per-request', JSON.stringify(limits)] : [],
    ['--enable-cache-report'],
  ].flat()
}

/** As a URL writes an address that others than this machine are reached at. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'HOST'
  return host.includes(':') ? `[${host}]` : host
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`
}
