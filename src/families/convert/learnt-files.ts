/**
 * How a trained model saw its pictures and clips, in the files of the checkpoint that it came from: what quirks made of them
 * is written down where the layout has words for it, and told where it has none.
 */
import { isSameTile, withPlainSteps } from '../../preprocess/image-processor.ts'
import type { CheckpointDocuments, FamilyOptions, ModelConfig, Quirks } from '../family.ts'
import { familyOf } from '../index.ts'
import { isObject } from '../json-reader.ts'
import { isOriginalConfig } from '../original-parts.ts'
import { hfClassNamed, isAnyres, pinpointPairs } from './hf-class.ts'
import { NEWLINE_POSITIONS, pictureFields } from './original-target.ts'
import { processorFile } from './processor-file.ts'
import { ownKeyNotices } from './reading-notices.ts'
import type { EyedConfig } from './target.ts'

export type LearntFiles = {
  /** Those that must say otherwise than the checkpoint's own, whole. */
  readonly files: ReadonlyMap<string, unknown>
  /** What whoever loads the model should know, a sentence each. */
  readonly notices: readonly string[]
}

type Json = Readonly<Record<string, unknown>>

/** `config` was read of `documents` with `quirks`. Throws ConfigError for pictures that no processor prepares so. */
export function learntFiles(
  config: ModelConfig,
  documents: CheckpointDocuments,
  quirks: Quirks,
): LearntFiles {
  if (!isEyed(config)) return NOTHING
  const was = reread(documents, {})
  if (!isEyed(was) || habits(config) === habits(was)) return NOTHING
  const json = documents.files.get('config.json') as Json
  const files = isOriginalConfig(json)
    ? changedConfig(json, originalFields(config, was))
    : hfFiles(config, was, documents.files)
  const written = { ...documents, files: new Map([...documents.files, ...files]) }
  const lost = lostQuirks(written, quirks)
  return {
    files,
    notices: [
      ...(files.size > 0 ? ownKeyNotices(config, written) : []),
      ...(lost.length === 0
        ? []
        : [
            `The files have no form for quirks that it was trained with: load it with --quirk ${lost.join(' --quirk ')}, or it answers otherwise than it learnt.`,
          ]),
    ],
  }
}

const NOTHING: LearntFiles = { files: new Map(), notices: [] }

/** As whoever loads the folder reads it. */
function reread(documents: CheckpointDocuments, options: FamilyOptions): ModelConfig {
  return familyOf(documents).parseConfig(documents, { processor: 'derived', ...options })
}

function isEyed(config: ModelConfig): config is EyedConfig {
  return config.image !== null && config.vision !== null
}

function habits({ image, video }: Pick<ModelConfig, 'image' | 'video'>): string {
  const clips = video && [withPlainSteps(video.processor), video.tokens, video.poolPlace]
  return JSON.stringify([image && withPlainSteps(image.processor), image?.tokens, clips])
}

/** As the command line takes them. */
function lostQuirks(documents: CheckpointDocuments, quirks: Quirks): string[] {
  const read = habits(reread(documents, {}))
  if (habits(reread(documents, { quirks })) === read) return []
  const given = Object.entries(quirks).filter(([, value]) => value !== undefined)
  const lost = given.filter(
    ([name, value]) => habits(reread(documents, { quirks: { [name]: value } })) !== read,
  )
  return (lost.length > 0 ? lost : given).map(([name, value]) => `${name}=${String(value)}`)
}

export function changedConfig(json: Json, fields: Json): Map<string, unknown> {
  if (Object.keys(fields).length === 0) return new Map()
  return new Map([['config.json', { ...json, ...fields }]])
}

/** Those of the first that the second has not, or otherwise. */
export function differing(fields: Json, others: Json): Json {
  const isOther = ([key, value]: [string, unknown]) => !isSameJson(value, others[key])
  return Object.fromEntries(Object.entries(fields).filter(isOther))
}

function severalField({ image }: EyedConfig): Json {
  return { several_pictures: image.tokens.severalPictures }
}

function originalFields(config: EyedConfig, was: EyedConfig): Json {
  return {
    ...differing(pictureFields(config.image), pictureFields(was.image)),
    ...differing(severalField(config), severalField(was)),
    ...differing(clipFields(config), clipFields(was)),
  }
}

function clipFields({ video }: EyedConfig): Json {
  if (!video) return {}
  const { pooling, newline } = video.tokens
  return {
    ...(pooling.mode !== 'none' && { mm_spatial_pool_mode: pooling.mode }),
    mm_newline_position: NEWLINE_POSITIONS[newline],
  }
}

function hfFiles(
  config: EyedConfig,
  was: EyedConfig,
  files: CheckpointDocuments['files'],
): Map<string, unknown> {
  const json = files.get('config.json') as Json
  const fields = {
    ...differing(gridField(config), gridField(was)),
    ...differing(severalField(config), severalField(was)),
    ...differing(poolFields(config), poolFields(was)),
  }
  return new Map([...changedConfig(json, fields), ...processorFiles(config, was, files)])
}

function gridField({ image: { tokens } }: EyedConfig): Json {
  return isAnyres(tokens.tiling) ? { image_grid_pinpoints: pinpointPairs(tokens.tiling) } : {}
}

/** The classes for clips read them, and ours for plain `llava`. */
function poolFields({ video, family }: EyedConfig): Json {
  const pooling = video?.tokens.pooling
  const isKnown = pooling?.mode === 'average' || pooling?.mode === 'max'
  if (!isKnown || (family !== 'next-video' && family !== 'llava')) return {}
  return { spatial_pool_mode: pooling.mode, spatial_pool_stride: pooling.stride }
}

/** A class that cuts pictures has no form for leaving that. */
function processorFiles(
  { image: { processor }, vision }: EyedConfig,
  { image: { processor: before } }: EyedConfig,
  files: CheckpointDocuments['files'],
): Map<string, unknown> {
  const isSame = isSameTile(processor, before) && isSameJson(processor.tiling, before.tiling)
  if (isSame || processor.tiling.kind !== before.tiling.kind) return new Map()
  const { model_type: modelType } = files.get('config.json') as Json
  return placedProcessor(
    processorFile(processor, vision.kind, hfClassNamed(String(modelType))),
    files,
  )
}

/** An image processor where `files` have theirs. */
export function placedProcessor(
  file: unknown,
  files: CheckpointDocuments['files'],
): Map<string, unknown> {
  const whole = files.get('processor_config.json')
  const isNested = isObject(whole) && isObject(whole['image_processor'])
  return new Map<string, unknown>([
    ...(isNested ? [['processor_config.json', { ...whole, image_processor: file }] as const] : []),
    ...(!isNested || files.has('preprocessor_config.json')
      ? [['preprocessor_config.json', file] as const]
      : []),
  ])
}

export function isSameJson(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
