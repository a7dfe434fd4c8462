/** LoRA adapters merged as PEFT merges them, over all recordings of the folder that LLAVA_FIXTURES names. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { mergeLora } from '../../src/weights/lora-merge.ts'
import { openLoraAdapter } from '../../src/weights/lora.ts'
import { openCheckpoint, openWeightFile } from '../../src/weights/open-checkpoint.ts'

// torch sums in float32, we in float64; the weights are of magnitude one at most.
const MERGE_TOLERANCE = 1e-6

type Case = {
  readonly name: string
  readonly base: string
  readonly adapter: string
  readonly merged: string | undefined
}

const fixtures = process.env['LLAVA_FIXTURES']
const recorded = (...path: string[]) => join(fixtures ?? '', ...path)
const cases: Case[] = fixtures
  ? [
      {
        name: 'training/lora',
        base: recorded('training/models/llava'),
        adapter: recorded('training/lora/adapter-after-last'),
        merged: recorded('training/lora/merged-after-last.safetensors'),
      },
      {
        name: 'original/llava-v1.5-lora',
        base: recorded('original/checkpoints/vicuna'),
        adapter: recorded('original/checkpoints/llava-v1.5-lora'),
        merged: undefined,
      },
    ]
  : [
      {
        name: 'fixtures/lora',
        base: 'fixtures/lora/base.safetensors',
        adapter: 'fixtures/lora/adapter',
        merged: 'fixtures/lora/merged.safetensors',
      },
    ]

for (const { name, base, adapter, merged } of cases) {
  const skip = existsSync(adapter) ? false : `${adapter} is not there`
  test(`${name}: merged weights are those of PEFT`, { skip }, () => {
    const model = openCheckpoint(base)
    const baseName = (trained: string) => (model.tensors.has(trained) ? trained : hubName(trained))
    const source = mergeLora(model, [openLoraAdapter(adapter)], baseName)
    const expected = merged === undefined ? undefined : openWeightFile(merged)
    let compared = 0
    for (const [tensor, info] of source.tensors) {
      const { data } = source.read(tensor)
      assert.ok(data.every((value) => Number.isFinite(Number(value))))
      const isMerged = tensor.endsWith('_proj.weight') && info.dtype === 'float32'
      if (!isMerged || !expected?.tensors.has(tensor)) continue
      const recordedData = expected.read(tensor).data
      data.forEach((value, i) => {
        const distance = Math.abs(Number(value) - Number(recordedData[i]))
        assert.ok(distance <= MERGE_TOLERANCE, `${tensor} at ${i}: ${distance}`)
      })
      compared++
    }
    if (expected) assert.ok(compared > 0)
    expected?.close()
    source.close()
  })
}

/** transformers 5 trains on `model.language_model.…`, files of the hub say `language_model.model.…`. */
function hubName(trained: string): string {
  return trained.replace(/^model\.language_model\./, 'language_model.model.')
}
