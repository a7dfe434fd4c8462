/** What a model card says of its run. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Quarantine } from '../data/quarantine.ts'
import type { TrainEvent } from './index.ts'
import { parseRecipe } from './recipe/parse-recipe.ts'
import { modelNotes } from './run-notes.ts'

test('data, hashes, losses and the recipe stand in it', () => {
  const recipe = parseRecipe({ model: 'm', stage: 'instruction', data: 'd', output: 'o' })
  const quarantine = new Quarantine()
  quarantine.add({ where: 'data: a[1]', reason: 'labels', message: 'no' })
  const sources = [{ name: 'a.json', length: 20, weight: null }]
  const cursor = { records: 'c0ffee', batches: 'b' }
  const step = (number: number, loss: number) =>
    ({ kind: 'step', step: number, loss }) as Extract<TrainEvent, { kind: 'step' }>
  const events: TrainEvent[] = [
    ...Array.from({ length: 24 }, (_, i) => step(i + 1, i < 2 ? 4 : 2)),
    { kind: 'evaluation', step: 2, loss: 3.5, tokens: 9, seconds: 1 },
  ]
  const notes = modelNotes({ recipe, data: { records: 20, sources, quarantine, cursor }, events })
  assert.match(notes, /19 records, SHA-256 `c0ffee`; 1 of 20 in quarantine\./)
  assert.match(notes, /\| a\.json \| 20 \| all once \|/)
  assert.match(notes, /\| 1–2 \| 4\.0000 \| 3\.5000 \|\n\| 3–4 \| 2\.0000 \|  \|/)
  assert.equal(notes.match(/\| \d+–\d+ \|/g)?.length, 12)
  assert.match(notes, /"stage": "instruction"/)
})
