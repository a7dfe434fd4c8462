/** What the model sees, stage by stage: prompt and ids, tiles, picture rows, logits, the odds of a given answer. */
import { loadModel } from 'llava-ts'

const [name = 'fixtures/inference/llava-mlp', picture = 'fixtures/pictures/photo-640x480.jpg'] =
  process.argv.slice(2)

await using model = await loadModel(name)
const { vision, decoder } = model.config
console.log(`${vision?.kind} ${vision?.hiddenSize} → ${decoder.kind} ${decoder.hiddenSize}`)
console.log(`${model.precision.name}: ${model.precision.reason}`)

const input = { prompt: 'USER: <image>\nIs it a cat? ASSISTANT:', images: [picture] }
const { prompt, inputIds, imageSlots, pixelValues } = await model.prepare(input)
console.log(JSON.stringify(prompt), inputIds.length, 'ids')
console.log(
  `rows ${imageSlots[0]} to ${imageSlots.at(-1)} are the picture's; pixels`,
  pixelValues.shape,
)

const { images } = await model.encodeImages(input)
console.log('rows for the decoder', images[0]?.shape)

const { data, shape } = await model.logits({ ...input, positions: 'last' })
const best = data.indexOf(Math.max(...data))
console.log('logits', shape, 'best', JSON.stringify(model.tokenizer.decode([best])))

for (const continuation of ['Yes', 'No']) {
  const { mean } = await model.score({ ...input, continuation })
  console.log(`${continuation}: ${mean.toFixed(2)} a token`)
}
