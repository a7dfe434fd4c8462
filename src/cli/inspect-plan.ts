/**
 * What running a model would take, before a byte of it is fetched: memory at each precision, tokens of pictures, what fits
 * this machine. Published checkpoints are known by their ids.
 */
import { existsSync } from 'node:fs'
import { PRECISIONS, type PrecisionName } from '../choose-precision.ts'
import { InputError } from '../core/errors.ts'
import { withClipOptions } from '../families/clip-options.ts'
import { familyOf } from '../families/index.ts'
import type { ModelConfig } from '../families/family.ts'
import { knownCheckpoint, knownCheckpoints } from '../families/known-checkpoints.ts'
import { defaultFrames } from '../families/video-config.ts'
import { openParts } from '../load-checkpoint.ts'
import {
  countImageTokens,
  countVideoTokens,
  imageSizeOf,
  type ImageSize,
} from '../preprocess/index.ts'
import { freeMemoryBytes } from '../runtime/node.ts'
import { nearestName } from '../weights/nearest-name.ts'
import { featureRows } from '../vision/vision-transformer.ts'
import type { Arguments } from './arguments.ts'
import { formatBytes, formatTable } from './format.ts'
import type { Description } from './inspect.ts'
import { checkpointOptions, clipOptions, kvCacheOption } from './load-flags.ts'
import { MemoryPlanner, type MemoryPlan } from './plan-memory.ts'
import { checkInt8 } from './precision-facts.ts'
import { pictureParts, sumOf } from './token-parts.ts'
import type { Session } from './verb.ts'

export async function describePlan(
  name: string,
  args: Arguments,
  session: Session,
): Promise<Description> {
  const { config, unverified } = await planned(name, args, session)
  const planner = new MemoryPlanner(config, {
    isInt8Exact: await checkInt8(args.number('threads')),
  })
  const pictures = picturesOf(config, args)
  const clip = clipOf(config)
  const largest = pictures.reduce((a, b) => (b.tokens > a.tokens ? b : a), NO_PICTURE)
  const prompt = {
    tokens: Math.min(config.maxContext, largest.tokens + TEXT),
    tiles: largest.tiles,
  }
  const whole = { tokens: config.maxContext, tiles: largest.tiles }
  const free = freeMemoryBytes()
  const rows = precisionsOf(args).map((precision) => {
    const chosen = planner.choose(precision, kvCacheOption(args))
    const plan = planner.plan(chosen, prompt)
    const full = planner.plan(chosen, whole)
    return { ...plan, fullContext: full.total, fits: plan.total <= free }
  })
  const auto = planner.choose('auto', kvCacheOption(args))
  return {
    facts: {
      kind: 'plan',
      name,
      family: config.family,
      layout: config.layout,
      unverified,
      maxContext: config.maxContext,
      pictures,
      clip,
      prompt,
      memory: rows,
      freeBytes: free,
      chosen: { precision: auto.name, reason: auto.reason },
    },
    lines: [
      `${name}: family ${config.family}, ${config.layout} layout, context ${config.maxContext}`,
      ...(unverified.length > 0 ? [`not seen in its files: ${unverified.join(', ')}`] : []),
      '',
      ...pictures.map(
        (one) => `  ${one.width} × ${one.height}: ${one.tokens} tokens in ${one.tiles} tiles`,
      ),
      ...(clip ? [`  a clip of ${clip.frames} frames: ${clip.tokens} tokens`] : []),
      '',
      `memory for a prompt of ${prompt.tokens} tokens, and for a full context`,
      ...formatTable([HEADS, ...rows.map(rowText)]).map((line) => `  ${line}`),
      `${formatBytes(free)} are free here; auto would take ${auto.name}: ${auto.reason}`,
    ],
  }
}

/** Room for a question and its answer beside a picture. */
const TEXT = 1000
const NO_PICTURE = { width: 0, height: 0, tokens: 0, tiles: 0 }

/** What is shown where nobody names a picture: a tile, a photo on the web, a screen, a camera's. */
const USUAL: readonly ImageSize[] = [
  { width: 336, height: 336 },
  { width: 640, height: 480 },
  { width: 1920, height: 1080 },
  { width: 4000, height: 3000 },
]

type Planned = { readonly config: ModelConfig; readonly unverified: readonly string[] }

/** A folder's own config, or that of a published checkpoint. Throws InputError for ids that are not known. */
async function planned(name: string, args: Arguments, session: Session): Promise<Planned> {
  const options = checkpointOptions(args, session)
  const known = existsSync(name) ? undefined : knownCheckpoint(name)
  if (known) {
    const { documents, unverified } = known
    const parsed = familyOf(documents).parseConfig(documents, options)
    return { config: withClipOptions(parsed, clipOptions(args)), unverified }
  }
  if (!existsSync(name)) {
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
    return { config: withClipOptions(checkpoint.config, clipOptions(args)), unverified: [] }
  } finally {
    checkpoint.close()
  }
}

type PlannedPicture = ImageSize & { readonly tokens: number; readonly tiles: number }

function picturesOf({ image, vision }: ModelConfig, args: Arguments): PlannedPicture[] {
  if (!image || !vision) return []
  const sizes = args.has('image') ? args.texts('image').map(sizeOf) : USUAL
  return sizes.map(({ width, height }) => {
    const counted = countImageTokens({ width, height }, image.tokens)
    const tokens = sumOf(pictureParts(counted, featureRows(vision)))
    return { width, height, tokens, tiles: counted.tiles }
  })
}

/** `1280x720`, or a picture's file. */
function sizeOf(text: string): ImageSize {
  const [, width, height] = /^(\d+)[x×](\d+)$/.exec(text) ?? []
  return width === undefined ? imageSizeOf(text) : { width: Number(width), height: Number(height) }
}

function clipOf(config: ModelConfig): { frames: number; tokens: number } | null {
  if (!config.video) return null
  const frames = defaultFrames(config, 1)
  return { frames, tokens: countVideoTokens(frames, config.video.tokens).tokens }
}

function precisionsOf(args: Arguments): PrecisionName[] {
  const asked = args.text('precision') as PrecisionName | undefined
  return asked === undefined ? PRECISIONS.filter((name) => name !== 'auto') : [asked]
}

const HEADS = ['precision', 'weights', 'keys, values', 'beside', 'together', 'full context', 'here']

function rowText(
  row: MemoryPlan & { readonly fullContext: number; readonly fits: boolean },
): string[] {
  const { precision, weights, cache, workspace, total, fullContext, fits } = row
  const sizes = [weights, cache, workspace, total, fullContext].map(formatBytes)
  return [precision, ...sizes, fits ? 'fits' : 'does not fit']
}
