/** Qwen2 with a window in some of its layers, and Mistral, against transformers: fixtures/qwen2-windows. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { loadModel, type Model } from '../src/index.ts'
import { createTrainer } from '../src/train/index.ts'

const FOLDER = 'fixtures/qwen2-windows'
const TOKENIZER = 'fixtures/text/tokenizers/chatml/tokenizer.json'

type Case = {
  readonly name: string
  readonly config: { readonly model_type: string }
  readonly logits: readonly (readonly number[])[]
}
type Recorded = {
  readonly inputIds: readonly number[]
  readonly positions: readonly number[]
  readonly cases: readonly Case[]
  /** Those that transformers refuses have an error. */
  readonly configs: readonly (Case | (Omit<Case, 'logits'> & { readonly error: string }))[]
}

const recorded = JSON.parse(readFileSync(join(FOLDER, 'reference.json'), 'utf8')) as Recorded
const inputIds = [...recorded.inputIds]
const root = mkdtempSync(join(tmpdir(), 'llava-window-'))
after(() => rmSync(root, { recursive: true }))

for (const { name, config, logits } of recorded.cases) {
  describe(name, () => {
    const folder = folderOf(config)
    let model: Model
    before(async () => {
      model = await loadModel(folder, { precision: 'f32', threads: 1 })
    })
    after(() => model.dispose())

    test('logits are transformers’', () => assertLogits(model, logits))

    test('steps see what one pass sees', async () => {
      const { tokens } = await model.generate({
        inputIds,
        maxTokens: 12,
        temperature: 0,
        ignoreEos: true,
      })
      const rows = await rowsOf(model, [...inputIds, ...tokens])
      const best = rows.slice(inputIds.length - 1, -1).map((row) => row.indexOf(Math.max(...row)))
      assert.deepEqual(best, tokens)
    })

    test('training sees the same', async () => {
      const rows = await rowsOf(model, inputIds)
      const losses = inputIds.slice(1).map((id, i) => -logProbability(rows[i] ?? [], id))
      const trainer = await createTrainer(folder, { trainable: ['decoder'], threads: 1 })
      try {
        const { loss } = await trainer.differentiate([{ inputIds, labels: inputIds }])
        const expected = losses.reduce((a, b) => a + b, 0) / losses.length
        assert.ok(Math.abs(loss - expected) < 1e-4, `${loss} should be ${expected}`)
      } finally {
        await trainer.dispose()
      }
    })
  })
}

const everyPosition = recorded.configs.find(({ name }) => name === 'qwen2: a window of null')

for (const one of recorded.configs) {
  const { name, config } = one
  // transformers has a layer with a window, and no window: the config says that none is used.
  const isRefused = 'error' in one
  test(isRefused ? `${name}: all positions are seen` : `${name}: as transformers`, async () => {
    const model = await loadModel(folderOf(config), { precision: 'f32', threads: 1 })
    try {
      await assertLogits(model, isRefused ? (everyPosition as Case).logits : one.logits)
    } finally {
      await model.dispose()
    }
  })
}

function folderOf(config: Case['config']): string {
  const folder = mkdtempSync(join(root, 'model-'))
  const weights = config.model_type === 'mistral' ? 'mistral.safetensors' : 'model.safetensors'
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  copyFileSync(join(FOLDER, weights), join(folder, 'model.safetensors'))
  copyFileSync(TOKENIZER, join(folder, 'tokenizer.json'))
  return folder
}

async function assertLogits(model: Model, logits: Case['logits']): Promise<void> {
  const rows = await rowsOf(model, inputIds)
  recorded.positions.forEach((position, i) => {
    const expected = logits[i] as readonly number[]
    const worst = Math.max(...expected.map((x, j) => Math.abs(x - (rows[position]?.[j] ?? NaN))))
    assert.ok(worst < 1e-4, `position ${position} is off by ${worst}`)
  })
}

async function rowsOf(model: Model, ids: readonly number[]): Promise<number[][]> {
  const { data } = await model.logits({ inputIds: [...ids], positions: 'all' })
  const width = data.length / ids.length
  return ids.map((_, i) => [...data.subarray(i * width, (i + 1) * width)] as number[])
}

function logProbability(row: readonly number[], id: number): number {
  const largest = Math.max(...row)
  const sum = row.reduce((total, x) => total + Math.exp(x - largest), 0)
  return (row[id] ?? NaN) - largest - Math.log(sum)
}
