/**
 * Which requests become a benchmark: those that say the same left out, the rest in clusters, one of each.
 *
 *   duplicates   the same picture and the same words, or both nearly
 *   overlap      a picture of the training data
 *   clusters     weighted k-means, weight = pixels of the pictures from least (0) to most (1): large pictures are favoured
 *   chosen       what is nearest to each centre; of two chosen ones with a cosine from ALIKE on, the one with more pixels stays, and
 *                the next nearest of the largest clusters take their place
 *
 * Source: LLaVA-NeXT blog 2024-05-10, "LLaVA-Bench (Wilder)", where the vectors are ONE-PEACE's.
 */
import { Rng } from '../../core/rng.ts'
import type { Overlap } from '../contamination.ts'
import { likeness, type PicturePrint } from '../picture-print.ts'
import { textWords } from '../text-overlap.ts'
import type { BenchRequest, DroppedRequest } from './read-requests.ts'
import { cosine } from './request-vectors.ts'
import { weightedKMeans } from './weighted-kmeans.ts'

/** Two requests from this cosine on are alike. */
export const ALIKE = 0.97

export type PrintedRequest = {
  readonly request: BenchRequest
  readonly prints: readonly PicturePrint[]
}

export type Sifted = {
  readonly kept: readonly PrintedRequest[]
  readonly dropped: readonly DroppedRequest[]
}

/** The first of requests alike stays. */
export function dropDuplicates(all: readonly PrintedRequest[]): Sifted {
  const kept: (PrintedRequest & { readonly words: ReadonlySet<string> })[] = []
  const dropped: DroppedRequest[] = []
  for (const one of all) {
    const words = new Set(textWords(one.request.text))
    const like = kept.find(
      (other) => isSame(one.prints, other.prints) && jaccard(words, other.words) >= SAME_WORDS,
    )
    if (like) dropped.push({ id: one.request.id, reason: `says the same as ${like.request.id}` })
    else kept.push({ ...one, words })
  }
  return { kept: kept.map(({ request, prints }) => ({ request, prints })), dropped }
}

const SAME_WORDS = 0.8

function isSame(a: readonly PicturePrint[], b: readonly PicturePrint[]): boolean {
  return (
    a.length === b.length && a.every((print, i) => likeness(print, b[i] as PicturePrint) !== null)
  )
}

function jaccard(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  const common = [...a].filter((word) => b.has(word)).length
  const all = a.size + b.size - common
  return all === 0 ? 1 : common / all
}

export function dropOverlapping(
  all: readonly PrintedRequest[],
  overlaps: readonly Overlap[],
): Sifted {
  const places = new Map(
    overlaps.flatMap(({ id, picture }) => (picture ? [[id, picture.places[0] ?? '']] : [])),
  )
  return {
    kept: all.filter(({ request }) => !places.has(request.id)),
    dropped: all.flatMap(({ request: { id } }) => {
      const place = places.get(id)
      return place === undefined
        ? []
        : [{ id, reason: `its picture is in the training data (${place})` }]
    }),
  }
}

export type Chosen = {
  /** By place among the requests, in their order. */
  readonly chosen: readonly {
    readonly index: number
    readonly cluster: number
    readonly size: number
  }[]
  readonly dropped: readonly DroppedRequest[]
}

/** `vectors` [n][D] of `requests`, in the same order. */
export function chooseRequests(
  requests: readonly PrintedRequest[],
  vectors: readonly Float32Array[],
  { size, seed }: { readonly size: number; readonly seed: number },
): Chosen {
  const weights = pixelWeights(requests)
  const { assigned, distances } = weightedKMeans(vectors, weights, { k: size, rng: new Rng(seed) })
  const clusters = new Map<number, number[]>()
  assigned.forEach((c, i) => clusters.set(c, [...(clusters.get(c) ?? []), i]))
  const near = (a: number, b: number) =>
    (distances[a] as number) - (distances[b] as number) ||
    (weights[b] as number) - (weights[a] as number) ||
    a - b
  const queues = [...clusters]
    .map(([cluster, members]) => ({ cluster, members: members.sort(near) }))
    .sort((a, b) => b.members.length - a.members.length || a.cluster - b.cluster)
  const order = roundRobin(queues)
  const chosen: { index: number; cluster: number; size: number }[] = []
  const dropped: DroppedRequest[] = []
  for (const one of order) {
    if (chosen.length === size) break
    const like = chosen.findIndex(({ index }) => {
      return cosine(vectors[one.index] as Float32Array, vectors[index] as Float32Array) >= ALIKE
    })
    const other = chosen[like]
    if (!other) {
      chosen.push(one)
      continue
    }
    const isLarger = (weights[one.index] as number) > (weights[other.index] as number)
    const [stays, goes] = isLarger ? [one, other] : [other, one]
    chosen[like] = stays
    const id = (at: { index: number }) => requests[at.index]?.request.id ?? ''
    dropped.push({
      id: id(goes),
      reason: `is like ${id(stays)}, which has more pixels or came first`,
    })
  }
  return { chosen: chosen.sort((a, b) => a.index - b.index), dropped }
}

/** The nearest of every cluster, then the second of every cluster, the largest clusters first. */
function roundRobin(
  queues: readonly { readonly cluster: number; readonly members: readonly number[] }[],
) {
  const longest = Math.max(0, ...queues.map(({ members }) => members.length))
  return Array.from({ length: longest }, (_, round) =>
    queues.flatMap(({ cluster, members }) => {
      const index = members[round]
      return index === undefined ? [] : [{ index, cluster, size: members.length }]
    }),
  ).flat()
}

/** 0 for the fewest pixels of all requests, 1 for the most. */
export function pixelWeights(requests: readonly PrintedRequest[]): number[] {
  const pixels = requests.map(({ prints }) =>
    prints.reduce((sum, { width, height }) => sum + width * height, 0),
  )
  const [least, most] = [Math.min(...pixels), Math.max(...pixels)]
  return pixels.map((count) => (most === least ? 1 : (count - least) / (most - least)))
}
