/**
 * The order of samples against the original repositories' `LengthGroupedSampler`, given the permutations that torch drew.
 *
 * LLAVA_FIXTURES names a folder with `original/sampler.json`.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { originalOrder, type SamplerVariant } from '../../src/data/index.ts'
import { evenChunks } from '../../src/data/original-sampler.ts'
import type { Repository } from '../../src/text/conversation-modes.ts'

type Run = {
  case: string
  mode: SamplerVariant
  batch: number
  world_size: number
  lengths: number[]
  permutations: number[][]
  order: number[] | { error: string }
}
type Chunks = { indices: number[]; lengths: number[]; chunks: number; out: number[][] }

const FOLDER = process.env['LLAVA_FIXTURES'] ?? 'fixtures'
const recorded = JSON.parse(readFileSync(join(FOLDER, 'original/sampler.json'), 'utf8')) as Record<
  Repository,
  { runs: Run[]; split_to_even_chunks: Chunks[] }
>

for (const repository of ['LLaVA', 'LLaVA-NeXT'] as const) {
  const { runs, split_to_even_chunks: chunks } = recorded[repository]

  for (const run of runs) {
    const name = `${repository}: ${run.case}, ${run.mode}, ${run.world_size} × ${run.batch}`
    test(name, () => {
      const left = [...run.permutations]
      const permute = (count: number) => {
        const drawn = left.shift()
        assert.equal(drawn?.length, count, 'a permutation of another size was asked for')
        return drawn!
      }
      const options = { batchSize: run.batch, worldSize: run.world_size, permute, repository }
      const order = () => originalOrder(run.lengths, run.mode, options)
      if (!Array.isArray(run.order)) {
        return assert.throws(order, { code: 'INPUT_SAMPLER_LENGTH' })
      }
      assert.deepEqual(order(), run.order)
      assert.equal(left.length, 0, 'fewer permutations were asked for')
    })
  }

  test(`${repository}: chunks of like total length`, () => {
    for (const { indices, lengths, chunks: count, out } of chunks) {
      assert.deepEqual(evenChunks(indices, lengths, count), out)
    }
  })
}
