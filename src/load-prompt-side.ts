/**
 * `loadPromptSide`: what a checkpoint says about prompts, without its weights in memory: for a server whose model is elsewhere.
 */
import { checkLoadOptions } from './check-load-options.ts'
import { withClipOptions } from './families/clip-options.ts'
import { openParts } from './load-checkpoint.ts'
import { generationOf, type LoadOptions } from './load-model.ts'
import { createClips, createPictures } from './open-media.ts'
import { clipInfoOf } from './preprocess/frames-node.ts'
import { resolveLocalClip } from './serve/video-source.ts'
import type { PromptSide } from './serve/http/upstream/index.ts'
import { PromptPreparer } from './serve/prepare-prompt.ts'
import { parsePrompt, type PromptInput } from './serve/request.ts'
import { loadTokenizer } from './text/node.ts'

export type LoadedPromptSide = PromptSide & { dispose(): Promise<void> }

/** `name` and `options` as of `loadModel`, which throws the same errors. No weight is read. */
export async function loadPromptSide(
  name: string,
  options: LoadOptions = {},
): Promise<LoadedPromptSide> {
  checkLoadOptions(name, options)
  const checkpoint = await openParts(name, options)
  try {
    const config = withClipOptions(checkpoint.config, options)
    const tokenizer = await loadTokenizer(checkpoint.tokenizerPath)
    const pictures = createPictures(options)
    const clips = createClips(options)
    const preparer = new PromptPreparer({ config, tokenizer, pictures, clips })
    return {
      config,
      tokenizer,
      generation: generationOf(checkpoint, tokenizer),
      countTokens(input: PromptInput) {
        const prompt = parsePrompt('countTokens', input)
        const infos = prompt.videos.map(({ video }) => clipInfoOf(resolveLocalClip(video)))
        return preparer.count(prompt, prompt.images.map(pictures.size), infos)
      },
      measureMedia: async (input) => {
        const prompt = parsePrompt('measureMedia', input)
        return preparer.measure(prompt, prompt.images.map(pictures.size))
      },
      prepare: async (input) => preparer.prepare(parsePrompt('prepare', input)),
      dispose: () => pictures.dispose(),
    }
  } finally {
    checkpoint.close()
  }
}
