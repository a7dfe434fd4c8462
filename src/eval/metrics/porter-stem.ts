/**
 * Porter's stemmer as NLTK has it: `running` is `run`, `his` is `hi`.
 *
 * Source: Porter, Program 14 (1980); nltk/stem/porter.py of NLTK 3.9 in its default mode, NLTK_EXTENSIONS, by which the published
 * WUPS scores were made.
 */

const IRREGULAR: Readonly<Record<string, string>> = {
  skies: 'sky',
  sky: 'sky',
  dying: 'die',
  lying: 'lie',
  tying: 'tie',
  news: 'news',
  innings: 'inning',
  inning: 'inning',
  outings: 'outing',
  outing: 'outing',
  cannings: 'canning',
  canning: 'canning',
  howe: 'howe',
  proceed: 'proceed',
  exceed: 'exceed',
  succeed: 'succeed',
}

export function porterStem(word: string): string {
  const lower = word.toLowerCase()
  const irregular = IRREGULAR[lower]
  if (irregular !== undefined) return irregular
  if (lower.length <= 2) return lower
  return [plural, past, lastY, doubleEndings, adjectives, longEndings, lastE, lastL].reduce(
    (stem, step) => step(stem),
    lower,
  )
}

type Rule = readonly [suffix: string, replacement: string, isAllowed?: (stem: string) => boolean]

/** The first rule whose suffix the word has decides, be its condition met or not. */
function applyFirst(word: string, rules: readonly Rule[]): string {
  for (const [suffix, replacement, isAllowed = () => true] of rules) {
    if (!word.endsWith(suffix)) continue
    const stem = word.slice(0, word.length - suffix.length)
    return isAllowed(stem) ? stem + replacement : word
  }
  return word
}

function isConsonant(word: string, i: number): boolean {
  const letter = word[i] as string
  if ('aeiou'.includes(letter)) return false
  return letter !== 'y' || i === 0 || !isConsonant(word, i - 1)
}

function isConsonantLast(word: string): boolean {
  return isConsonant(word, word.length - 1)
}

/** How often a vowel is followed by a consonant: m of [C](VC)ᵐ[V]. */
function measure(stem: string): number {
  const kinds = [...stem].map((_, i) => (isConsonant(stem, i) ? 'c' : 'v')).join('')
  return kinds.match(/vc/g)?.length ?? 0
}

function isPositive(stem: string): boolean {
  return measure(stem) > 0
}

function isLong(stem: string): boolean {
  return measure(stem) > 1
}

function hasVowel(stem: string): boolean {
  return [...stem].some((_, i) => !isConsonant(stem, i))
}

/** Consonant, vowel, consonant that is not w, x or y; of two letters, vowel and consonant. */
function endsShort(word: string): boolean {
  const { length } = word
  if (length === 2) return !isConsonant(word, 0) && isConsonant(word, 1)
  if (length < 3 || 'wxy'.includes(word[length - 1] as string)) return false
  return isConsonant(word, length - 3) && !isConsonant(word, length - 2) && isConsonantLast(word)
}

/** Step 1a. */
function plural(word: string): string {
  if (word.endsWith('ies') && word.length === 4) return word.slice(0, -1)
  return applyFirst(word, [
    ['sses', 'ss'],
    ['ies', 'i'],
    ['ss', 'ss'],
    ['s', ''],
  ])
}

/** Step 1b. */
function past(word: string): string {
  if (word.endsWith('ied')) return word.length === 4 ? word.slice(0, -1) : word.slice(0, -2)
  if (word.endsWith('eed')) return applyFirst(word, [['eed', 'ee', isPositive]])
  const ending = ['ed', 'ing'].find(
    (one) => word.endsWith(one) && hasVowel(word.slice(0, -one.length)),
  )
  if (ending === undefined) return word
  const stem = word.slice(0, -ending.length)
  for (const part of ['at', 'bl', 'iz']) if (stem.endsWith(part)) return `${stem}e`
  const last = stem.at(-1) as string
  if (stem.length > 1 && last === stem.at(-2) && isConsonantLast(stem))
    return 'lsz'.includes(last) ? stem : stem.slice(0, -1)
  return measure(stem) === 1 && endsShort(stem) ? `${stem}e` : stem
}

/** Step 1c. */
function lastY(word: string): string {
  return applyFirst(word, [['y', 'i', (stem) => stem.length > 1 && isConsonantLast(stem)]])
}

/** Step 2. */
function doubleEndings(word: string): string {
  if (word.endsWith('alli') && isPositive(word.slice(0, -4)))
    return doubleEndings(word.slice(0, -2))
  const pairs: readonly (readonly [string, string])[] = [
    ['ational', 'ate'],
    ['tional', 'tion'],
    ['enci', 'ence'],
    ['anci', 'ance'],
    ['izer', 'ize'],
    ['bli', 'ble'],
    ['alli', 'al'],
    ['entli', 'ent'],
    ['eli', 'e'],
    ['ousli', 'ous'],
    ['ization', 'ize'],
    ['ation', 'ate'],
    ['ator', 'ate'],
    ['alism', 'al'],
    ['iveness', 'ive'],
    ['fulness', 'ful'],
    ['ousness', 'ous'],
    ['aliti', 'al'],
    ['iviti', 'ive'],
    ['biliti', 'ble'],
    ['fulli', 'ful'],
  ]
  return applyFirst(word, [
    ...pairs.map(([suffix, replacement]): Rule => [suffix, replacement, isPositive]),
    ['logi', 'log', () => isPositive(word.slice(0, -3))],
  ])
}

/** Step 3. */
function adjectives(word: string): string {
  return applyFirst(word, [
    ['icate', 'ic', isPositive],
    ['ative', '', isPositive],
    ['alize', 'al', isPositive],
    ['iciti', 'ic', isPositive],
    ['ical', 'ic', isPositive],
    ['ful', '', isPositive],
    ['ness', '', isPositive],
  ])
}

/** Step 4. */
function longEndings(word: string): string {
  const before = 'al ance ence er ic able ible ant ement ment ent'.split(' ')
  const after = 'ou ism ate iti ous ive ize'.split(' ')
  const rule = (suffix: string): Rule => [suffix, '', isLong]
  const ion: Rule = ['ion', '', (stem) => isLong(stem) && /[st]$/.test(stem)]
  return applyFirst(word, [...before.map(rule), ion, ...after.map(rule)])
}

/** Step 5a. */
function lastE(word: string): string {
  const isAllowed = (stem: string) => isLong(stem) || (measure(stem) === 1 && !endsShort(stem))
  return applyFirst(word, [['e', '', isAllowed]])
}

/** Step 5b. */
function lastL(word: string): string {
  return applyFirst(word, [['ll', 'l', () => isLong(word.slice(0, -1))]])
}
