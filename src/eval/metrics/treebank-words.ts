/**
 * A text as words and marks, as Penn Treebank has them: NLTK's `word_tokenize`.
 *
 * Source: nltk/tokenize/destructive.py of NLTK 3.9, NLTKWordTokenizer. NLTK cuts sentences by punkt, which knows abbreviations; here
 * they end at `.`, `!` and `?` before a space, so that "Mr. Hill" is three words and not two.
 */

type Rule = readonly [pattern: RegExp, replacement: string]

const RULES: readonly Rule[] = [
  [/([«“‘„]|`+)/gu, ' $1 '],
  [/^"/g, '``'],
  [/(``)/g, ' $1 '],
  [/([ ([{<])("|'{2})/g, '$1 `` '],
  [/(')(?!re|ve|ll|m|t|s|d|n)([\p{L}\p{N}_])(?![\p{L}\p{N}_])/giu, '$1 $2'],
  [/([^.])(\.)([\])}>"'»”’ ]*)\s*$/gu, '$1 $2 $3 '],
  [/([:,])([^\d])/gu, ' $1 $2'],
  [/([:,])$/g, ' $1 '],
  [/\.{2,}/g, ' $& '],
  [/[;@#$%&]/g, ' $& '],
  [/([^.])(\.)([\])}>"']*)\s*$/gu, '$1 $2$3 '],
  [/[?!]/g, ' $& '],
  [/([^'])' /gu, "$1 ' "],
  [/[*]/g, ' $& '],
  [/[\][(){}<>]/g, ' $& '],
  [/--/g, ' -- '],
]

/** With a space before and behind, so that endings at the end are seen. */
const ENDINGS: readonly Rule[] = [
  [/([»”’])/gu, ' $1 '],
  [/''/g, " '' "],
  [/"/g, " '' "],
  [/\s+/g, ' '],
  [/([^' ])('[sS]|'[mM]|'[dD]|') /gu, '$1 $2 '],
  [/([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) /gu, '$1 $2 '],
  [/\b(can)(not)\b/gi, ' $1 $2 '],
  [/\b(d)('ye)\b/gi, ' $1 $2 '],
  [/\b(gim)(me)\b/gi, ' $1 $2 '],
  [/\b(gon)(na)\b/gi, ' $1 $2 '],
  [/\b(got)(ta)\b/gi, ' $1 $2 '],
  [/\b(lem)(me)\b/gi, ' $1 $2 '],
  [/\b(more)('n)\b/gi, ' $1 $2 '],
  [/\b(wan)(na)(?=\s)/gi, ' $1 $2 '],
  [/ ('t)(is)\b/gi, ' $1 $2 '],
  [/ ('t)(was)\b/gi, ' $1 $2 '],
]

/** The words of all sentences: a full stop is a word of its own at each one's end. */
export function textWords(text: string): string[] {
  return text.split(/(?<=[.!?])\s+/).flatMap(treebankWords)
}

/** Of one sentence. */
export function treebankWords(sentence: string): string[] {
  const apply = (text: string, rules: readonly Rule[]) =>
    rules.reduce((result, [pattern, replacement]) => result.replace(pattern, replacement), text)
  return apply(` ${apply(sentence, RULES)} `, ENDINGS)
    .split(' ')
    .filter(Boolean)
}
