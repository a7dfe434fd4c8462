/** Whether a prompt has places for the media that came with it, where their lack is no fault of whoever asks. */
import { ConfigError } from '../core/errors.ts'
import type { PromptTools } from './build-prompt.ts'
import { IMAGE_TAG } from './media-tags.ts'

type MediaKind = 'image' | 'video'

/**
 * The ids of a rendered conversation in which `media` stand: what the template wrote, and no one else. Throws ConfigError
 * as `checkMark`.
 */
export function checkTemplate(
  ids: readonly number[],
  media: readonly MediaKind[],
  tools: PromptTools,
): void {
  checkMark(ids, tools)
  const { image, video, prompt } = tools.config
  if (prompt.kind !== 'template') return
  const marks = { image: image?.placeholder, video: video?.placeholder }
  for (const mark of new Set(media.map((kind) => marks[kind]))) {
    // One placeholder may stand for both kinds.
    const given = media.filter((kind) => marks[kind] === mark)
    const places = ids.filter((id) => id === mark).length
    if (places !== given.length) throw misplaced(places, given)
  }
}

function misplaced(places: number, given: readonly MediaKind[]): ConfigError {
  const kinds = (['image', 'video'] as const).filter((kind) => given.includes(kind))
  const noun = { image: 'picture', video: 'clip' }
  const nouns = kinds.map((kind) => `${noun[kind]}${given.length === 1 ? '' : 's'}`)
  const fewer = places > 0 && places < given.length ? `send only ${places}, or ` : ''
  return new ConfigError(
    'CONFIG_TEMPLATE_MEDIA',
    `prompt: expected the chat template to write a place for each picture and clip, it wrote ${places || 'none'} for ${given.length} ${nouns.join(' and ')}; ${fewer}give the template that this checkpoint was trained with, or a conversation mode, as template.`,
  )
}

/** A place that was written for a picture, and that config.json does not know as one. */
export function checkMark(ids: readonly number[], { config, tokenizer }: PromptTools): void {
  const { placeholder = -1 } = config.image ?? {}
  const written = tokenizer.idOf(IMAGE_TAG)
  if (placeholder < 0 || written === undefined || written === placeholder) return
  if (ids.includes(placeholder) || !ids.includes(written)) return
  throw new ConfigError(
    'CONFIG_IMAGE_TOKEN',
    `config.json.image_token_index (or image_token_id): expected ${written}, the tokenizer's ${IMAGE_TAG}, ${placeholder} came; take both files from where the checkpoint came from.`,
  )
}
