/** What makes a recipe's records samples: its checkpoint's config and tokenizer, and threads for pictures. */
import { openParts, type Checkpoint, type CheckpointOptions } from '../load-checkpoint.ts'
import { createPreprocessor } from '../preprocess/node.ts'
import { loadTokenizer } from '../text/node.ts'
import { familyQuirks } from './options.ts'
import { RecordPreparer } from './prepare-record.ts'
import type { Recipe } from './recipe/recipe.ts'

export type OpenedPreparer = Pick<Checkpoint, 'config' | 'files'> & {
  readonly preparer: RecordPreparer
  readonly dispose: () => Promise<void>
}

export async function openPreparer(
  recipe: Recipe,
  hub?: CheckpointOptions['hub'],
): Promise<OpenedPreparer> {
  const { from, quirks, projector: _projector, ...parts } = recipe.model
  const checkpoint = await openParts(from, {
    ...parts,
    quirks: familyQuirks(quirks),
    lora: recipe.lora?.init,
    hub,
    use: 'training',
  })
  const { config, files, tokenizerPath } = checkpoint
  checkpoint.close()
  const tokenizer = await loadTokenizer(tokenizerPath)
  const preprocessor = createPreprocessor()
  const { conversation, maxLength, frames, fps, forceSample } = recipe
  try {
    const preparer = new RecordPreparer({
      config,
      tokenizer,
      preprocessor,
      conversation,
      maxLength: Math.min(maxLength ?? Infinity, config.maxContext),
      sampling: { frames, fps, forceSample },
    })
    return { preparer, config, files, dispose: () => preprocessor.dispose() }
  } catch (error) {
    await preprocessor.dispose()
    throw error
  }
}
