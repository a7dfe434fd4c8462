/**
 * The expressions that published tokenizers of our families cut texts into words with. A RegExp is done with these in time
 * of the text's length: whatever a repetition gives back is taken by the next alternative at once.
 */

/** GPT-2's: contractions, then words, numbers and signs with the space before them, then spaces. */
export const GPT2_PATTERN =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/** Llama 3's. */
export const LLAMA3_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|" +
  ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'

/** Qwen2's takes numbers one character at a time instead. */
export const QWEN2_PATTERN = LLAMA3_PATTERN.replace('\\p{N}{1,3}', '\\p{N}')

/** What llama.cpp cuts a text with where a file does not say how, beside GPT-2's. */
export const SIGNS_PATTERN = '[\\p{P}\\$\\+<=>\\^~\\|]+'
export const NUMBERS_PATTERN = '\\p{N}+'
export const THREE_DIGITS_PATTERN = '[0-9][0-9][0-9]'

export const PUBLISHED_PATTERNS: ReadonlySet<string> = new Set([
  GPT2_PATTERN,
  LLAMA3_PATTERN,
  QWEN2_PATTERN,
  SIGNS_PATTERN,
  NUMBERS_PATTERN,
  THREE_DIGITS_PATTERN,
])
