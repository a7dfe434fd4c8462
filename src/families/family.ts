/** What a family of models is: everything about it that is not a tensor. */
import type { DecoderConfig } from '../decoder/decoder.ts'
import type { ImageProcessor } from '../preprocess/image-processor.ts'
import type { ImageTokenConfig } from '../preprocess/image-tokens.ts'
import type { ResizeOrder } from '../preprocess/resize.ts'
import type { VideoTokenConfig } from '../preprocess/video-tokens.ts'
import type { ProjectorConfig } from '../projector/projector.ts'
import type { ContentForms } from '../text/content-forms.ts'
import type { VisionConfig } from '../vision/vision-transformer.ts'
import type { NameRule } from './parameter-names.ts'

/** Whose files and habits: the original repositories', or those of `llava-hf` and transformers. */
export type Layout = 'original' | 'hf'

/** The parsed JSON files of a checkpoint's folder, by file name; of its vision tower too, where that lies apart. */
export type CheckpointDocuments = {
  /** Where the checkpoint came from: its hub id, or its folder. */
  readonly name: string
  /** Names that its conversation mode follows from where that is not its own alone: the first that says one counts. */
  readonly modeNames?: readonly string[]
  readonly files: ReadonlyMap<string, unknown>
  readonly tower?: ReadonlyMap<string, unknown>
}

/** What a caller may set against the layout, each quirk alone. */
export type Quirks = {
  /** How a picture that is not square becomes one tile. */
  readonly fit?: 'pad' | 'crop' | 'squash'
  /** `one`: no picture is cut into tiles, whatever the config says. */
  readonly tiles?: 'asConfigured' | 'one'
  /** How AnyRes makes its base tile: the released code squashes, the 1.5-HD paper pads. */
  readonly base?: 'squash' | 'pad'
  /** Whose AnyRes: how pinpoints are read, which decides ties, and how the unpadded size is rounded. */
  readonly anyres?: Layout
  /** Whose passes resize; default `pillow12`, which the recordings of transformers were made with. */
  readonly resampleOrder?: ResizeOrder
  readonly truncate?: 'refuse' | 'asOriginal'
  /** `pieces`: the text is cut at its pictures and each piece tokenised alone; `whole`: in one, `<image>` being a token. */
  readonly tokenise?: 'pieces' | 'whole'
  readonly severalPictures?: 'each' | 'single'
  /** Whether the patches of a frame are pooled before or after the projector, how, and by how much. */
  readonly poolPlace?: PoolPlace
  readonly poolMode?: 'average' | 'max' | 'bilinear' | 'none'
  readonly poolStride?: number
  /** Where a clip has newline rows (`mm_newline_position`). */
  readonly clipNewline?: 'no_token' | 'one_token' | 'frame' | 'grid'
}

/** How each layout tokenises a prompt. */
export const TOKENISED: { readonly [L in Layout]: NonNullable<Quirks['tokenise']> } = {
  original: 'pieces',
  hf: 'whole',
}

export type PoolPlace = 'before' | 'after'

/** How a conversation becomes text and ids. */
export type PromptConfig =
  /** A mode of the original repositories; text is cut at the pictures and each piece tokenised alone. */
  | { readonly kind: 'conversation'; readonly mode: string; readonly wrapImage: boolean }
  /** A Jinja template; the text is tokenised in one piece and the placeholder's id repeated. */
  | {
      readonly kind: 'template'
      readonly template: string
      /** How the template wants what a message says. */
      readonly content: ContentForms
    }
  /** No template came with the checkpoint: only raw prompts can be answered. */
  | { readonly kind: 'none' }

export type ModelConfig = {
  readonly family: string
  readonly layout: Layout
  readonly vision: VisionConfig | null
  readonly projector: ProjectorConfig | null
  readonly decoder: DecoderConfig
  readonly image: {
    readonly processor: ImageProcessor
    readonly tokens: ImageTokenConfig
    /** The id that marks a picture's place: −200 in the original layout, which is in no vocabulary. */
    readonly placeholder: number
    /** Whether an `imageNewline` row is needed, by pictures or by clips. */
    readonly hasNewline: boolean
  } | null
  /** How clips are seen; null: not at all. */
  readonly video: VideoConfig | null
  /** What becomes of a prompt longer than the context: `asOriginal` cuts it there, be it inside a picture. */
  readonly truncate: NonNullable<Quirks['truncate']>
  readonly tokenise: NonNullable<Quirks['tokenise']>
  readonly prompt: PromptConfig
  /** Ids that end an answer, from generation_config.json, config.json and the tokenizer. */
  readonly endTokens: readonly number[]
  /** The longest sequence that is accepted unless the caller says otherwise. */
  readonly maxContext: number
}

export type VideoConfig = {
  /** Of one frame, which is one tile. */
  readonly processor: ImageProcessor
  readonly tokens: VideoTokenConfig
  /** The id that marks a clip's place; that of a picture where clips stand in such places. */
  readonly placeholder: number
  readonly poolPlace: PoolPlace
  /** Frames of a clip by the checkpoint's recipe or the caller's wish; null: as many as fit, but at most `maxFrames`. */
  readonly frames: number | null
  readonly maxFrames: number
}

export type Family = {
  readonly name: string
  matches(config: Readonly<Record<string, unknown>>): boolean
  parseConfig(documents: CheckpointDocuments, options: FamilyOptions): ModelConfig
  /** From names in checkpoints of any layout to our dotted paths; the first rule that fits a name counts. */
  readonly parameterNames: readonly NameRule[]
}

export type FamilyOptions = {
  readonly layout?: Layout | undefined
  readonly quirks?: Quirks | undefined
  readonly template?: string | undefined
  /** `derived`: where the image processor's file is missing, what config.json implies; for pixels that come ready. */
  readonly processor?: 'file' | 'derived' | undefined
  /** What the config is for; default `serving`. The original's trainer prepares several pictures as its demo does not. */
  readonly use?: 'serving' | 'training' | undefined
}
