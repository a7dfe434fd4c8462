/**
 * Which recorded conversations training would leave out: wherever the original warns or raises, and where it would lose a
 * picture or learn from turns that do not alternate, which it does in silence.
 *
 * LLAVA_FIXTURES and LLAVA_TOKENIZERS as in `labels.test.ts`.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { measureRecord, tokensByMode, verdictOf, type RecordTurn } from '../../src/data/index.ts'
import type { Repository } from '../../src/text/conversation-modes.ts'
import { recorded, skipOf, tokenizerOf, type LabelFunction } from './label-recordings.ts'

/** Conversations of the recording that the original learns from, and we do not. */
const SILENT: Readonly<Record<string, readonly string[]>> = {
  order: ['roles out of order'],
  places: ['two tags in one message'],
}

async function verdicts(f: LabelFunction, repository: Repository) {
  const { conversations } = recorded[repository]
  const label = {
    repository,
    ...(f.model_max_length && { modelMaxLength: f.model_max_length }),
  }
  const tokens = tokensByMode(f.template, tokenizerOf(f.tokenizer), { label })
  return Promise.all(
    f.cases.map(async (expected) => {
      const turns = conversations.find(({ name }) => name === expected.case)!.turns as RecordTurn[]
      const places = turns.reduce((sum, { value }) => sum + value.split('<image>').length - 1, 0)
      const images = Array.from({ length: places }, (_, i) => `${i}.png`)
      const record = { id: expected.case, source: '', origin: null, images, videos: [], turns }
      const verdict = await verdictOf(() => measureRecord(record, { pictures: 'none', tokens }))
      return { expected, verdict }
    }),
  )
}

for (const repository of ['LLaVA', 'LLaVA-NeXT'] as const) {
  describe(`quarantine, ${repository}`, () => {
    for (const f of recorded[repository].functions) {
      test(`${f.template} with ${f.tokenizer}`, { skip: skipOf(f) }, async () => {
        for (const { expected, verdict } of await verdicts(f, repository)) {
          const name = `${f.template}: ${expected.case}`
          if (expected.warning !== undefined || expected.error !== undefined) {
            assert.equal(verdict.isUsable, false, name)
            continue
          }
          if (!verdict.isUsable) {
            const isKnown = SILENT[verdict.reason]?.includes(expected.case) ?? false
            const isUnlearnt = verdict.reason === 'labels' && isEmpty(expected.kept)
            assert.ok(isKnown || isUnlearnt, `${name}: ${verdict.message}`)
            continue
          }
          const learnt = expected.kept!.reduce((sum, [from, to]) => sum + to - from, 0)
          const first = expected.kept!.some(([from]) => from === 0) ? 1 : 0
          assert.deepEqual(verdict.facts.tokens, {
            total: expected.input_ids!.length,
            longest: expected.input_ids!.length,
            media: expected.input_ids!.filter((id) => id === -200).length,
            learnt: learnt - first,
          })
        }
      })
    }
  })
}

/** Nothing can be predicted before the first position. */
function isEmpty(kept: readonly (readonly [number, number])[] | undefined): boolean {
  return (kept ?? []).every(([, to]) => to <= 1)
}
