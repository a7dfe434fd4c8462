/** Every family, in the order in which they are asked whether a config is theirs. A new one is a file and a line. */
import { ConfigError } from '../core/errors.ts'
import type { CheckpointDocuments, Family, FamilyOptions, ModelConfig } from './family.ts'
import { describe, isObject } from './json-reader.ts'
import { llava } from './llava.ts'
import { next } from './next.ts'
import { nextVideo } from './next-video.ts'
import { checkQuirkPlaces } from './quirks.ts'
import { textOnly } from './text-only.ts'

export const FAMILIES: readonly Family[] = [llava, next, nextVideo, textOnly]

/** The family of a checkpoint by its config.json. Throws ConfigError for one that none knows. */
export function familyOf({ name, files }: CheckpointDocuments): Family {
  const config = files.get('config.json')
  if (!isObject(config)) {
    throw new ConfigError(
      'CONFIG_MISSING',
      `${name}: expected a config.json with an object, ${config === undefined ? 'there is none' : `${describe(config)} came`}; take the file from where the checkpoint came from.`,
    )
  }
  const family = FAMILIES.find((candidate) => candidate.matches(config))
  if (family) return family
  throw new ConfigError(
    'CONFIG_FAMILY_UNSUPPORTED',
    `${name}: config.json says model_type "${String(config['model_type'])}"; supported families are ${FAMILIES.map((known) => known.name).join(', ')}.`,
  )
}

/** A checkpoint's config as its family reads it. Throws ConfigError for what is wrong with it, and for quirks without a place in it. */
export function parseModelConfig(
  documents: CheckpointDocuments,
  options: FamilyOptions,
): ModelConfig {
  const config = familyOf(documents).parseConfig(documents, options)
  checkQuirkPlaces(options.quirks ?? {}, config)
  return config
}
