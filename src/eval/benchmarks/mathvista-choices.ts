/** Options that answers to MathVista's problems and a judge's extractions name: by letter, by text, or by being near. */
import { levenshtein } from '../metrics/anls.ts'
import { pythonStrip } from '../python-text.ts'

/**
 * The official reading of an extraction: the option of its letter, else the one that is nearest to it, whatever it says.
 * Source: lupantech/MathVista evaluation/calculate_score.py, normalize_extracted_answer.
 */
export function nearestChoice(text: string, choices: readonly string[]): string | null {
  const letter = letterOf(text)
  const named = choiceOf(letter, choices)
  if (named !== null) return named
  const distances = choices.map((choice) => levenshtein([...letter], [...choice]))
  return choices[distances.indexOf(Math.min(...distances))] ?? null
}

/** What says an option and nothing else. */
export function plainChoice(text: string, choices: readonly string[]): string | null {
  if (choices.includes(text)) return text
  return /^(?:[A-Z]|\([A-Za-z]\))$/.test(text) ? choiceOf(letterOf(text), choices) : null
}

/**
 * The part of a judge's reply that names an option, for the official reading; null where that would guess. Named is an option by its letter
 * (`B. 5` too, where B is 5), by a text of which less than half differs (`55` is `55°`, `['Acuminate']` is `Acuminate`), and where options are numbers by a number alone,
 * the next best to which MathVista takes. `N/A`, `The option is not provided`, the letter of no option and several letters name none.
 */
export function namingPart(reply: string, choices: readonly string[]): string | null {
  if (choices.includes(reply)) return reply
  const text = reply.replace(LEAD, '')
  if (new Set([...text.matchAll(BRACKETED)].map(([, letter]) => letter?.toUpperCase())).size > 1)
    return null
  const letter = /^\W*([A-Z])\W*$/.exec(text)?.[1] ?? letterOf(text)
  if (choiceOf(letter, choices) !== null) return letter
  const [, own = '', rest = ''] = /^\W*([A-Z])\s*[.:)]\s*([^]*)$/.exec(text) ?? []
  if (rest !== '' && choiceOf(own, choices)?.toLowerCase() === rest.toLowerCase()) return own
  if (/\d/.test(text) && !/\p{L}/u.test(text)) return /\d/.test(choices.join('')) ? text : null
  const said = [...text.toLowerCase()]
  const nearest = [...(nearestChoice(text, choices) ?? '').toLowerCase()]
  return levenshtein(said, nearest) < Math.max(said.length, nearest.length) / 2 ? text : null
}

/** As judges begin that do not give the value alone. */
const LEAD =
  /^(?:the )?(?:(?:correct|extracted|final) )?(?:answer|option|choice)(?: is)?:?\s+(?:option )?/i

const BRACKETED = /\(([a-zA-Z])\)/g

/** The first letter in brackets, or the whole text. */
function letterOf(text: string): string {
  const plain = pythonStrip(text)
  return /\(([a-zA-Z])\)/.exec(plain)?.[1]?.toUpperCase() ?? plain
}

function choiceOf(letter: string, choices: readonly string[]): string | null {
  return letter.length === 1 ? (choices[letter.charCodeAt(0) - 65] ?? null) : null
}
