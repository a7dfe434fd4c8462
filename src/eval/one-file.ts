/** Of files that lie together the one that a benchmark calls by name: older ones and copies may lie beside it. */
import { InputError } from '../core/errors.ts'
import { baseName, fileNames } from './eval-file.ts'
import type { Named } from './question.ts'

/** The file of one of these very names, else the one whose name is like it; undefined where there is none. Throws InputError of several. */
export function oneFile<File extends Named>(
  files: readonly File[],
  wanted: { readonly names: readonly string[]; readonly like: RegExp },
): File | undefined {
  const like = files.filter((file) => wanted.like.test(baseName(file)))
  const exact = like.filter((file) => wanted.names.includes(baseName(file)))
  const found = exact.length > 0 ? exact : like
  if (found.length <= 1) return found[0]
  throw new InputError(
    'INPUT_LABELS_SEVERAL',
    `eval: labels should hold one file ${wanted.names.join(' or ')}, there are ${fileNames(found)}; name a folder with the one that is meant.`,
  )
}
