/** llava-ts as a trainer, through its public `createTrainer`. */
import { createTrainer } from '../../../src/train/create-trainer.ts'
import type { TrainerOptions } from '../../../src/train/options.ts'
import type { Sample } from '../../../src/train/sample.ts'
import type { Trainer } from '../../../src/train/trainer.ts'
import { FIRST_WORD } from '../models/tokenizer.ts'
import { promptIds, serveOperations, type StepQuestion, type StepTimings } from './protocol.ts'

let trainer: Trainer | null = null

serveOperations({
  async load({ folder, options }: { folder: string; options: TrainerOptions }) {
    await trainer?.dispose()
    const start = performance.now()
    trainer = await createTrainer(folder, options)
    return { ms: performance.now() - start, trained: trainer.trainedParameters }
  },
  step,
})

/** One step over one row of positions, of which the last are learnt; pixels come before the clock starts. */
async function step(question: StepQuestion): Promise<StepTimings> {
  if (!trainer) throw new Error('bench: ask for `load` first.')
  const sample = sampleOf(question, trainer)
  const start = performance.now()
  const { loss } = await trainer.step([[sample]])
  const ms = performance.now() - start
  return { ms, loss, activations: trainer.activations }
}

function sampleOf(question: StepQuestion, { config }: Trainer): Sample {
  const { tokens, supervised, seed, imageTokens = 0 } = question
  const { image, vision, decoder } = config
  const words = promptIds(seed, tokens - imageTokens, {
    first: FIRST_WORD,
    size: decoder.vocabSize,
  })
  const places = Array.from({ length: imageTokens }, () => image?.placeholder as number)
  const inputIds = [...places, ...words]
  const labels = inputIds.map((id, i) => (i < tokens - supervised ? -100 : id))
  if (imageTokens === 0) return { inputIds, labels }
  const side = vision?.imageSize as number
  const data = Float32Array.from({ length: 3 * side * side }, (_, i) => Math.sin(i * (seed + 1)))
  return { inputIds, labels, pixelValues: { data, shape: [1, 3, side, side] } }
}
