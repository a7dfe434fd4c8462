/**
 * What an adapter's folder says of how pictures and clips were learnt, in the files of the model beneath it: the fields and
 * the processor of `learnt-files.ts`, or those of the trainer that wrote the adapter. Whatever else its config says is the
 * model's own affair.
 */
import { isObject, type JsonObject } from '../json-reader.ts'
import { isOriginalConfig } from '../original-parts.ts'
import {
  changedConfig,
  differing,
  isSameJson,
  placedProcessor,
  type LearntFiles,
} from './learnt-files.ts'

type Files = ReadonlyMap<string, unknown>

export type AdapterFolder = {
  readonly path: string
  readonly documents: Files
}

/** Of config.json in either layout. */
const PICTURE_FIELDS: readonly string[] = [
  'image_aspect_ratio',
  'image_grid_pinpoints',
  'image_crop_resolution',
  'image_split_resolution',
  'anyres_base',
  'several_pictures',
  'mm_patch_merge_type',
  'mm_spatial_pool_mode',
  'mm_newline_position',
  'spatial_pool_mode',
  'spatial_pool_stride',
]

/**
 * Those of the model's `files` that must say otherwise beneath `adapters`, the lowest first: of two that differ the upper one
 * counts, which is told, as is a config of another class, which is passed over.
 */
export function learntBeside(files: Files, adapters: readonly AdapterFolder[]): LearntFiles {
  const config = files.get('config.json')
  if (!isObject(config) || classOf(config) === null) return { files: new Map(), notices: [] }
  const sayings = adapters.map((adapter) => sayingOf(adapter, config))
  const fields = Object.assign({}, ...sayings.map((saying) => saying.fields)) as JsonObject
  const processor = sayings.findLast((saying) => saying.processor !== undefined)?.processor
  const isOther = processor !== undefined && !isSameJson(processor, processorOf(files))
  return {
    files: new Map([
      ...changedConfig(config, differing(fields, config)),
      ...(isOther ? placedProcessor(processor, files) : []),
    ]),
    notices: [...passedOver(adapters, config), ...contradictions(sayings)],
  }
}

type Saying = {
  readonly path: string
  readonly fields: JsonObject
  readonly processor: unknown
}

function sayingOf({ path, documents }: AdapterFolder, model: JsonObject): Saying {
  const config = documents.get('config.json')
  if (isOfOtherClass(config, model)) return { path, fields: {}, processor: undefined }
  return { path, fields: pictureFieldsOf(config), processor: processorOf(documents) }
}

function pictureFieldsOf(config: unknown): JsonObject {
  if (!isObject(config)) return {}
  const isKnown = ([key]: [string, unknown]) => PICTURE_FIELDS.includes(key)
  return Object.fromEntries(Object.entries(config).filter(isKnown))
}

/** As `hfProcessor` looks for it. */
function processorOf(files: Files): unknown {
  const whole = files.get('processor_config.json')
  const nested = isObject(whole) ? whole['image_processor'] : undefined
  return isObject(nested) ? nested : files.get('preprocessor_config.json')
}

/** null: it has no eyes. */
function classOf(config: JsonObject): string | null {
  if (isOriginalConfig(config)) return 'original'
  return 'vision_config' in config ? String(config['model_type']) : null
}

/** Fields of one class mean other things in another, or nothing. */
function isOfOtherClass(config: unknown, model: JsonObject): config is JsonObject {
  const own = isObject(config) ? classOf(config) : null
  return own !== null && own !== classOf(model)
}

function passedOver(adapters: readonly AdapterFolder[], model: JsonObject): string[] {
  return adapters.flatMap(({ path, documents }) => {
    const config = documents.get('config.json')
    if (!isOfOtherClass(config, model)) return []
    const fields = Object.entries(pictureFieldsOf(config)).map(
      ([key, value]) => `${key} ${JSON.stringify(value)}`,
    )
    return [
      `${path}: how its pictures were learnt stands there for a model of class ${classOf(config)} (${fields.join(', ') || 'as by default'}), this one is of class ${classOf(model)}: it is passed over. Give it as quirks (--quirk fit=pad for image_aspect_ratio "pad", severalPictures=single for several_pictures "single", tiles, base, poolMode, clipNewline) where this model's own files say otherwise.`,
    ]
  })
}

function contradictions(sayings: readonly Saying[]): string[] {
  return sayings.flatMap((upper, i) => {
    const lower = sayings.slice(0, i).find((one) => isContradicted(one, upper))
    if (lower === undefined) return []
    return [
      `${lower.path} and ${upper.path} were learnt with pictures prepared otherwise: it is done as the last of them says. Give quirks (--quirk) for another way.`,
    ]
  })
}

function isContradicted(lower: Saying, upper: Saying): boolean {
  const keys = Object.keys(lower.fields).filter((key) => key in upper.fields)
  return (
    keys.some((key) => !isSameJson(lower.fields[key], upper.fields[key])) ||
    (lower.processor !== undefined &&
      upper.processor !== undefined &&
      !isSameJson(lower.processor, upper.processor))
  )
}
