/** What marks the place of a picture and of a clip in the text of a prompt. */
import type { PromptTools } from './build-prompt.ts'

export const IMAGE_TAG = '<image>'

export type MediaTags = { readonly image: string; readonly video: string }

/** The config's own tokens; `<image>` where the text is cut at that tag, or the config knows no token. */
export function mediaTags(tools: PromptTools): MediaTags {
  const own = ownTokens(tools)
  const image = tools.config.tokenise === 'pieces' ? IMAGE_TAG : (own.image ?? IMAGE_TAG)
  return { image, video: own.video === own.image ? image : (own.video ?? image) }
}

/** All texts that mark a place: people's words must not be read for them. */
export function mediaMarks(tools: PromptTools): string[] {
  const { image = IMAGE_TAG, video = IMAGE_TAG } = ownTokens(tools)
  return [...new Set([IMAGE_TAG, image, video])]
}

type OwnTokens = { readonly [M in keyof MediaTags]: string | undefined }

/** Of the placeholders those that a tokenizer takes out of any text; another would not come back as itself. */
function ownTokens({ config: { image, video }, tokenizer }: PromptTools): OwnTokens {
  const contentOf = (id: number | undefined) =>
    tokenizer.addedTokens.find((token) => token.id === id)?.content
  return { image: contentOf(image?.placeholder), video: contentOf(video?.placeholder) }
}
