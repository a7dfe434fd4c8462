import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'

import { CheckpointError } from '../core/errors.ts'
import { Rng } from '../core/rng.ts'
import { hostTensor, toFloat32, type HostTensor } from '../core/tensor.ts'
import { moduleScale, parseLoraConfig } from './lora-config.ts'
import { mergeLora } from './lora-merge.ts'
import { openLoraAdapter, readLoraAdapter } from './lora.ts'
import { openWeightFile } from './open-checkpoint.ts'
import type { WeightSource } from './source.ts'
import { tensorRows } from './tensor-rows.ts'

const root = await mkdtemp(join(tmpdir(), 'llava-lora-'))
after(() => rm(root, { recursive: true, force: true }))

// torch's float32 sums against ours in float64, weights of magnitude one.
const MERGE_TOLERANCE = 1e-6

const plainConfig = { peft_type: 'LORA', r: 2, lora_alpha: 4, bias: 'none', target_modules: ['q'] }

function source(tensors: Record<string, HostTensor>): WeightSource & { closed: number } {
  const map = new Map(
    Object.entries(tensors).map(([name, tensor]) => [name, { ...tensor, file: 'test' }]),
  )
  return {
    closed: 0,
    tensors: map,
    read: (name) => map.get(name) ?? assert.fail(name),
    close() {
      this.closed++
    },
  }
}

function random(rng: Rng, shape: number[]): HostTensor {
  const count = shape.reduce((a, b) => a * b, 1)
  return hostTensor(
    'float32',
    shape,
    Float32Array.from({ length: count }, () => rng.normal()),
  )
}

function pair(
  rng: Rng,
  path: string,
  rows: number,
  columns: number,
  rank: number,
): Record<string, HostTensor> {
  return {
    [`base_model.model.${path}.lora_A.weight`]: random(rng, [rank, columns]),
    [`base_model.model.${path}.lora_B.weight`]: random(rng, [rows, rank]),
  }
}

test('a merged adapter equals what PEFT merges', () => {
  const base = openWeightFile('fixtures/lora/base.safetensors')
  const expected = openWeightFile('fixtures/lora/merged.safetensors')
  const baseName = (name: string) =>
    name.replace(/^model\.language_model\./, 'language_model.model.')
  const merged = mergeLora(base, [openLoraAdapter('fixtures/lora/adapter')], baseName)
  assert.deepEqual([...merged.tensors.keys()].sort(), [...expected.tensors.keys()].sort())
  for (const name of expected.tensors.keys()) {
    const [ours, theirs] = [merged.read(name), expected.read(name)]
    assert.deepEqual(ours.shape, theirs.shape)
    ours.data.forEach((value, i) =>
      assert.ok(Math.abs(Number(value) - Number(theirs.data[i])) <= MERGE_TOLERANCE),
    )
    assert.notDeepEqual(ours.data, base.read(name).data)
  }
  merged.close()
})

test('an embedding gains (B A)ᵀ as with PEFT, in the names of files and of memory', () => {
  const folder = 'fixtures/lora/embedding'
  const weights = openWeightFile(`${folder}/base.safetensors`)
  const expected = openWeightFile(`${folder}/adapted.safetensors`)
  const stored = openWeightFile(`${folder}/adapter/adapter_model.safetensors`)
  const config = JSON.parse(readFileSync(`${folder}/adapter/adapter_config.json`, 'utf8'))
  const inMemory: Record<string, HostTensor> = {}
  for (const name of stored.tensors.keys())
    inMemory[name.replace(/(lora_(embedding_)?[AB])/, '$1.default')] = stored.read(name)
  for (const adapter of [stored, source(inMemory)]) {
    const merged = mergeLora(weights, [readLoraAdapter(parseLoraConfig(config), adapter)])
    for (const name of weights.tensors.keys()) {
      const [ours, theirs] = [merged, expected].map((one) => toFloat32(one.read(name)))
      for (const [i, value] of ours!.entries())
        assert.ok(Math.abs(value - theirs![i]!) <= MERGE_TOLERANCE * Math.max(1, Math.abs(value)))
      assert.deepEqual(tensorRows(merged, name, 2, 3).data, ours!.subarray(16, 24))
    }
  }
  const twice = {
    ...inMemory,
    'base_model.model.model.embed_tokens.lora_A.default.weight': random(new Rng(1), [4, 8]),
  }
  assert.throws(() => readLoraAdapter(parseLoraConfig(config), source(twice)), {
    code: 'CHECKPOINT_DUPLICATE',
    message: /embed_tokens\.lora_A\.default\.weight as one of an embedding and of a linear layer/,
  })
  for (const one of [weights, expected, stored]) one.close()
})

test('merging is W + scale · B A for every shape, whole and row by row, and leaves the base as it is', () => {
  const dims = fc.record({
    rows: fc.integer({ min: 1, max: 9 }),
    columns: fc.integer({ min: 1, max: 11 }),
    rank: fc.integer({ min: 1, max: 5 }),
    alpha: fc.integer({ min: 1, max: 32 }),
    rslora: fc.boolean(),
    seed: fc.integer(),
  })
  fc.assert(
    fc.property(dims, ({ rows, columns, rank, alpha, rslora, seed }) => {
      const rng = new Rng(seed)
      const weight = random(rng, [rows, columns])
      const before = weight.data.slice()
      const matrices = pair(rng, 'q', rows, columns, rank)
      const config = parseLoraConfig({
        ...plainConfig,
        r: rank,
        lora_alpha: alpha,
        use_rslora: rslora,
      })
      const merged = mergeLora(source({ 'q.weight': weight }), [
        readLoraAdapter(config, source(matrices)),
      ])
      const [a, b] = Object.values(matrices).map(({ data }) => data as Float32Array) as [
        Float32Array,
        Float32Array,
      ]
      const whole = toFloat32(merged.read('q.weight'))
      const scale = alpha / (rslora ? Math.sqrt(rank) : rank)
      for (let n = 0; n < rows; n++) {
        assert.deepEqual(
          tensorRows(merged, 'q.weight', n, n + 1).data,
          whole.subarray(n * columns, (n + 1) * columns),
        )
        for (let k = 0; k < columns; k++) {
          let sum = 0
          for (let r = 0; r < rank; r++) sum += b[n * rank + r]! * a[r * columns + k]!
          const expected = Number(before[n * columns + k]) + scale * sum
          assert.ok(Math.abs(whole[n * columns + k]! - expected) <= 1e-6 * (1 + scale * 30))
        }
      }
      assert.deepEqual(weight.data, before)
    }),
  )
})

test('adapters add up in any dtype of the base, other tensors pass through untouched', () => {
  const rng = new Rng(1)
  const bits = new Uint16Array(12).fill(0x3f80)
  const base = source({
    'q.weight': hostTensor('bfloat16', [3, 4], bits),
    'norm.weight': random(rng, [4]),
  })
  const zero = pair(rng, 'q', 3, 4, 2)
  for (const tensor of Object.values(zero)) tensor.data.fill(1 as never)
  const config = parseLoraConfig(plainConfig)
  const merged = mergeLora(base, [
    readLoraAdapter(config, source(zero)),
    readLoraAdapter(config, source(zero)),
  ])
  assert.deepEqual(merged.read('q.weight'), {
    dtype: 'float32',
    shape: [3, 4],
    data: new Float32Array(12).fill(9),
  })
  assert.equal(merged.tensors.get('q.weight')!.dtype, 'float32')
  assert.equal(merged.read('norm.weight').data, base.read('norm.weight').data)
})

test('the names of memory, of files and of modules trained in full are understood', () => {
  const rng = new Rng(2)
  const tensors = {
    'base_model.model.model.layers.0.q_proj.lora_A.default.weight': random(rng, [2, 4]),
    'base_model.model.model.layers.0.q_proj.lora_B.default.weight': random(rng, [3, 2]),
    'base_model.model.lm_head.weight': random(rng, [5, 4]),
    'base_model.model.score.modules_to_save.default.bias': random(rng, [5]),
  }
  const config = parseLoraConfig({ ...plainConfig, modules_to_save: ['lm_head', 'score'] })
  const adapter = readLoraAdapter(config, source(tensors))
  assert.deepEqual([...adapter.modules.keys()], ['model.layers.0.q_proj'])
  assert.deepEqual([...adapter.replacements.keys()], ['lm_head.weight', 'score.bias'])
  const base = source({
    'model.layers.0.q_proj.weight': random(rng, [3, 4]),
    'lm_head.weight': random(rng, [5, 4]),
    'score.bias': random(rng, [5]),
  })
  const merged = mergeLora(base, [adapter])
  assert.deepEqual(
    merged.read('lm_head.weight').data,
    tensors['base_model.model.lm_head.weight'].data,
  )
  assert.deepEqual(
    tensorRows(merged, 'score.bias', 2, 4).data,
    toFloat32(tensors['base_model.model.score.modules_to_save.default.bias']).slice(2, 4),
  )
})

test('copies of the vocabulary that PEFT saves are loaded under their adapter, as PEFT loads them', () => {
  const rng = new Rng(7)
  const copy = random(rng, [5, 4])
  const adapter = readLoraAdapter(
    parseLoraConfig(plainConfig),
    source({
      'base_model.model.lm_head.base_layer.weight': copy,
      ...pair(rng, 'lm_head', 5, 4, 2),
      'base_model.model.model.embed_tokens.weight': random(rng, [5, 4]),
    }),
  )
  assert.deepEqual(
    [...adapter.replacements.keys()],
    ['lm_head.weight', 'model.embed_tokens.weight'],
  )
  assert.deepEqual([...adapter.modules.keys()], ['lm_head'])
  const tensors = {
    'lm_head.weight': random(rng, [5, 4]),
    'model.embed_tokens.weight': random(rng, [5, 4]),
  }
  const merged = mergeLora(source(tensors), [adapter]).read('lm_head.weight')
  const expected = mergeLora(source({ 'lm_head.weight': copy }), [
    { ...adapter, replacements: new Map() },
  ])
  assert.deepEqual(merged.data, expected.read('lm_head.weight').data)
})

test('modules_to_save names every module whose name ends with it, within a word too', () => {
  const rng = new Rng(8)
  const config = parseLoraConfig({ ...plainConfig, modules_to_save: ['norm'] })
  const adapter = readLoraAdapter(
    config,
    source({ 'base_model.model.layers.0.input_layernorm.weight': random(rng, [4]) }),
  )
  assert.deepEqual([...adapter.replacements.keys()], ['layers.0.input_layernorm.weight'])
})

test('rank and alpha patterns hold for the modules whose path they end', () => {
  const config = parseLoraConfig({
    ...plainConfig,
    rank_pattern: { 'layers.1.q_proj': 8, '^model.lm_head': 16 },
    alpha_pattern: { v_proj: 3, 'layers.[0-3]+.q_proj': 24 },
  })
  assert.deepEqual(moduleScale(config, 'model.layers.0.k_proj'), { rank: 2, scale: 2 })
  assert.deepEqual(moduleScale(config, 'model.layers.1.q_proj'), { rank: 8, scale: 3 })
  assert.deepEqual(moduleScale(config, 'model.layers.9.q_proj'), { rank: 2, scale: 2 })
  assert.deepEqual(moduleScale(config, 'model.layers.9.v_proj'), { rank: 2, scale: 1.5 })
  assert.deepEqual(moduleScale(config, 'model.layers.9.xv_proj'), { rank: 2, scale: 2 })
  assert.deepEqual(moduleScale(config, 'model.lm_head'), { rank: 16, scale: 0.25 })
})

test('what is not plain LoRA is refused by the name of its field', () => {
  const others: Record<string, unknown> = {
    peft_type: 'IA3',
    r: 0,
    lora_alpha: 'much',
    bias: 'all',
    fan_in_fan_out: true,
    use_dora: true,
    use_something_new: true,
    lora_bias: true,
    init_lora_weights: 'pissa_niter_4',
    layer_replication: [[0, 2]],
    target_parameters: ['w'],
    trainable_token_indices: [1],
    modules_to_save: 'lm_head',
    rank_pattern: { q: 1.5 },
    alpha_pattern: [],
  }
  for (const [field, value] of Object.entries(others)) {
    assert.throws(
      () => parseLoraConfig({ ...plainConfig, [field]: value }),
      (error) =>
        error instanceof CheckpointError &&
        error.message.includes(field === 'rank_pattern' ? ' q ' : field),
      field,
    )
  }
  for (const pattern of ['(a+)+', '(?=a)', '.*.*.*.*x', '(']) {
    assert.throws(
      () => parseLoraConfig({ ...plainConfig, rank_pattern: { [pattern]: 2 } }),
      /rank_pattern/,
    )
  }
})

test('settings of training do not matter', async () => {
  const json = JSON.parse(await readFile('fixtures/lora/adapter/adapter_config.json', 'utf8'))
  assert.equal(
    parseLoraConfig({
      ...json,
      lora_dropout: 0.3,
      init_lora_weights: 'gaussian',
      inference_mode: false,
    }).rank,
    8,
  )
})

test('every tensor that does not belong is named, all at once', () => {
  const rng = new Rng(3)
  const config = parseLoraConfig(plainConfig)
  const read = (tensors: Record<string, HostTensor>) => () =>
    readLoraAdapter(config, source(tensors))
  const odd = {
    ...pair(rng, 'good', 3, 4, 2),
    ...pair(rng, 'thick', 3, 4, 5),
    'base_model.model.lonely.lora_A.weight': random(rng, [2, 4]),
    'base_model.model.q.lora_magnitude_vector': random(rng, [3]),
    'base_model.model.embed.lora_embedding_A': random(rng, [3, 4]),
    'base_model.model.embed.lora_embedding_B': random(rng, [5, 2]),
    'base_model.model.norm.weight': random(rng, [3]),
  }
  assert.throws(read(odd), (error) => {
    assert.ok(error instanceof CheckpointError)
    for (const name of [
      'thick should be [2,…]',
      'lonely has lora_A but no lora_B',
      'q.lora_magnitude_vector',
      'embed should be [2,…] and […,2] by adapter_config.json but has float32[2,5] and float32[4,3]',
      'norm.weight is neither',
    ]) {
      assert.ok(error.message.includes(name), `${name} in ${error.message}`)
    }
    assert.match(error.message, /5 faults/)
    return true
  })
  assert.throws(read({}), /no lora_A and lora_B/)
})

test('an adapter whose base lacks a tensor or has another shape is refused, naming both', () => {
  const rng = new Rng(4)
  const adapter = readLoraAdapter(
    parseLoraConfig(plainConfig),
    source({ ...pair(rng, 'layers.0.q', 3, 4, 2), ...pair(rng, 'layers.0.v', 3, 4, 2) }),
  )
  const base = source({
    'layers.0.q.weight': random(rng, [3, 5]),
    'layers.0.w.weight': random(rng, [3, 4]),
  })
  assert.throws(() => mergeLora(base, [adapter]), {
    code: 'CHECKPOINT_ADAPTER',
    message:
      /q\.lora_A\.weight makes float32\[3,4\] but layers\.0\.q\.weight of the base is float32\[3,5\][^]*v\.lora_A\.weight belongs to layers\.0\.v\.weight.*nearest name is layers\.0\.[qw]\.weight/,
  })
})

test('closing the merged source closes base and adapters', () => {
  const rng = new Rng(5)
  const [base, matrices] = [
    source({ 'q.weight': random(rng, [3, 4]) }),
    source(pair(rng, 'q', 3, 4, 2)),
  ]
  mergeLora(base, [readLoraAdapter(parseLoraConfig(plainConfig), matrices)]).close()
  assert.deepEqual([base.closed, matrices.closed], [1, 1])
})

test('a folder without an adapter says what it has', async () => {
  await writeFile(join(root, 'adapter_config.json'), '{}')
  assert.throws(() => openLoraAdapter(root), {
    code: 'CHECKPOINT_ADAPTER_MISSING',
    message: /it has adapter_config\.json/,
  })
})

test('whatever JSON a config is, it is read or refused', () => {
  const field = fc.constantFrom(
    'peft_type',
    'r',
    'lora_alpha',
    'bias',
    'rank_pattern',
    'alpha_pattern',
    'modules_to_save',
    'use_dora',
    '__proto__',
  )
  const config = fc
    .dictionary(field, fc.jsonValue())
    .map((fields) => ({ ...plainConfig, ...fields }))
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), config), (json) => {
      try {
        const { rank, alpha } = parseLoraConfig(json)
        assert.ok(rank > 0 && alpha > 0)
      } catch (error) {
        assert.ok(error instanceof CheckpointError, String(error))
      }
    }),
    { numRuns: 500 },
  )
})
