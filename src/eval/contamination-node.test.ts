import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Contamination } from '../data/contamination.ts'
import { mme } from './benchmarks/mme.ts'
import { resultContamination } from './contamination-node.ts'
import { Rng } from '../core/rng.ts'
import { jsonLines } from '../../test/eval-files.ts'

test('scores of questions in the training data are theirs, also where the truth names questions otherwise', () => {
  // MME's truth is named by picture and question, its questions by their pictures: none of them was found, and all were clean.
  const texts = ['Is it red?', 'Is it blue?']
  const prompt = (text: string) =>
    `${text} Please answer yes or no. Answer the question using a single word or phrase.`
  const rows = ['1', '2'].flatMap((name) =>
    texts.map((text) => ({ question_id: `color/${name}.jpg`, image: `color/${name}.jpg`, text })),
  )
  const questions = mme.ask!.questions([
    jsonLines(
      'llava_mme.jsonl',
      rows.map(({ text, ...row }) => ({ ...row, text: prompt(text) })),
    ),
  ])
  const answers = rows.map(({ question_id, text }) => ({
    question_id,
    prompt: prompt(text),
    text: question_id === 'color/1.jpg' ? 'Yes' : 'No',
  }))
  const labels = ['1', '2'].map((name) => ({
    name: `color/${name}.txt`,
    text: texts.map((text) => `${text} Please answer yes or no.\tYes\n`).join(''),
  }))
  const { outcomes } = mme.score({
    answers: [jsonLines('answers.jsonl', answers)],
    questions: [],
    labels,
    seed: 0,
    rng: new Rng(0),
  })
  const overlap = { picture: { kind: 'equal' as const, bits: 0, places: ['a[0]'] }, text: null }
  const found = {
    overlaps: ['color/1.jpg', 'color/1.jpg#1'].map((id) => ({ id, ...overlap, both: [] })),
  } as unknown as Contamination
  const { overlapping, scores } = resultContamination(found, outcomes, questions)
  assert.deepEqual(overlapping, ['color/1.jpg'])
  assert.deepEqual(scores, { clean: 0, overlapping: 1 })
})
