import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError, ShapeError } from '../core/errors.ts'
import { checkName, checkNames, checkTypes, type Declared } from './session-signature.ts'

const INPUTS: readonly Declared[] = [
  { name: 'embeddings', dtype: 'float32', shape: ['B', 'T', 8] },
  { name: 'positions', dtype: 'int64', shape: ['B', 'T'] },
]
const OUTPUTS: readonly Declared[] = [{ name: 'logits', dtype: 'float32', shape: ['B', '?', 16] }]

function check(
  embeddings: readonly number[],
  positions: readonly number[],
  logits: readonly number[],
) {
  checkTypes([
    {
      side: 'input',
      declared: INPUTS,
      given: [
        { dtype: 'float32', shape: embeddings },
        { dtype: 'int64', shape: positions },
      ],
    },
    { side: 'output', declared: OUTPUTS, given: [{ dtype: 'float32', shape: logits }] },
  ])
}

test('symbols take any size, the same one in every tensor; an axis without a name fits anything', () => {
  check([2, 3, 8], [2, 3], [2, 1, 16])
  check([1, 0, 8], [1, 0], [1, 9, 16])
  assert.throws(() => check([2, 3, 8], [2, 4], [2, 3, 16]), {
    name: 'ShapeError',
    message:
      'runtime: input positions int64[B,T] came as int64[2,4] (T is 3 in embeddings); give tensors of the declared types.',
  })
})

test('every fault is named at once, in our notation', () => {
  assert.throws(
    () => check([2, 3, 9], [2], [2, 3, 16]),
    (error: unknown) =>
      error instanceof ShapeError &&
      error.message ===
        'runtime: input embeddings float32[B,T,8] came as float32[2,3,9]; input positions int64[B,T] came as int64[2]; give tensors of the declared types.',
  )
})

test('a dtype that differs is a fault even where the shape fits', () => {
  assert.throws(
    () =>
      checkTypes([
        { side: 'output', declared: OUTPUTS, given: [{ dtype: 'float16', shape: [1, 1, 16] }] },
      ]),
    {
      message:
        'runtime: output logits float32[B,?,16] came as float16[1,1,16]; give tensors of the declared types.',
    },
  )
})

test('missing and unknown names are told apart', () => {
  checkNames('input', INPUTS, { embeddings: 1, positions: 1 })
  assert.throws(
    () => checkNames('input', INPUTS, { embeddings: 1, position: 1 }),
    (error: unknown) =>
      error instanceof ConfigError &&
      error.message ===
        'runtime: input positions int64[B,T] is missing; input position is not one of embeddings, positions; give exactly the inputs that the session declares.',
  )
  assert.throws(() => checkName('output', OUTPUTS, 'logit'), {
    message: 'runtime: output logit is not one of logits; bind one of those.',
  })
})
