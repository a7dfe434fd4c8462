/** Finds and reads the files of a tokenizer; the only file of this room that touches the disk. */
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { checkArgument } from '../core/check-argument.ts'
import { checkChoice } from '../core/check-choice.ts'
import { checkOptions } from '../core/check-options.ts'
import { CheckpointError, ConfigError } from '../core/errors.ts'
import { inTurns, type Steps } from '../core/steps.ts'
import { readGgufMetadata } from '../weights/index.ts'
import { modelSteps, SPACE_RULES, type SpaceRule } from './sentencepiece.ts'
import type { TokenizerFiles } from './tokenizer-config.ts'
import { ggufSteps } from './tokenizer-gguf.ts'
import { jsonFileSteps, parseJsonFile, tokenizerSteps } from './tokenizer-json.ts'
import { LLAMA3, tiktokenSteps } from './tokenizer-tiktoken.ts'
import type { Tokenizer } from './tokenizer.ts'

export type LoadTokenizerOptions = {
  /** Where SentencePiece models put a space in front; otherwise `legacy` of tokenizer_config.json decides. */
  readonly spaces?: SpaceRule
}

/** Of a folder that has several, the first counts. */
const NAMES = ['tokenizer.json', 'tokenizer.model']

/**
 * The tokenizer of a folder or file: tokenizer.json, a SentencePiece tokenizer.model (or Llama 3's, which holds
 * tiktoken ranks), or a GGUF file.
 *
 * tokenizer_config.json, special_tokens_map.json and added_tokens.json are read where they lie beside it. Throws
 * CheckpointError if there is no tokenizer or it is damaged, ConfigError if its kind is not supported, InputError for an
 * unknown option.
 */
export async function loadTokenizer(
  folderOrFile: string,
  options: LoadTokenizerOptions = {},
): Promise<Tokenizer> {
  checkArgument('loadTokenizer: folderOrFile', folderOrFile, 'a string')
  checkOptions('loadTokenizer', options, ['spaces'])
  checkChoice('loadTokenizer: spaces', options.spaces, SPACE_RULES)
  const file = await tokenizerFile(folderOrFile)
  const kind = await kindOf(file)
  if (kind === 'gguf') return inTurns(ggufSteps(await readGgufMetadata(file)))
  const bytes = await readFile(file)
  const files = await readFilesBeside(file)
  if (kind === 'json') return inTurns(fromJson(bytes, file, files))
  if (kind === 'tiktoken') return inTurns(fromTiktoken(bytes, file))
  return inTurns(modelSteps(bytes, files, options.spaces))
}

function* fromJson(bytes: Uint8Array, file: string, files: TokenizerFiles): Steps<Tokenizer> {
  return yield* tokenizerSteps(yield* jsonFileSteps(bytes, basename(file)), files)
}

/** The file of a tokenizer that counts. Throws CheckpointError where there is none. */
export async function tokenizerFile(folderOrFile: string): Promise<string> {
  const info = await stat(folderOrFile).catch((cause: unknown) => {
    throw missing(folderOrFile, 'it cannot be read', cause)
  })
  if (info.isFile()) return folderOrFile
  for (const name of NAMES) {
    const file = join(folderOrFile, name)
    if ((await stat(file).catch(() => undefined))?.isFile()) return file
  }
  const found = info.isDirectory() ? await readdir(folderOrFile) : []
  const ggufs = found.filter((name) => name.endsWith('.gguf'))
  if (ggufs.length === 1) return join(folderOrFile, ggufs[0] as string)
  throw missing(folderOrFile, `it has none, but ${found.join(', ') || 'nothing'}`)
}

/** By content: Llama 3's tiktoken ranks are called tokenizer.model too. */
async function kindOf(file: string): Promise<'json' | 'tiktoken' | 'gguf' | 'sentencepiece'> {
  const handle = await open(file)
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(64), 0, 64, 0)
    const start = buffer.toString('latin1', 0, bytesRead)
    if (start.startsWith('GGUF')) return 'gguf'
    if (/^[A-Za-z0-9+/]+={0,2} \d+\r?\n/.test(start)) return 'tiktoken'
    return file.endsWith('.json') || /^\s*\{/.test(start) ? 'json' : 'sentencepiece'
  } finally {
    await handle.close()
  }
}

const LLAMA3_RANKS = 128_000

/** Ranks say nothing of words and special tokens; only Llama 3 publishes a bare file of them. */
function* fromTiktoken(bytes: Uint8Array, file: string): Steps<Tokenizer> {
  const tokenizer = yield* tiktokenSteps(bytes, LLAMA3)
  if (tokenizer.vocabSize === LLAMA3_RANKS + LLAMA3.special.length) return tokenizer
  throw new ConfigError(
    'CONFIG_TOKENIZER_UNSUPPORTED',
    `tokenizer: ${file} holds tiktoken ranks, but not Llama 3's ${LLAMA3_RANKS}; give its expression and special tokens to tokenizerFromTiktoken.`,
  )
}

async function readFilesBeside(file: string): Promise<TokenizerFiles> {
  const read = async (name: string): Promise<unknown> => {
    const path = join(dirname(file), name)
    const isThere = (await stat(path).catch(() => undefined))?.isFile()
    return isThere ? parseJsonFile(await readFile(path), name) : undefined
  }
  return {
    tokenizerConfig: await read('tokenizer_config.json'),
    specialTokensMap: await read('special_tokens_map.json'),
    addedTokens: await read('added_tokens.json'),
  }
}

function missing(path: string, reason: string, cause?: unknown): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_TOKENIZER',
    `tokenizer: ${path} should be a tokenizer.json, tokenizer.model or .gguf file, or a folder with one; ${reason}.`,
    { cause },
  )
}
