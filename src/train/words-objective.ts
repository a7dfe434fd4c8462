/**
 * Rows of pictures that say the words of their captions, before any decoder reads them: alignment without its cost.
 *
 * Every row of a picture should resemble the embeddings of its caption's tokens more than those of the other captions
 * in its micro-batch. Tokens that all captions of a micro-batch share (a line's end) tell nothing and are left out.
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
        return { batch, captions: captionsOf(batch, samples.length) }
      })
      const counts = batches.map(({ captions }) => captions.length)
      const weights = tokenWeights(counts, accumulation)
      return batches.map(({ batch, captions }, i) => ({
        batch,
        tokens: captions.reduce((sum, { words }) => sum + words.size, 0),
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

type Caption = { readonly rows: readonly number[]; readonly words: ReadonlySet<bigint> }

/** Samples with pictures and words of their own. */
function captionsOf({ images, segments, targets, length }: Batch, samples: number): Caption[] {
  if (segments.length !== samples) {
    throw new InputError(
      'INPUT_SEGMENTS',
      'words: samples should hold one sequence each, packed ones came; take another batching.',
    )
  }
  const words = Array.from({ length: samples }, () => new Set<bigint>())
  targets.labels.forEach((label, i) => words[targets.samples[i] as number]?.add(label))
  const shared = (word: bigint) => samples > 1 && words.every((own) => own.has(word))
  const sampleOf = new Int32Array(length)
  let start = 0
  segments.forEach((count, i) => sampleOf.fill(i, start, (start += count)))
  const rows = Array.from({ length: samples }, (): number[] => [])
  for (const { slots } of images?.placed ?? []) {
    for (const slot of slots) rows[sampleOf[Number(slot)] as number]?.push(Number(slot))
  }
  return words
    .map((own, i) => ({
      rows: rows[i] as number[],
      words: new Set([...own].filter((word) => !shared(word))),
    }))
    .filter((caption) => caption.rows.length > 0 && caption.words.size > 0)
}

/** `weight` for each caption, shared among its rows and words. */
function targetsOf(captions: readonly Caption[], weight: number): WordTargets {
  const ids = [...new Set(captions.flatMap(({ words }) => [...words]))]
  const places = new Map(ids.map((id, i) => [id, i]))
  const rows = captions.flatMap((caption) => caption.rows)
  const weights = new Float32Array(rows.length * ids.length)
  let row = 0
  for (const { rows: own, words } of captions) {
    const share = weight / (own.length * words.size)
    for (const _ of own) {
      for (const word of words) weights[row * ids.length + (places.get(word) as number)] = share
      row++
    }
  }
  return { ids: BigInt64Array.from(ids), rows: Int32Array.from(rows), weights }
}
