import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseOption } from './choose-option.ts'

const options = (...lists: number[][]) => lists.map((logprobs) => ({ logprobs }))

test('by the mean a long text with sure ends beats a short one, by its first token it does not', () => {
  const given = options([-1], [-3, -0.1, -0.1, -0.1])
  assert.equal(chooseOption(given, 'tokenLengthNormalized').index, 1)
  assert.equal(chooseOption(given, 'greedyTokenSelection').index, 0)
})

test('greedily, a text that is the beginning of another goes on with its mean', () => {
  // means −1 and −1.5: at the third token −1 against −2
  assert.equal(chooseOption(options([-1, -1], [-1, -1, -2]), 'greedyTokenSelection').index, 0)
  assert.equal(chooseOption(options([-1, -1], [-1, -1, -0.5]), 'greedyTokenSelection').index, 1)
})

test('what is likely anyway counts less where it is set against itself without the prompt', () => {
  const given = [
    { logprobs: [-1, -1], unconditional: [0, -1] },
    { logprobs: [-1, -2], unconditional: [0, -6] },
  ]
  assert.equal(chooseOption(given, 'tokenLengthNormalized').index, 0)
  const { index, scores } = chooseOption(given, 'unconditionalLikelihoodNormalized')
  assert.equal(index, 1)
  assert.deepEqual(scores, [-0.5, 1.5])
})

test('shares add up to one, in the order of the scores; of equal ones the first is taken', () => {
  const { index, probabilities } = chooseOption(options([-2], [-1], [-1]), 'tokenLengthNormalized')
  assert.equal(index, 1)
  assert.ok(Math.abs(probabilities.reduce((a, b) => a + b) - 1) < 1e-12)
  assert.ok(probabilities[0]! < probabilities[1]!)
})
