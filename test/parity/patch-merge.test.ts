/**
 * A model whose patches are merged and whose features are standardised against PyTorch: features, loss and the
 * gradient of every weight.
 *
 * LLAVA_FIXTURES may name another folder with `patch-merge`; without it the recording in `fixtures` is used.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { hostTensor } from '../../src/core/tensor.ts'
import { liveParameters } from '../../src/graph/index.ts'
import { openParts } from '../../src/load-checkpoint.ts'
import { modelGraphs, parameterMap } from '../../src/load-model.ts'
import { createRuntime } from '../../src/runtime/node.ts'
import type { Runtime } from '../../src/runtime/runtime.ts'
import { createTrainer } from '../../src/train/index.ts'
import { toFloat32 } from '../../src/core/tensor.ts'
import { runGraph } from '../run-graph.ts'
import { readTensors } from './training-files.ts'

const own = join(process.env['LLAVA_FIXTURES'] ?? 'fixtures', 'patch-merge')
const FOLDER = existsSync(own) ? own : 'fixtures/patch-merge'
const expected = readTensors(join(FOLDER, 'expected.safetensors'))
const { ids, labels, loss } = JSON.parse(readFileSync(join(FOLDER, 'expected.json'), 'utf8')) as {
  readonly ids: number[]
  readonly labels: number[]
  readonly loss: number
}
const pixels = expected.get('pixel_values')!

/** Of float32 beside float64, of the largest value. */
const TOLERANCE = 2e-6
const GRADIENT = 1e-5

let runtime: Runtime
before(async () => {
  runtime = await createRuntime()
})
after(() => runtime.dispose())

function assertNear(actual: Float32Array, name: string, tolerance: number): void {
  const { data } = expected.get(name)!
  assert.equal(actual.length, data.length, name)
  const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3)
  data.forEach((value, i) => {
    const distance = Math.abs(actual[i]! - value) / largest
    assert.ok(distance <= tolerance, `${name}[${i}]: ${actual[i]} is not ${value}`)
  })
}

test('features of squares of patches are PyTorch’s', async () => {
  const checkpoint = await openParts(FOLDER, { processor: 'derived' })
  try {
    const graphs = modelGraphs(checkpoint)
    const parameters = parameterMap(checkpoint, graphs)
    const values = Object.fromEntries(
      liveParameters(graphs.vision!).map(({ name, shape }) => [
        name,
        hostTensor('float32', shape as number[], toFloat32(parameters.read(name))),
      ]),
    )
    const pixelValues = hostTensor('float32', pixels.shape, pixels.data)
    const { features } = await runGraph(runtime, graphs.vision!, { ...values, pixelValues })
    assert.deepEqual(features!.shape, [2, 4, 24])
    assertNear(features!.data as Float32Array, 'features', TOLERANCE)
    assert.equal(checkpoint.config.image!.tokens.patchesPerSide, 2)
  } finally {
    checkpoint.close()
  }
})

for (const activations of ['keep', 'recompute'] as const) {
  test(`loss and gradients of all parts are PyTorch’s, activations: ${activations}`, async () => {
    const trainer = await createTrainer(FOLDER, {
      trainable: ['projector', 'vision', 'decoder'],
      activations,
    })
    try {
      const sample = { inputIds: ids, labels, pixelValues: pixels }
      const result = await trainer.differentiate([sample])
      assert.ok(Math.abs(result.loss - loss) <= 1e-5, `${result.loss} is not ${loss}`)
      const names = [...expected.keys()].filter((name) => name.startsWith('gradient.'))
      for (const name of names) {
        const gradient = result.gradients.get(name.slice('gradient.'.length))
        assert.ok(gradient, name)
        assertNear(gradient.data, name, GRADIENT)
      }
      assert.ok(![...result.gradients.keys()].some((name) => name.includes('feature_scale')))
    } finally {
      await trainer.dispose()
    }
  })
}
