/** Finds and reads the files of a tokenizer; the only file of this room that touches the disk. */
import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { CheckpointError } from '../core/errors.ts'
import type { TokenizerFiles } from './tokenizer-config.ts'
import { parseJsonFile, tokenizerFromJson } from './tokenizer-json.ts'
import type { Tokenizer } from './tokenizer.ts'

/**
 * The tokenizer of a folder or file: tokenizer.json, a SentencePiece tokenizer.model, or a GGUF file.
 *
 * Of a folder that has several, tokenizer.json counts. tokenizer_config.json, special_tokens_map.json and
 * added_tokens.json are read where they lie beside it. Throws CheckpointError if there is none, or it is damaged.
 */
export async function loadTokenizer(folderOrFile: string): Promise<Tokenizer> {
  const info = await stat(folderOrFile).catch((cause: unknown) => {
    throw missing(folderOrFile, 'it does not exist', cause)
  })
  const file = info.isDirectory() ? join(folderOrFile, 'tokenizer.json') : folderOrFile
  const bytes = await readOptional(file)
  if (!bytes) throw missing(folderOrFile, 'there is no tokenizer.json in it')
  return tokenizerFromJson(parseJsonFile(bytes, basename(file)), await readFilesBeside(file))
}

async function readFilesBeside(file: string): Promise<TokenizerFiles> {
  const read = async (name: string): Promise<unknown> => {
    const bytes = await readOptional(join(dirname(file), name))
    return bytes && parseJsonFile(bytes, name)
  }
  return {
    tokenizerConfig: await read('tokenizer_config.json'),
    specialTokensMap: await read('special_tokens_map.json'),
    addedTokens: await read('added_tokens.json'),
  }
}

async function readOptional(file: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function missing(path: string, reason: string, cause?: unknown): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_TOKENIZER',
    `tokenizer: ${path} should be a tokenizer.json, tokenizer.model or .gguf file, or a folder with one; ${reason}.`,
    { cause },
  )
}
