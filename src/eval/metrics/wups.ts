/**
 * WUPS: how alike two short answers are, by the words' places in WordNet.
 *
 *   min(Π_{w in a} max_{v in b} sim(w, v), Π_{v in b} max_{w in a} sim(v, w)), words alike to nothing left out
 *
 * sim is 1 for equal words, else Wu and Palmer's similarity of first senses, times 0.1 below `threshold`.
 * Source: Malinowski and Fritz, arXiv:1410.0210 §4.3; doc-doc/NExT-OE metrics.py and eval_oe.py at a83f8f5, as lmms-eval
 * tasks/nextqa/utils.py. There words are tagged by NLTK's perceptron and lemmatised by their tag, as pywsd does it. With its
 * weights at hand that is what happens here; without them words are taken as verbs where they end in -ing or -ed and are forms
 * of one, else as nouns, else as verbs, and the score differs a little.
 */
import type { PerceptronTagger } from './perceptron-tagger.ts'
import { porterStem } from './porter-stem.ts'
import { textWords } from './treebank-words.ts'
import type { WordNet } from './wordnet.ts'

export function wups(
  answer: string,
  truth: string,
  { wordNet, threshold }: { readonly wordNet: WordNet; readonly threshold: number },
): number {
  const [a, b] = [textWords(answer), textWords(truth)]
  const similarity = (x: string, y: string) => wordSimilarity(x, y, wordNet, threshold)
  return Math.min(oneWay(a, b, similarity), oneWay(b, a, similarity))
}

function oneWay(
  from: readonly string[],
  to: readonly string[],
  similarity: (x: string, y: string) => number,
): number {
  const best = from.map((word) => Math.max(0, ...to.map((other) => similarity(word, other))))
  const found = best.filter((value) => value > 0)
  return found.length === 0 ? 0 : found.reduce((product, value) => product * value, 1)
}

function wordSimilarity(a: string, b: string, wordNet: WordNet, threshold: number): number {
  if (a === b) return 1
  const [x, y] = [wordNet.firstSense(a), wordNet.firstSense(b)]
  const value = x && y ? (wordNet.similarity(x, y) ?? 0) : 0
  return value < threshold ? 0.1 * value : value
}

/** Base forms of the words that say something, with single spaces. */
export function contentWords(sentence: string, wordNet: WordNet): string {
  const { tagger } = wordNet
  const lemmas = tagger
    ? taggedLemmas(sentence, wordNet, tagger)
    : (sentence.toLowerCase().match(/[a-z0-9]+(?:'[a-z]+)?|[^\sa-z0-9]/g) ?? []).map((word) =>
        lemma(word, wordNet),
      )
  return lemmas.filter((word) => !STOP_WORDS.has(word)).join(' ')
}

const TAGGED = { NN: 'noun', JJ: 'adj', VB: 'verb', RB: 'adv' } as const

/** By tags; what is no word of WordNet then is stemmed, if that makes it one. Source: pywsd/utils.py of 1.2.4, lemmatize_sentence. */
function taggedLemmas(sentence: string, wordNet: WordNet, tagger: PerceptronTagger): string[] {
  const words = textWords(sentence)
  const tags = tagger.tag(words)
  return words.map((word, i) => {
    const lower = word.toLowerCase()
    const tag = (tags[i] ?? '').slice(0, 2)
    const part = tag in TAGGED ? TAGGED[tag as keyof typeof TAGGED] : 'noun'
    const form = shortest(wordNet.baseForms(lower, part)) ?? lower
    if (wordNet.firstSense(form)) return form
    const stem = porterStem(lower)
    return wordNet.firstSense(stem) ? stem : lower
  })
}

/** The first of the shortest. */
function shortest(forms: readonly string[]): string | undefined {
  return forms.reduce<string | undefined>(
    (best, form) => (best === undefined || form.length < best.length ? form : best),
    undefined,
  )
}

function lemma(word: string, wordNet: WordNet): string {
  const verb = shortest(wordNet.baseForms(word, 'verb'))
  if (/(?:ing|ed)$/.test(word) && verb !== undefined) return verb
  return shortest(wordNet.baseForms(word, 'noun')) ?? verb ?? word
}

/** Source: the stop words of lmms-eval tasks/nextqa/stopwords.csv; `no`, `not`, `on`, `off`, `up` and others are kept. */
const STOP_WORDS = new Set(
  (
    "i me my myself we our ours ourselves you you're you've you'll you'd your yours yourself yourselves he him his himself she " +
    "she's her hers herself it it's its itself they them their theirs themselves what which who whom this that that'll these " +
    'those am is are was were be been being have has had having do does did doing a an the and but if or because as until while ' +
    'to from of at for with about into through during again further then here there when where why how all any each most other ' +
    "some such only own so than too very s t can will just don don't should should've now d ll m o re ve y ain aren aren't couldn " +
    "couldn't didn didn't doesn doesn't hadn hadn't hasn hasn't haven haven't isn isn't ma mightn mightn't mustn mustn't needn " +
    "needn't shan shan't shouldn shouldn't wasn wasn't weren weren't won won't wouldn wouldn't"
  ).split(' '),
)
