/** Which files of a folder are the checkpoint, told by their names alone. */
import { CheckpointError } from '../core/errors.ts'

export type CheckpointFiles =
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'sharded'; readonly index: string }

/** What is looked for, in order: safetensors before pickles, one file before several, as transformers does it. */
const KNOWN_NAMES = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
] as const

/**
 * Chooses among the file names of `folder`. Throws CheckpointError, saying what was looked for and what is there, if no
 * file or several GGUF files would do.
 */
export function chooseCheckpointFiles(folder: string, names: readonly string[]): CheckpointFiles {
  for (const known of KNOWN_NAMES) {
    if (!names.includes(known)) continue
    return known.endsWith('.json')
      ? { kind: 'sharded', index: known }
      : { kind: 'file', file: known }
  }
  const ggufs = names.filter((name) => name.endsWith('.gguf'))
  const [only, ...others] = ggufs
  if (only !== undefined && others.length === 0) return { kind: 'file', file: only }
  if (only !== undefined) {
    throw new CheckpointError(
      'CHECKPOINT_AMBIGUOUS',
      `weights: expected one .gguf file in ${folder}, there are ${ggufs.length} (${ggufs.join(', ')}); give the path of the one you want.`,
    )
  }
  throw new CheckpointError(
    'CHECKPOINT_NOT_FOUND',
    `weights: expected ${KNOWN_NAMES.join(', ')} or a .gguf file in ${folder}, it has ${describe(names)}; ${advice(names)}.`,
  )
}

function describe(names: readonly string[]): string {
  if (names.length === 0) return 'no files'
  return names.length > 12
    ? `${names.slice(0, 12).join(', ')} and ${names.length - 12} more`
    : names.join(', ')
}

function advice(names: readonly string[]): string {
  if (names.some((name) => /-\d+-of-\d+\.(safetensors|bin)$/.test(name)))
    return 'the index of its shards is missing'
  if (names.includes('adapter_config.json'))
    return 'it is a LoRA adapter: load its base and give this folder as adapter'
  if (names.includes('mm_projector.bin'))
    return 'it is a projector: load its base and give this folder as projector'
  return 'give the folder that holds the model'
}
