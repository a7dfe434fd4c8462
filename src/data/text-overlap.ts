/**
 * Which texts of a few were among many: whole, or by their runs of NGRAM words.
 *
 *   equal   the same words, whatever stands between them
 *   near    at least NEAR_SHARE of the text's runs occur somewhere; a text of fewer words than a run is only ever equal
 *
 * Words are letters and digits in lower case. Lines that say how to answer are left out on both sides: they are in every
 * question. The few are indexed and the many pass by, so that a training set of any size needs no memory.
 */
export const NGRAM = 8
export const NEAR_SHARE = 0.5

export type TextLikeness = {
  readonly kind: 'equal' | 'near'
  /** Of the text's runs, how many occur. */
  readonly share: number
  /** Names of those that it is equal to, or that hold most of its runs first seen. */
  readonly places: readonly string[]
}

type Entry = {
  readonly runs: readonly string[]
  readonly seen: Set<string>
  readonly equal: Set<string>
  readonly near: Set<string>
}

export class TextOverlap {
  readonly #ignored: ReadonlySet<string>
  readonly #entries: readonly Entry[]
  readonly #byText = new Map<string, number[]>()
  readonly #byRun = new Map<string, number[]>()

  /** `ignored` lines, as they stand in texts, are left out beside those that more than half of the texts have. */
  constructor(texts: readonly string[], ignored: readonly string[] = []) {
    this.#ignored = new Set([...ignored, ...commonLines(texts)].map((line) => line.trim()))
    this.#entries = texts.map((text, i) => {
      const words = this.#words(text)
      const runs = [...new Set(runsOf(words))]
      if (words.length > 0) push(this.#byText, words.join(' '), i)
      for (const run of runs) push(this.#byRun, run, i)
      return { runs, seen: new Set(), equal: new Set(), near: new Set() }
    })
  }

  /** Texts of this place pass by. Returns those of the few that one of them is equal to. */
  add(texts: readonly string[], place: string): number[] {
    const equal = new Set<number>()
    for (const text of texts) {
      const words = this.#words(text)
      for (const i of this.#byText.get(words.join(' ')) ?? []) {
        equal.add(i)
        this.#entries[i]?.equal.add(place)
      }
      for (const run of runsOf(words)) {
        for (const i of this.#byRun.get(run) ?? []) this.#note(i, run, place)
      }
    }
    return [...equal]
  }

  likeness(i: number): TextLikeness | null {
    const { runs, seen, equal, near } = this.#entries[i] as Entry
    const share = runs.length === 0 ? 0 : seen.size / runs.length
    if (equal.size > 0) return { kind: 'equal', share: 1, places: [...equal] }
    return share >= NEAR_SHARE ? { kind: 'near', share, places: [...near] } : null
  }

  #note(i: number, run: string, place: string): void {
    const entry = this.#entries[i] as Entry
    if (!entry.seen.has(run)) entry.near.add(place)
    entry.seen.add(run)
  }

  #words(text: string): string[] {
    const lines = text.split('\n').filter((line) => !this.#ignored.has(line.trim()))
    return textWords(lines.join('\n').replaceAll(/<(?:image|video)>/g, ' '))
  }
}

export function textWords(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
}

function runsOf(words: readonly string[]): string[] {
  return Array.from({ length: Math.max(0, words.length - NGRAM + 1) }, (_, i) =>
    words.slice(i, i + NGRAM).join(' '),
  )
}

/** From four texts on; of fewer, what is common may be the question. */
function commonLines(texts: readonly string[]): string[] {
  if (texts.length < 4) return []
  const counts = new Map<string, number>()
  for (const text of texts) {
    const lines = new Set(text.split('\n').slice(1))
    for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1)
  }
  return [...counts].filter(([, count]) => count > texts.length / 2).map(([line]) => line)
}

function push(map: Map<string, number[]>, key: string, value: number): void {
  const list = map.get(key)
  if (list) list.push(value)
  else map.set(key, [value])
}
