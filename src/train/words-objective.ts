/**
 * Rows of pictures that say the words of their captions, before any decoder reads them: alignment without its cost.
 *
 * Every row of a picture should resemble the embeddings of its caption's tokens more than those of the other captions
 * in its micro-batch. Tokens that all captions of a micro-batch share (a line's end) tell nothing and are left out, unless
 * the captions are the same altogether: then rows should say all of it, as those of a picture alone.
 * Where a record says what is to be seen at some places (`regions`), the rows of these places say that instead.
 */
import { InputError } from '../core/errors.ts'
import type { ModelConfig } from '../families/family.ts'
import { buildBatch, type Batch } from './batch.ts'
import { tokenWeights, type Accumulation } from './loss-weights.ts'
import type { Objective } from './objective.ts'
import type { Sample } from './sample.ts'
import type { WordTargets } from './words-pass.ts'

export function wordsObjective(config: ModelConfig, accumulation: Accumulation): Objective {
  return {
    prepare(microBatches) {
      const batches = microBatches.map((given) => {
        const samples = given as readonly Sample[]
        const batch = buildBatch(samples, config)
        return { batch, captions: captionsOf(batch, samples) }
      })
      const counts = batches.map(({ captions }) => captions.length)
      const weights = tokenWeights(counts, accumulation)
      return batches.map(({ batch, captions }, i) => ({
        batch,
        tokens: captions.flat().reduce((sum, { words }) => sum + words.size, 0),
        extra: targetsOf(captions, weights[i] as number),
      }))
    },
    async run({ batch, extra }, { network, mode }, options) {
      const state = await network.embed(batch, mode, options)
      const loss = await network.saidWords(state, extra as WordTargets, options)
      return { state, loss, report: null }
    },
  }
}

/** Rows and what they should say; `part` is their part of a sample, whose captions make one. */
type Caption = {
  readonly rows: readonly number[]
  readonly words: ReadonlySet<bigint>
  readonly part: number
}

/** By sample, those with pictures and words of their own. */
function captionsOf({ images, segments, targets, length }: Batch, samples: readonly Sample[]) {
  if (segments.length !== samples.length) {
    throw new InputError(
      'INPUT_SEGMENTS',
      'words: samples should hold one sequence each, packed ones came; take another batching.',
    )
  }
  const words = samples.map(() => new Set<bigint>())
  targets.labels.forEach((label, i) => words[targets.samples[i] as number]?.add(label))
  const sampleOf = new Int32Array(length)
  let start = 0
  segments.forEach((count, i) => sampleOf.fill(i, start, (start += count)))
  const rows = samples.map((): number[] => [])
  for (const { slots } of images?.placed ?? []) {
    for (const slot of slots) rows[sampleOf[Number(slot)] as number]?.push(Number(slot))
  }
  const shared = sharedWords(words.filter((_, i) => (rows[i] as number[]).length > 0))
  start = 0
  return words
    .map((own, i) => {
      const regions = regionsOf(samples[i] as Sample, start)
      start += segments[i] as number
      const telling = new Set([...own].filter((word) => !shared.has(word)))
      return captionsOfSample(rows[i] as number[], telling, regions)
    })
    .filter((captions) => captions.length > 0)
}

/** Those of all captions of pictures; none where there is but one caption, or several alike. */
function sharedWords(captions: readonly ReadonlySet<bigint>[]): ReadonlySet<bigint> {
  const shared = new Set(captions[0])
  for (const word of shared) if (!captions.every((own) => own.has(word))) shared.delete(word)
  return captions.every((own) => own.size === shared.size) ? new Set() : shared
}

/** Words by position in the batch; places that lie in one row share it. */
function regionsOf({ says = [] }: Sample, start: number): Map<number, Set<bigint>> {
  const regions = new Map<number, Set<bigint>>()
  for (const { position, ids } of says) {
    const words = regions.get(start + position) ?? new Set()
    for (const id of ids) words.add(BigInt(id))
    regions.set(start + position, words)
  }
  return regions
}

/** Rows with a region say its words, the others the caption's; both sorts count the same. */
function captionsOfSample(
  rows: readonly number[],
  telling: ReadonlySet<bigint>,
  regions: ReadonlyMap<number, ReadonlySet<bigint>>,
): Caption[] {
  const others = telling.size > 0 ? rows.filter((row) => !regions.has(row)) : []
  const half = regions.size > 0 && others.length > 0 ? 0.5 : 1
  const captions = [...regions].map(([row, words]) => ({
    rows: [row],
    words,
    part: half / regions.size,
  }))
  return others.length > 0 ? [...captions, { rows: others, words: telling, part: half }] : captions
}

/** `weight` for each sample, shared among its rows and words. */
function targetsOf(samples: readonly (readonly Caption[])[], weight: number): WordTargets {
  const captions = samples.flat()
  const ids = [...new Set(captions.flatMap(({ words }) => [...words]))]
  const places = new Map(ids.map((id, i) => [id, i]))
  const rows = captions.flatMap((caption) => caption.rows)
  const weights = new Float32Array(rows.length * ids.length)
  let row = 0
  for (const { rows: own, words, part } of captions) {
    const share = (weight * part) / (own.length * words.size)
    for (const _ of own) {
      for (const word of words) weights[row * ids.length + (places.get(word) as number)] = share
      row++
    }
  }
  return { ids: BigInt64Array.from(ids), rows: Int32Array.from(rows), weights }
}
