/** The tokens of a vocabulary by id, and the ids by token. */
import { atOnce, type Steps } from '../core/steps.ts'
import { damaged, isId } from './tokenizer-fields.ts'

export type Vocabulary = {
  readonly ids: ReadonlyMap<string, number>
  /** Sparse where ids are missing. */
  readonly tokens: readonly (string | undefined)[]
}

type Entries = Iterable<readonly [token: string, id: unknown]>

/** Throws CheckpointError for an id that is no id or given twice. */
export function vocabularyOf(entries: Entries, where: string): Vocabulary {
  return atOnce(vocabularySteps(entries, where))
}

/** Entries between two pauses. */
const ENTRIES = 4096

/** The same with pauses. */
export function* vocabularySteps(entries: Entries, where: string): Steps<Vocabulary> {
  const ids = new Map<string, number>()
  const tokens: (string | undefined)[] = []
  for (const [token, value] of entries) {
    if (ids.size % ENTRIES === 0) yield
    const other = isId(value) ? tokens[value] : undefined
    if (!isId(value) || other !== undefined) {
      const expected = other === undefined ? 'an id' : `an id other than that of ${other}`
      throw damaged(`${where}[${JSON.stringify(token)}]`, expected, value)
    }
    const id = value
    ids.set(token, id)
    tokens[id] = token
  }
  return { ids, tokens }
}

/** Ids of `<0x00>` … `<0xFF>`; −1 where there is none, undefined if there is not one. */
export function byteTokenIds(ids: ReadonlyMap<string, number>): Int32Array | undefined {
  const found = Int32Array.from({ length: 256 }, (_, byte) => ids.get(byteToken(byte)) ?? -1)
  return found.some((id) => id >= 0) ? found : undefined
}

function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
}
