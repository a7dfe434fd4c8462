/** The preference losses alone, against the functions of the NeXT fork of trl and of trl, in float64. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { preferenceLosses, type PreferenceLoss } from './preference-loss.ts'

const FILE = join(process.env['LLAVA_FIXTURES'] ?? 'fixtures', 'training', 'dpo', 'losses.json')

type Recorded = {
  readonly [
    K in 'policy_chosen_logps' | 'policy_rejected_logps' | 'ref_chosen_logps' | 'ref_rejected_logps'
  ]: readonly number[]
} & {
  readonly beta: number
  readonly losses: readonly {
    readonly type: PreferenceLoss
    readonly label_smoothing: number
    readonly per_item: readonly number[]
    readonly mean: number
    readonly grad_policy_chosen: readonly number[]
    readonly grad_policy_rejected: readonly number[]
  }[]
}

const recorded = JSON.parse(readFileSync(FILE, 'utf8')) as Recorded
const logProbs = {
  chosen: recorded.policy_chosen_logps,
  rejected: recorded.policy_rejected_logps,
  referenceChosen: recorded.ref_chosen_logps,
  referenceRejected: recorded.ref_rejected_logps,
}

for (const right of recorded.losses) {
  test(`${right.type} with smoothing ${right.label_smoothing}: losses and gradients are trl's`, () => {
    const settings = { beta: recorded.beta, labelSmoothing: right.label_smoothing }
    const { mean, perItem, gradients } = preferenceLosses(right.type, logProbs, settings)
    assertClose([mean], [right.mean])
    assertClose(perItem, right.per_item)
    assertClose(gradients.chosen, right.grad_policy_chosen)
    assertClose(gradients.rejected, right.grad_policy_rejected)
  })
}

test('gradients are slopes, also where answers are far apart and means of KL are cut off', () => {
  const far = {
    chosen: [-3, 700],
    rejected: [-900, 2],
    referenceChosen: [-1, -2],
    referenceRejected: [4, 1],
  }
  for (const kind of ['sigmoid', 'robust', 'hinge', 'ipo', 'kto_pair'] as const) {
    const settings = { beta: 0.1, labelSmoothing: kind === 'robust' ? 0.2 : 0.1 }
    for (const values of [logProbs, far]) {
      const { gradients } = preferenceLosses(kind, values, settings)
      for (const side of ['chosen', 'rejected'] as const) {
        gradients[side].forEach((gradient, i) => {
          const at = (step: number) => {
            const moved = values[side].map((value, j) => (i === j ? value + step : value))
            return preferenceLosses(kind, { ...values, [side]: moved }, settings).mean
          }
          const slope = (at(1e-4) - at(-1e-4)) / 2e-4
          const size = Math.max(1e-3, Math.abs(gradient))
          assert.ok(Math.abs(slope - gradient) < 1e-4 * size, `${kind} ${side} ${i}`)
        })
      }
    }
  }
})

function assertClose(came: readonly number[], right: readonly number[]): void {
  assert.equal(came.length, right.length)
  right.forEach((value, i) => {
    assert.ok(Math.abs(came[i]! - value) <= 1e-12 * Math.max(1, Math.abs(value)), `${came[i]}`)
  })
}
