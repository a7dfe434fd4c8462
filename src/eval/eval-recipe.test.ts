/** The recipe's hash is the same for the same, and another for everything that a score depends on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Contamination } from '../data/contamination.ts'
import { makeRecipe } from './eval-recipe.ts'
import type { Judge } from './judge.ts'
import type { Question } from './question.ts'
import { findBenchmark } from './score.ts'
import { WordNet } from './metrics/wordnet.ts'
import { jsonLines } from '../../test/eval-files.ts'

type Parts = Parameters<typeof makeRecipe>[0]

const pope = findBenchmark('pope')
const question: Question = { id: 1, prompt: 'Is it?', images: ['1.jpg'], maxTokens: 128 }
const identity = {
  kind: 'local',
  model: 'mini',
  weights: 'aa',
  layout: 'hf',
  precision: { name: 'int8' },
  prompt: { template: 'chatml' },
  images: { size: 224 },
}
const engine = (changed: object = {}) => ({
  name: 'mini',
  identity: { ...identity, ...changed },
  answer: async () => ({ text: '', finishReason: 'stop' }),
})
const judge = (changed: object = {}) =>
  ({ name: 'j', identity: { model: 'gpt-4-0613', ...changed } }) as unknown as Judge
const base: Parts = {
  benchmark: pope,
  ask: pope.ask!,
  questions: [jsonLines('q.jsonl', [{ question_id: 1 }])],
  labels: [jsonLines('l.jsonl', [{ label: 'yes' }])],
  asked: [question],
  sizeOf: () => 10,
  engines: [engine()],
  judges: [judge()],
  codeVersion: '1.0.0',
}

test('each part that a score depends on changes the hash, and nothing else does', async () => {
  const changes: Readonly<Record<string, Partial<Parts>>> = {
    weights: { engines: [engine({ weights: 'ab' })] },
    model: { engines: [engine({ model: 'maxi' })] },
    layout: { engines: [engine({ layout: 'original' })] },
    precision: { engines: [engine({ precision: { name: 'f32' } })] },
    template: { engines: [engine({ prompt: { template: 'vicuna_v1' } })] },
    'picture processing': { engines: [engine({ images: { size: 336 } })] },
    'how it is asked': { ask: { ...pope.ask!, prompt: 'another' } },
    'how it is scored': { benchmark: { ...pope, rule: 'another' } },
    'longest answers': { maxTokens: 6 },
    blind: { isBlind: true },
    'the judge’s version': { judges: [judge({ model: 'gpt-4-0314' })] },
    'the judge’s weights': { judges: [judge({ weights: 'x' })] },
    'no judge': { judges: [] },
    questions: { questions: [jsonLines('q.jsonl', [{ question_id: 2 }])] },
    labels: { labels: [jsonLines('l.jsonl', [{ label: 'no' }])] },
    pictures: { sizeOf: () => 11 },
    'a picture that is missing': { sizeOf: () => null },
    'which were asked': { limit: 1 },
    seed: { seed: 1 },
    'the official script’s own seed': { benchmark: { ...pope, seed: 42 } },
    'no dictionary where one is used': { benchmark: { ...pope, usesWordNet: true } },
    'the dictionary': {
      benchmark: { ...pope, usesWordNet: true },
      wordNet: new WordNet(new Map(), null, 'w'),
    },
    code: { codeVersion: '1.0.1' },
    'training data': { contamination: { training: { sha256: 't' } } as Contamination },
  }
  const first = await makeRecipe(base)
  const hashes = new Map([[first.hash, 'the first']])
  for (const [name, change] of Object.entries(changes)) {
    const { hash } = await makeRecipe({ ...base, ...change })
    assert.equal(hashes.get(hash), undefined, `${name} is told from ${hashes.get(hash)}`)
    hashes.set(hash, name)
  }
  const renamed = [{ ...base.questions[0]!, name: 'other.jsonl' }]
  const wordNet = new WordNet(new Map(), null, 'w')
  const engines = [engine(), engine()]
  const same = await makeRecipe({ ...base, questions: renamed, engines, wordNet })
  assert.equal(
    same.hash,
    first.hash,
    'nor a file’s name, the number of engines, or a dictionary that nobody looks into',
  )
})

test('engines of two models are refused', async () => {
  await assert.rejects(makeRecipe({ ...base, engines: [engine(), engine({ weights: 'b' })] }), {
    code: 'INPUT_ENGINES_DIFFER',
  })
})
