/** What a trained checkpoint's files must say of its pictures and clips; a run of days is not lost where they cannot. */
import { learntFiles, type LearntFiles } from '../families/convert/learnt-files.ts'
import type { Quirks } from '../families/family.ts'
import type { Checkpoint } from '../load-checkpoint.ts'

/** Never throws: what cannot be written is a notice. */
export function learntOrTold(
  { config, documents, ownFiles }: Pick<Checkpoint, 'config' | 'documents' | 'ownFiles'>,
  quirks: Quirks,
): LearntFiles {
  try {
    return learntFiles(config, { ...documents, files: ownFiles }, quirks)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const told = `How pictures and clips were learnt could not be written down (${why}): load it with the quirks of training, ${JSON.stringify(quirks)}.`
    return { files: new Map(), notices: [told] }
  }
}
