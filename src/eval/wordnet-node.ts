/** WordNet's files from a folder. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { InputError } from '../core/errors.ts'
import { WordNet } from './metrics/wordnet.ts'

const NAMES = ['noun', 'verb', 'adj', 'adv'].flatMap((part) => [
  `index.${part}`,
  `data.${part}`,
  `${part}.exc`,
])

/** Throws InputError where a file is missing. */
export function loadWordNet(folder: string): WordNet {
  const missing = NAMES.filter((name) => !existsSync(join(folder, name)))
  if (missing.length > 0) {
    throw new InputError(
      'INPUT_WORDNET_MISSING',
      `eval: ${folder} should hold WordNet's files, ${missing.join(', ')} ${missing.length > 1 ? 'are' : 'is'} missing; give the folder dict of WordNet 3.`,
    )
  }
  // One byte a character, so that offsets in bytes are offsets in the text.
  return new WordNet(
    new Map(NAMES.map((name) => [name, readFileSync(join(folder, name), 'latin1')])),
  )
}
