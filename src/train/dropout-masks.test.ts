/** Masks of adapters' dropout. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Rng } from '../core/rng.ts'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { DropoutMasks } from './dropout-masks.ts'

let runtime: Runtime
before(async () => {
  runtime = await createRuntime()
})
after(() => runtime.dispose())

const widths = new Map([
  ['q', 30],
  ['up', 50],
])

test('as many are dropped as was asked for, and the others make up for them', () => {
  const masks = new DropoutMasks(runtime, { dropout: 0.2, widths })
  const rng = new Rng(1)
  masks.draw(400, rng)
  masks.place(400, rng)
  for (const [module, width] of widths) {
    const { shape, data } = masks.tensor(module)
    assert.deepEqual(shape, [1, 400, width])
    const values = data as Float32Array
    const kept = values.filter((value) => value > 0)
    assert.ok(kept.every((value) => value === Math.fround(1 / 0.8)))
    // Four deviations of a share of this many.
    const deviation = Math.sqrt((0.2 * 0.8) / values.length)
    assert.ok(Math.abs(kept.length / values.length - 0.8) < 4 * deviation, module)
  }
  masks.dispose()
})

test('modules and micro-batches have other masks, equal seeds the same, evaluation none', () => {
  const draw = () => {
    const masks = new DropoutMasks(runtime, {
      dropout: 0.5,
      widths: new Map([
        ['a', 8],
        ['b', 8],
      ]),
    })
    const rng = new Rng(5)
    masks.draw(10, rng)
    const taken: number[][] = []
    for (let i = 0; i < 2; i++) {
      masks.place(10, rng)
      taken.push([...masks.tensor('a').data].map(Number), [...masks.tensor('b').data].map(Number))
    }
    masks.place(10, null)
    assert.ok([...masks.tensor('b').data].every((value) => value === 1))
    masks.dispose()
    return taken
  }
  const [first, again] = [draw(), draw()]
  assert.deepEqual(first, again)
  assert.equal(new Set(first.map(String)).size, 4)
})
