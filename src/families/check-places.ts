/** Whether a prompt has places for the media that came with it, where their lack is no fault of whoever asks. */
import { ConfigError } from '../core/errors.ts'
import type { PromptTools } from './build-prompt.ts'
import { IMAGE_TAG } from './media-tags.ts'

/** The ids of a rendered conversation: what the template wrote, and no one else. Throws ConfigError as `checkMark`. */
export function checkTemplate(ids: readonly number[], tools: PromptTools): void {
  checkMark(ids, tools)
  const { image, video, prompt } = tools.config
  const marks = [image?.placeholder, video?.placeholder]
  if (prompt.kind !== 'template' || ids.some((id) => marks.includes(id))) return
  throw new ConfigError(
    'CONFIG_TEMPLATE_MEDIA',
    'prompt: expected the chat template to write a place for each picture and clip, it wrote none for any; give the template that this checkpoint was trained with, or a conversation mode, as template.',
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
