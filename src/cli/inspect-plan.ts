/**
 * What running a model would take, before a byte of it is fetched: memory at each precision, tokens of pictures, what fits
 * this machine. Published checkpoints are known by their ids.
 */
import { existsSync } from 'node:fs'
import { PRECISIONS, type PrecisionName } from '../choose-precision.ts'
import { InputError } from '../core/errors.ts'
import { isFolder } from '../core/make-folder-node.ts'
import { withClipOptions } from '../families/clip-options.ts'
import { parseModelConfig } from '../families/index.ts'
import { checkQuirks } from '../families/quirks.ts'
import { isEmbeddingViewed } from '../families/tied-head.ts'
import type { ModelConfig } from '../families/family.ts'
import { knownCheckpoint, knownCheckpoints } from '../families/known-checkpoints.ts'
import {
  clipFits,
  defaultFrames,
  holdsClip,
  roomForFrames,
  type ClipFit,
} from '../families/video-config.ts'
import { openParts } from '../load-checkpoint.ts'
import { packagedModel } from '../packaged-model-node.ts'
import {
  countImageTokens,
  countVideoTokens,
  imageSizeOf,
  type ImageSize,
} from '../preprocess/index.ts'
import { pictureParts, sumOf } from '../preprocess/token-parts.ts'
import { checkInt8 } from '../quantize-model.ts'
import { freeMemoryBytes } from '../runtime/node.ts'
import { nearestName } from '../weights/nearest-name.ts'
import { featureRows } from '../vision/vision-transformer.ts'
import type { Arguments } from './arguments.ts'
import { formatBytes, formatTable } from './format.ts'
import type { Description } from './inspect.ts'
import { checkpointOptions, choiceOptions, clipOptions } from './load-flags.ts'
import { FILM } from './media-kind.ts'
import { MemoryPlanner, type MemoryPlan, type PlannedPrompt } from './plan-memory.ts'
import { UsageError } from './usage-error.ts'
import type { Session } from './verb.ts'

export async function describePlan(
  name: string,
  args: Arguments,
  session: Session,
): Promise<Description> {
  const { parsed, unverified, isTableWidened } = await planned(name, args, session)
  const config = withClipOptions(parsed, clipOptions(args))
  const { family, layout, maxContext } = config
  const estimated = await estimate(config, args, { parsed, isTableWidened })
  const facts = { kind: 'plan', name, family, layout, unverified, maxContext, ...estimated }
  const isBound = args.has('max-context')
  return { facts, lines: linesOf(facts, { context: maxContext, isBound }) }
}

type PlannedRow = MemoryPlan & { readonly fullContext: number; readonly fits: boolean }

type Estimate = {
  readonly pictures: readonly PlannedPicture[]
  readonly clip: PlannedClip | null
  readonly prompt: PlannedPrompt
  readonly memory: readonly PlannedRow[]
  readonly freeBytes: number
  readonly chosen: { readonly precision: string; readonly reason: string }
}

/** `config` is the parsed one with the flags' wishes about clips. */
async function estimate(
  config: ModelConfig,
  args: Arguments,
  { parsed, isTableWidened }: Omit<Planned, 'unverified'>,
): Promise<Estimate> {
  const isInt8Exact = await checkInt8(args.number('threads'))
  const planner = new MemoryPlanner(config, { isInt8Exact, isTableWidened })
  const { maxContext } = config
  const pictures = picturesOf(config, args)
  const clip = clipOf(config, parsed)
  const { tokens, ...media } = [
    ...pictures,
    ...(clip?.excess === null
      ? [{ tokens: clip.tokens, tiles: clip.frames, clipRows: clip.tokens }]
      : []),
  ].reduce<PlannedPrompt>((a, b) => (b.tokens > a.tokens ? b : a), { tokens: 0, tiles: 0 })
  const prompt = { tokens: Math.min(maxContext, tokens + TEXT), ...media }
  const freeBytes = freeMemoryBytes()
  const choices = choiceOptions(args)
  const memory = precisionsOf(args).map((precision): PlannedRow => {
    const chosen = planner.choose(precision, choices)
    const plan = planner.plan(chosen, prompt)
    const full = planner.plan(chosen, { ...prompt, tokens: maxContext })
    return { ...plan, fullContext: full.total, fits: plan.total <= freeBytes }
  })
  const { name: precision, reason } = planner.choose('auto', choices)
  const chosen = { precision, reason }
  return { pictures, clip, prompt, memory, freeBytes, chosen }
}

type PlannedClip = {
  readonly frames: number
  readonly tokens: number
  /** What else the context holds: more frames of fewer tokens, or the other way round. */
  readonly fits: readonly ClipFit[]
  /** Of a clip that the context does not hold, which is refused: what would do instead. */
  readonly excess: ClipExcess | null
}

type ClipExcess = {
  /** Frames that fit beside text; 0: not one does. */
  readonly frames: number
  /** The least whole factor with which all of them fit, and the context then. */
  readonly ropeScaling: number
  readonly maxContext: number
}

type Facts = Estimate &
  Pick<ModelConfig, 'family' | 'layout' | 'maxContext'> & {
    readonly name: string
    readonly unverified: readonly string[]
  }

/** The longest sequence, and whether `--max-context` bounds it. */
type Context = { readonly context: number; readonly isBound: boolean }

function linesOf(facts: Facts, context: Context): string[] {
  const { name, family, layout, maxContext, unverified, pictures, clip, chosen } = facts
  const sizes = pictures.map(
    ({ width, height, tokens, tiles }) =>
      `  ${width} × ${height}: ${tokens} tokens in ${tiles} tile${tiles === 1 ? '' : 's'}`,
  )
  return [
    `${name}: family ${family}, ${layout} layout, context ${maxContext}`,
    ...(unverified.length > 0 ? [`not seen in its files: ${unverified.join(', ')}`] : []),
    '',
    ...sizes,
    ...(clip ? clipLines(clip, context) : []),
    '',
    `memory for a prompt of ${facts.prompt.tokens} tokens${clip?.excess ? ' (not for that clip)' : ''}, and for a full context`,
    ...formatTable([HEADS, ...facts.memory.map(rowText)]).map((line) => `  ${line}`),
    `${formatBytes(facts.freeBytes)} are free here; auto would take ${chosen.precision}: ${chosen.reason}`,
  ]
}

function clipLines({ frames, tokens, fits, excess }: PlannedClip, context: Context): string[] {
  const choices = fits.map((one) => `${one.frames} of ${one.tokensPerFrame} (${one.stride})`)
  return [
    `  a clip of ${frames} frame${frames === 1 ? '' : 's'}: ${tokens} tokens`,
    ...(excess ? [`  ${excessText(excess, context)}`] : []),
    ...(choices.length > 0
      ? [`  frames of so many tokens that fit (poolStride): ${choices.join(', ')}`]
      : []),
  ]
}

function excessText(
  { frames, ropeScaling, maxContext }: ClipExcess,
  { context, isBound }: Context,
): string {
  const fewer =
    frames > 0 ? `--frames ${frames} fits beside text` : 'not one frame fits beside text'
  return `it is refused: the context of ${context} does not hold it; ${fewer}, --rope-scaling ${ropeScaling} makes a context of ${maxContext}${isBound ? ' without --max-context' : ''}`
}

/** Room for a question and its answer beside a picture. */
const TEXT = 1000

/** What is shown where nobody names a picture: a tile, a photo on the web, a screen, a camera's. */
const USUAL: readonly ImageSize[] = [
  { width: 336, height: 336 },
  { width: 640, height: 480 },
  { width: 1920, height: 1080 },
  { width: 4000, height: 3000 },
]

type Planned = {
  readonly parsed: ModelConfig
  readonly unverified: readonly string[]
  /** Whether the files hold embeddings as they are not looked up in them: published ones do not. */
  readonly isTableWidened: boolean
}

/** The config of a folder or of a packaged model, or that of a published checkpoint. Throws InputError for ids that are not known. */
async function planned(name: string, args: Arguments, session: Session): Promise<Planned> {
  const options = checkpointOptions(args, session)
  const isHere = existsSync(name) || packagedModel(name) !== null
  const known = isHere ? undefined : knownCheckpoint(name)
  if (known) {
    const { documents, unverified } = known
    checkQuirks(options.quirks ?? {})
    return { parsed: parseModelConfig(documents, options), unverified, isTableWidened: false }
  }
  if (!isHere) {
    const near = nearestName(
      name,
      knownCheckpoints().map(({ id }) => id),
    )
    throw new InputError(
      'INPUT_PLAN_UNKNOWN',
      `inspect: --plan knows ${knownCheckpoints().length} published checkpoints, ${name} is none of them${near === undefined ? '' : ` (${near} is)`}; give the folder of a checkpoint.`,
    )
  }
  const checkpoint = await openParts(name, options)
  try {
    const isTableWidened = !isEmbeddingViewed(checkpoint.parts)
    return { parsed: checkpoint.config, unverified: [], isTableWidened }
  } finally {
    checkpoint.close()
  }
}

type PlannedPicture = ImageSize & { readonly tokens: number; readonly tiles: number }

function picturesOf({ image, vision }: ModelConfig, args: Arguments): PlannedPicture[] {
  if (!image || !vision) return []
  const sizes = args.has('image') ? args.texts('image').map((text) => sizeOf(text, args)) : USUAL
  return sizes.map(({ width, height }) => {
    const counted = countImageTokens({ width, height }, image.tokens)
    const tokens = sumOf(pictureParts(counted, featureRows(vision)))
    return { width, height, tokens, tiles: counted.tiles }
  })
}

/** `1280x720`, or a picture's file. */
function sizeOf(text: string, args: Arguments): ImageSize {
  const [, width, height] = /^(\d+)[x×](\d+)$/.exec(text) ?? []
  if (width !== undefined) return { width: Number(width), height: Number(height) }
  if (FILM.test(text) || isFolder(text)) {
    throw new UsageError(
      `--image takes pictures, ${text} is a clip: a plan counts one of --frames frames by itself, llava inspect ${text} counts this one.`,
    )
  }
  return imageSizeOf(text, { autoOrient: args.flag('auto-orient') })
}

function clipOf(config: ModelConfig, parsed: ModelConfig): Estimate['clip'] {
  if (!config.video) return null
  const frames = defaultFrames(config, 1)
  const { tokens } = countVideoTokens(frames, config.video.tokens)
  const excess = holdsClip(config, tokens) ? null : clipExcess(config, parsed, tokens)
  return { frames, tokens, fits: clipFits(config), excess }
}

function clipExcess(config: ModelConfig, parsed: ModelConfig, tokens: number): ClipExcess {
  const contextAt = (factor: number) => withClipOptions(parsed, { ropeScaling: factor }).maxContext
  const ropeScaling = Math.floor(tokens / contextAt(1)) + 1
  const frames = roomForFrames(config, 1)
  return { frames, ropeScaling, maxContext: contextAt(ropeScaling) }
}

function precisionsOf(args: Arguments): PrecisionName[] {
  const asked = args.text('precision') as PrecisionName | undefined
  return asked === undefined ? PRECISIONS.filter((name) => name !== 'auto') : [asked]
}

const HEADS = [
  'precision',
  'weights',
  'loading',
  'keys, values',
  'beside',
  'at most',
  'full context',
  'here',
]

function rowText(row: PlannedRow): string[] {
  const { precision, weights, loading, cache, workspace, total, fullContext, fits } = row
  const sizes = [weights, loading, cache, workspace, total, fullContext].map(formatBytes)
  return [precision, ...sizes, fits ? 'fits' : 'does not fit']
}
