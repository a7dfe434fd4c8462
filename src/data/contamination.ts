/**
 * What of a benchmark was in the training data: pictures by their bytes and their prints, texts by their words.
 *
 * An item overlaps by a picture if one of its pictures is like one of the training data, by its text if a turn of the training
 * data is equal to it or the training data holds most of its runs of words, and in both if one record has its picture and a turn
 * equal to its text. Pictures of clips are not compared.
 */
import type { AnyRecord } from './check-record.ts'
import type { Dataset, DatasetProgress } from './dataset.ts'
import { likeness, NEAR_BITS, NEAR_COLOUR, type PicturePrint } from './picture-print.ts'
import type { PrintStore } from './print-store.ts'
import { preferenceTurns, type Picture } from './record.ts'
import { RecordFault } from './record-fault.ts'
import { NEAR_SHARE, NGRAM, TextOverlap } from './text-overlap.ts'

export type ContaminationItem = {
  readonly id: string
  readonly text: string
  /** Opened when they are needed: a dataset's rows hold them. */
  readonly pictures: () => Promise<readonly Picture[]>
}

export type ContaminationOptions = {
  readonly prints: PrintStore
  /** Lines that say how to answer. */
  readonly ignoredLines?: readonly string[]
  readonly onProgress?: (state: DatasetProgress) => void
  readonly signal?: AbortSignal | undefined
}

export type Overlap = {
  readonly id: string
  readonly picture: {
    readonly kind: 'equal' | 'near'
    readonly bits: number
    readonly places: readonly string[]
  } | null
  readonly text: {
    readonly kind: 'equal' | 'near'
    readonly share: number
    readonly places: readonly string[]
  } | null
  /** Records that have its picture and its text, word for word. */
  readonly both: readonly string[]
}

type KindCounts = { readonly equal: number; readonly near: number }

export type Contamination = {
  readonly items: number
  /** Items with a picture, and those whose picture could not be read. */
  readonly withPictures: number
  readonly unreadable: number
  /** Items by their closest likeness. */
  readonly pictures: KindCounts
  readonly texts: KindCounts
  readonly both: number
  readonly training: {
    readonly sha256: string
    readonly records: number
    readonly pictures: number
    readonly unreadable: number
    readonly broken: number
  }
  /** Items that overlap with each source of the mixture. */
  readonly sources: readonly {
    readonly name: string
    readonly records: number
    readonly pictures: number
    readonly texts: number
    readonly both: number
  }[]
  readonly rule: string
  readonly overlaps: readonly Overlap[]
}

export const CONTAMINATION_RULE =
  `pictures: equal bytes, or at most ${NEAR_BITS} of 256 bits of a DCT hash and no mean colour of 4 × 4 cells off by more than ${NEAR_COLOUR} of 255 (survives resizing and JPEG, not cutting or turning); ` +
  `texts: equal words, or at least ${100 * NEAR_SHARE} % of their runs of ${NGRAM} words, instructions left out`

/** Throws what reading the data set throws, except for records that are none: those are counted. */
export async function findContamination(
  items: readonly ContaminationItem[],
  dataset: Dataset,
  options: ContaminationOptions,
): Promise<Contamination> {
  const { prints, ignoredLines = [], onProgress, signal } = options
  const probes = await printItems(items, options)
  const texts = new TextOverlap(
    items.map(({ text }) => text),
    ignoredLines,
  )
  const found: Found[] = items.map(() => ({ matches: new Map(), both: new Set() }))
  const seen = { pictures: 0, unreadable: 0, broken: 0 }
  for (let start = 0; start < dataset.length; start += TOGETHER) {
    signal?.throwIfAborted()
    const count = Math.min(TOGETHER, dataset.length - start)
    const block = await Promise.all(
      Array.from({ length: count }, (_, i) => readPrints(dataset, start + i, prints)),
    )
    // One after the other: what is found must not depend on which picture was decoded first.
    for (const record of block) compare(record, { probes, found, texts, seen })
    onProgress?.({ stage: 'compare', done: start + count, total: dataset.length, item: '' })
  }
  const overlaps = items.flatMap(({ id }, i) => overlapOf(id, found[i] as Found, texts.likeness(i)))
  return {
    ...countOverlaps(overlaps),
    items: items.length,
    withPictures: probes.filter(({ count }) => count > 0).length,
    unreadable: probes.filter(({ count, own }) => own.length < count).length,
    training: { sha256: dataset.sha256, records: dataset.length, ...seen },
    sources: sourcesOf(overlaps, dataset),
    rule: CONTAMINATION_RULE,
    overlaps,
  }
}

type Probe = { readonly count: number; readonly own: readonly PicturePrint[] }
type Match = { readonly kind: 'equal' | 'near'; readonly bits: number }
type Found = { readonly matches: Map<string, Match>; readonly both: Set<string> }

async function printItems(
  items: readonly ContaminationItem[],
  { prints, onProgress, signal }: ContaminationOptions,
): Promise<Probe[]> {
  const probes: Probe[] = []
  for (const [i, item] of items.entries()) {
    signal?.throwIfAborted()
    const pictures = await item.pictures()
    const own = await Promise.all(pictures.map((picture) => prints.print(picture)))
    probes.push({ count: pictures.length, own: own.filter((print) => print !== null) })
    onProgress?.({ stage: 'pictures', done: i + 1, total: items.length, item: '' })
  }
  return probes
}

/** Enough for every thread that decodes. */
const TOGETHER = 16

type Printed = {
  readonly place: string
  /** Null for what is no record. */
  readonly record: AnyRecord | null
  readonly prints: readonly (PicturePrint | null)[]
}

async function readPrints(dataset: Dataset, index: number, store: PrintStore): Promise<Printed> {
  const place = dataset.whereOf(index).replace(/^data: /, '')
  const record = await readOrNull(dataset, index)
  const pictures = record?.images ?? []
  return { place, record, prints: await Promise.all(pictures.map((one) => store.print(one))) }
}

function compare(
  { place, record, prints }: Printed,
  state: {
    readonly probes: readonly Probe[]
    readonly found: readonly Found[]
    readonly texts: TextOverlap
    readonly seen: { pictures: number; unreadable: number; broken: number }
  },
): void {
  const { probes, found, texts, seen } = state
  if (record === null) {
    seen.broken++
    return
  }
  seen.pictures += prints.length
  seen.unreadable += prints.filter((print) => print === null).length
  const alike = new Set(
    prints.flatMap((print) => (print ? matchPrint(print, probes, found, place) : [])),
  )
  const equal = texts.add(textsOf(record), place)
  for (const i of equal) if (alike.has(i)) found[i]?.both.add(place)
}

async function readOrNull(dataset: Dataset, index: number): Promise<AnyRecord | null> {
  try {
    return await dataset.readEither(index)
  } catch (error) {
    if (error instanceof RecordFault) return null
    throw error
  }
}

function textsOf(record: AnyRecord): string[] {
  if ('turns' in record) return record.turns.map(({ value }) => value)
  const { chosen, rejected } = preferenceTurns(record)
  return [...new Set([...chosen, ...rejected].map(({ value }) => value))]
}

function matchPrint(
  print: PicturePrint,
  probes: readonly Probe[],
  found: readonly Found[],
  place: string,
): number[] {
  return probes.flatMap(({ own }, i) => {
    const alike = own.flatMap((probe) => likeness(probe, print) ?? [])
    const best = closest(alike)
    if (!best) return []
    found[i]?.matches.set(place, best)
    return [i]
  })
}

function closest<T extends Match>(matches: readonly T[]): T | undefined {
  const rank = ({ kind, bits }: Match) => (kind === 'equal' ? -1 : bits)
  return [...matches].sort((a, b) => rank(a) - rank(b))[0]
}

function overlapOf(id: string, { matches, both }: Found, text: Overlap['text']): Overlap[] {
  const best = closest([...matches.values()])
  if (!best && !text) return []
  const picture = best ? { ...best, places: [...matches.keys()].sort() } : null
  const sorted = text && { ...text, places: [...text.places].sort() }
  return [{ id, picture, text: sorted, both: [...both].sort() }]
}

function countOverlaps(overlaps: readonly Overlap[]) {
  const count = (part: 'picture' | 'text', kind: string) =>
    overlaps.filter((one) => one[part]?.kind === kind).length
  return {
    pictures: { equal: count('picture', 'equal'), near: count('picture', 'near') },
    texts: { equal: count('text', 'equal'), near: count('text', 'near') },
    both: overlaps.filter(({ both }) => both.length > 0).length,
  }
}

function sourcesOf(overlaps: readonly Overlap[], dataset: Dataset): Contamination['sources'] {
  const isOf = (places: readonly string[] | undefined, name: string) =>
    places?.some((place) => place.replace(/\[\d+\]$/, '') === name) ?? false
  return dataset.sources.map(({ name, length }) => ({
    name,
    records: length,
    pictures: overlaps.filter(({ picture }) => isOf(picture?.places, name)).length,
    texts: overlaps.filter(({ text }) => isOf(text?.places, name)).length,
    both: overlaps.filter(({ both }) => isOf(both, name)).length,
  }))
}
