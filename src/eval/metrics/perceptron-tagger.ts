/**
 * The averaged perceptron that tags words with their part of speech, Penn Treebank's tags: NLTK's `pos_tag`.
 *
 * Its weights are not ours to ship: they are NLTK's data averaged_perceptron_tagger_eng, three JSON files.
 * Source: Honnibal, explosion.ai/blog/part-of-speech-pos-tagger-in-python (2013); nltk/tag/perceptron.py of NLTK 3.9.
 */

export type TaggerData = {
  /** Feature to tag to weight. */
  readonly weights: Readonly<Record<string, Readonly<Record<string, number>>>>
  /** Words that nearly always have one tag. */
  readonly tagdict: Readonly<Record<string, string>>
  readonly classes: readonly string[]
}

export class PerceptronTagger {
  readonly #weights: ReadonlyMap<string, readonly (readonly [string, number])[]>
  readonly #known: ReadonlyMap<string, string>
  /** Of equal scores the last in order wins, as Python's `max` over pairs of score and tag has it. */
  readonly #tags: readonly string[]

  constructor({ weights, tagdict, classes }: TaggerData) {
    this.#weights = new Map(
      Object.entries(weights).map(([feature, own]) => [feature, Object.entries(own)]),
    )
    this.#known = new Map(Object.entries(tagdict))
    this.#tags = [...classes].sort()
  }

  /** A tag for each word of a sentence. */
  tag(words: readonly string[]): string[] {
    const context = ['-START-', '-START2-', ...words.map(normalise), '-END-', '-END2-']
    const tags: string[] = []
    words.forEach((word, i) => {
      const before = tags.at(-1) ?? '-START-'
      const further = i === 1 ? '-START-' : (tags.at(-2) ?? '-START2-')
      const features = () => featuresOf(word, context.slice(i, i + 5), [before, further])
      tags.push(this.#known.get(word) ?? this.#likeliest(features()))
    })
    return tags
  }

  #likeliest(features: readonly string[]): string {
    const scores = new Map<string, number>()
    for (const feature of features) {
      for (const [tag, weight] of this.#weights.get(feature) ?? [])
        scores.set(tag, (scores.get(tag) ?? 0) + weight)
    }
    let best = this.#tags[0] as string
    for (const tag of this.#tags) if ((scores.get(tag) ?? 0) >= (scores.get(best) ?? 0)) best = tag
    return best
  }
}

/** `context` is two words before, the word, two words after. */
function featuresOf(
  word: string,
  [w2 = '', w1 = '', own = '', n1 = '', n2 = '']: readonly string[],
  [before = '', further = '']: readonly string[],
): string[] {
  return [
    'bias',
    `i suffix ${word.slice(-3)}`,
    `i pref1 ${word.charAt(0)}`,
    `i-1 tag ${before}`,
    `i-2 tag ${further}`,
    `i tag+i-2 tag ${before} ${further}`,
    `i word ${own}`,
    `i-1 tag+i word ${before} ${own}`,
    `i-1 word ${w1}`,
    `i-1 suffix ${w1.slice(-3)}`,
    `i-2 word ${w2}`,
    `i+1 word ${n1}`,
    `i+1 suffix ${n1.slice(-3)}`,
    `i+2 word ${n2}`,
  ]
}

function normalise(word: string): string {
  if (word.includes('-') && !word.startsWith('-')) return '!HYPHEN'
  if (/^\d{4}$/.test(word)) return '!YEAR'
  return /^\d/.test(word) ? '!DIGITS' : word.toLowerCase()
}
