/**
 * What a folder that is written takes the place of: a new model that of a model, a trainer's state that of a state.
 *
 * What is replaced is deleted. So each file there must be of the kind, or what no person made: our cache beside weights, and
 * what systems leave wherever a folder is looked at.
 */
import { readdir, stat } from 'node:fs/promises'
import { CheckpointError } from '../core/errors.ts'

/** A model, or an adapter over one; what a trainer goes on from. */
export type FolderKind = 'model' | 'state'

/** `alike`: a folder of the same kind; `anything`: whatever is in it. */
export type Replaced = (typeof REPLACED)[number]
export const REPLACED = ['alike', 'anything'] as const

type Files = {
  /** What makes the folder one of its kind. */
  readonly weights: RegExp
  readonly beside: RegExp
}

const FILES: { readonly [K in FolderKind]: Files } = {
  model: {
    weights: /^(?:adapter_)?model(?:-\d+-of-\d+)?\.safetensors(?:\.index\.json)?$/,
    // At the end the tower's folder of an original.
    beside:
      /^(?:(?:\w+_)?config\.json|adapter_stack\.json|tokenizer\.(?:json|model)|(?:special_tokens_map|added_tokens|vocab)\.json|merges\.txt|chat_template\.\w+|README\.md|clip|siglip|vit)$/,
  },
  state: { weights: /^state\.safetensors$/, beside: /^state\.json$/ },
}

const LITTER = /^(?:\.llava-ts|\.DS_Store|\._.*|Thumbs\.db|desktop\.ini)$/i

/** Throws CheckpointError unless a folder of the kind may be put at `path`; no folder is deleted for a file. */
export async function checkReplaced(
  path: string,
  { kind, replaces }: { readonly kind: FolderKind; readonly replaces: Replaced },
): Promise<void> {
  const found = await stat(path).catch(() => null)
  if (found === null) return
  if (!found.isDirectory()) throw taken(path, 'is a file')
  if (replaces === 'anything') return
  const { weights, beside } = FILES[kind]
  const names = (await readdir(path)).filter((name) => !LITTER.test(name))
  if (names.length === 0) return
  const others = names.filter((name) => !weights.test(name) && !beside.test(name))
  if (others.length > 0) throw taken(path, `has ${others.slice(0, 5).join(', ')} in it`)
  if (!names.some((name) => weights.test(name))) throw taken(path, 'has no weights in it')
}

function taken(path: string, came: string): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_FOLDER_TAKEN',
    `weights: ${path} should be a new folder, or one that was written alike and would be replaced, and ${came}; name another folder.`,
  )
}
