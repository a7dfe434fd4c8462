/**
 * What a converted checkpoint will be read as, compared with what it was: where the target's layout has other habits, its
 * reader is told before he wonders.
 */
import { fitOf, isSameTile, type ImageProcessor } from '../../preprocess/image-processor.ts'
import type { VideoTokenConfig } from '../../preprocess/video-tokens.ts'
import { renderConversation } from '../../text/conversation.ts'
import type { Tokenizer } from '../../text/tokenizer.ts'
import { familyOf } from '../index.ts'
import type { CheckpointDocuments, ModelConfig, PromptConfig } from '../family.ts'
import { isObject } from '../json-reader.ts'
import { conversationTemplate } from './conversation-template.ts'
import type { EyedConfig, TargetInput } from './target.ts'

/** A sentence for each difference. `documents` are those of the target. */
export function readingNotices(
  { config, tokenizer }: Pick<TargetInput, 'config' | 'tokenizer'>,
  documents: CheckpointDocuments,
): string[] {
  const read = familyOf(documents).parseConfig(documents, {})
  checkPictures(config, read)
  return [
    ...promptNotices(config, read),
    ...bosNotices(config, read, tokenizer),
    ...pictureNotices(config, read),
    ...ownKeyNotices(config, documents),
    ...clipNotices(config, read),
    ...windowNotices(config, read),
  ]
}

/** Tiles and their merge have a form in the target or were refused: anything else is a fault of ours. */
function checkPictures({ image, decoder, vision }: EyedConfig, read: ModelConfig): void {
  const was = JSON.stringify([
    image.tokens.tiling,
    image.tokens.merge,
    rotation({ decoder, vision }),
  ])
  const is = JSON.stringify([read.image?.tokens.tiling, read.image?.tokens.merge, rotation(read)])
  if (was !== is) throw new Error(`internal: ${was} would be read as ${is} after conversion`)
}

function rotation({ decoder, vision }: Pick<ModelConfig, 'decoder' | 'vision'>): unknown {
  const { rope, epsilon } = decoder
  const { slidingWindow: _, ...attention } = decoder.attention
  return [rope, epsilon, attention, vision?.imageSize, vision?.patchSize, vision?.activation]
}

/** The original chooses the conversation by the folder's name, whatever mode or template there was. */
function promptNotices({ prompt: was }: EyedConfig, { prompt: is }: ModelConfig): string[] {
  if (is.kind !== 'conversation') return []
  if (was.kind === 'conversation' && was.mode !== is.mode) {
    return [
      `The conversation mode follows from the name of the folder: ${is.mode} in the new one, ${was.mode} in the old one. Name it as the old one, or load it with --template ${was.mode} (--conv-mode in the original repositories).`,
    ]
  }
  if (was.kind === 'template' && !templatesOf(is).includes(was.template)) {
    return [
      `The original layout has no chat template: the conversation mode follows from the name of the folder (${is.mode} for this one). Check that this is what the checkpoint was trained with.`,
    ]
  }
  return []
}

type PromptParts = Pick<ModelConfig, 'layout' | 'tokenise' | 'prompt'>

/** A conversation that writes BOS itself (Llama 3's) gets a second one in the original code, a chat template none. */
export function bosNotices(
  before: PromptParts,
  after: PromptParts,
  tokenizer: Pick<Tokenizer, 'encode' | 'bosId' | 'bosToken'>,
): string[] {
  const [was, is] = [before, after].map((parts) => (isBosDoubled(parts, tokenizer) ? 'two' : 'one'))
  const { bosToken } = tokenizer
  if (was === is || bosToken === undefined) return []
  return [
    `A prompt begins with ${was} ${bosToken} in the old layout, with ${is} in the new one: logits differ a little. (transformers gives one by apply_chat_template with tokenize, two where the processor is called with the template's text.)`,
  ]
}

function isBosDoubled(
  { layout, tokenise, prompt }: PromptParts,
  tokenizer: Pick<Tokenizer, 'encode' | 'bosId'>,
): boolean {
  if (layout !== 'original' || tokenise !== 'pieces' || prompt.kind !== 'conversation') return false
  const text = renderConversation(prompt.mode, [{ from: 'human', value: 'Hi' }])
  return tokenizer.encode(text, { addBos: true })[1] === tokenizer.bosId
}

/** As a mode is written for the classes of transformers. */
function templatesOf({ mode, wrapImage }: Extract<PromptConfig, { kind: 'conversation' }>) {
  return ['', ' '].flatMap((gap) =>
    [false, true].map((hasVideo) => conversationTemplate(mode, { wrapImage, gap, hasVideo })),
  )
}

/** What files say in keys that others do not know. */
export function ownKeyNotices(config: EyedConfig, documents: CheckpointDocuments): string[] {
  return [...baseNotices(config), ...keyNotices(documents)]
}

function baseNotices({ image }: EyedConfig): string[] {
  const { tiling } = image.tokens
  if (tiling.kind !== 'anyres' || tiling.base === 'squash') return []
  return [
    'The base tile of a picture is padded (anyres_base, a key of ours): others squash it, so that this folder is read as it was trained by llava-ts alone.',
  ]
}

function pictureNotices({ image }: EyedConfig, read: ModelConfig): string[] {
  const notices: string[] = []
  if (
    image.tokens.tiling.kind === 'anyres' &&
    image.tokens.rounding !== read.image?.tokens.rounding
  ) {
    notices.push(
      'The two layouts round the size of a picture without its padding differently: a few sizes (704 × 396, say) have a row of patches more or less.',
    )
  }
  if (
    image.tokens.tiling.kind !== 'none' &&
    image.tokens.severalPictures !== read.image?.tokens.severalPictures
  ) {
    notices.push(
      `Several pictures in one prompt are ${SEVERAL[read.image?.tokens.severalPictures ?? 'each']} in the new layout.`,
    )
  }
  return notices
}

function keyNotices({ files }: CheckpointDocuments): string[] {
  const config = files.get('config.json')
  const several = isObject(config) ? config['several_pictures'] : undefined
  if (several !== 'single' && several !== 'each') return []
  const others = { single: 'cut each into tiles', each: 'pad each to one tile' }[several]
  return [
    `Several pictures in one prompt are ${SEVERAL[several]} (several_pictures, a key of ours): others ${others}.`,
  ]
}

const SEVERAL = { each: 'each cut into tiles', single: 'padded to one tile each' } as const

function clipNotices({ video }: EyedConfig, read: ModelConfig): string[] {
  if (!video || !read.video) return []
  const notices: string[] = []
  const isPooled = video.tokens.pooling.mode !== 'none'
  if (isPooled && video.poolPlace !== read.video.poolPlace) {
    notices.push(
      `Frames of clips are pooled ${read.video.poolPlace} the projector in the new layout, ${video.poolPlace} it in the old one: answers about clips differ.`,
    )
  }
  const [was, is] = [video.tokens, read.video.tokens].map(clipText)
  if (was !== is) notices.push(`Clips were read as ${was}, in the new layout they are ${is}.`)
  if (video.frames !== null && read.video.frames !== video.frames) {
    notices.push(
      `The new layout has no place for num_frames: where a request does not say how many frames of a clip it wants, as many as fit are taken, ${video.frames} in the old one; ask with --frames ${video.frames}.`,
    )
  }
  return [...notices, ...frameNotices(video.processor, read.video.processor)]
}

function frameNotices(before: ImageProcessor, after: ImageProcessor): string[] {
  if (isSameTile(before, after)) return []
  const [was, is] = [before, after].map(frameText)
  const difference = was === is ? 'otherwise' : `${is} in the new layout, ${was} in the old one`
  return [`Frames of clips are prepared ${difference}: answers about clips differ.`]
}

/** What people can see of it. */
function frameText(processor: ImageProcessor): string {
  return `${FITS[fitOf(processor)]} (${processor.filter})`
}

const FITS = {
  pad: 'padded to a square',
  crop: 'cut to their middle',
  squash: 'squashed to a square',
} as const

function windowNotices(config: EyedConfig, read: ModelConfig): string[] {
  const [was, is] = [config, read].map(({ decoder }) => sightText(decoder.attention.slidingWindow))
  if (was === is) return []
  return [
    `A position sees ${was} in the old layout, ${is} in the new one: answers to longer prompts differ.`,
  ]
}

function sightText(slidingWindow: number | null): string {
  return slidingWindow === null ? 'all before it' : `${slidingWindow} positions`
}

function clipText({ pooling, newline }: VideoTokenConfig): string {
  const pooled =
    pooling.mode === 'none' ? 'whole frames' : `frames pooled by ${pooling.mode} ${pooling.stride}`
  return `${pooled} with ${NEWLINES[newline]}`
}

const NEWLINES = {
  none: 'no newline',
  end: 'one newline at the end',
  frames: 'a newline after each frame',
  rows: 'a newline after each row',
} as const
