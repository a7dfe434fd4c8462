/** The model as one pass without a cache, from the rooms' own blocks: what the engine must equal. */
import { hostTensor, type HostTensor } from '../../src/core/tensor.ts'
import { decoder, EMBEDDING, languageHead } from '../../src/decoder/decoder.ts'
import { Graph } from '../../src/graph/index.ts'
import type { Model, PromptInput } from '../../src/index.ts'
import { causalMask } from '../../src/layers/grouped-attention.ts'
import { rotaryTables } from '../../src/layers/rotary.ts'
import type { Runtime } from '../../src/runtime/runtime.ts'
import { runGraph } from '../run-graph.ts'
import { floatsOf, type WrittenCheckpoint } from './checkpoint.ts'

/** Logits [T, V] of a prompt with `tokens` behind it. */
export async function fullForward(
  runtime: Runtime,
  checkpoint: WrittenCheckpoint,
  embeddings: Float32Array,
): Promise<{ logits: Float32Array; vocabSize: number }> {
  const config = checkpoint.config.decoder
  const { hiddenSize, vocabSize, numLayers, attention } = config
  const length = embeddings.length / hiddenSize
  const g = new Graph('reference')
  const half = attention.headDim / 2
  const x = g.input('x', 'float32', [1, 'T', hiddenSize])
  const positions = g.input('positions', 'int64', [1, 'T'])
  const sequence = {
    positions,
    cos: g.input('cos', 'float32', ['P', half]),
    sin: g.input('sin', 'float32', ['P', half]),
    visible: causalMask(g, {
      positions,
      segments: null,
      slidingWindow: attention.slidingWindow,
    }),
  }
  const { hidden } = decoder(
    g,
    config,
    x,
    Array.from({ length: numLayers }, () => sequence),
  )
  g.output('logits', languageHead(g, config, hidden))
  const size = { positions: length, headDim: attention.headDim, width: half }
  const tables = rotaryTables(config.rope, size)
  const values: Record<string, HostTensor> = {
    x: hostTensor('float32', [1, length, hiddenSize], embeddings),
    positions: hostTensor(
      'int64',
      [1, length],
      BigInt64Array.from({ length }, (_, i) => BigInt(i)),
    ),
    cos: hostTensor('float32', [length, half], tables.cos),
    sin: hostTensor('float32', [length, half], tables.sin),
  }
  for (const [name, { shape }] of checkpoint.weights) {
    values[name] = hostTensor('float32', shape, floatsOf(checkpoint.weights, name))
  }
  const { logits } = await runGraph(runtime, g, values)
  return { logits: logits!.data as Float32Array, vocabSize }
}

/** The rows [T, D] that the decoder reads for a prompt and the tokens after it. */
export async function embeddingsOf(
  model: Model,
  checkpoint: WrittenCheckpoint,
  prompt: PromptInput,
  tokens: readonly number[] = [],
): Promise<Float32Array> {
  const { inputIds, imageSlots } = await model.prepare(prompt)
  const ids = [...inputIds, ...tokens]
  const width = checkpoint.config.decoder.hiddenSize
  const table = floatsOf(checkpoint.weights, EMBEDDING)
  const rows = new Float32Array(ids.length * width)
  ids.forEach((id, i) => {
    if (id >= 0) rows.set(table.subarray(id * width, (id + 1) * width), i * width)
  })
  if (imageSlots.length === 0) return rows
  const { images } = await model.encodeImages(prompt)
  let slot = 0
  for (const { data } of images) {
    for (let at = 0; at < data.length; at += width) {
      rows.set(data.subarray(at, at + width), (imageSlots[slot++] as number) * width)
    }
  }
  return rows
}
