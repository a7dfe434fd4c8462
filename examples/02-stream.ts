/** Words as they become certain. Leaving the loop, or aborting the signal, stops the answer. */
import { loadModel } from 'llava-ts'

const [name = 'fixtures/inference/llava-mlp'] = process.argv.slice(2)

// Disposed of when the block ends.
await using model = await loadModel(name)
const request = {
  messages: [{ role: 'user' as const, content: 'Tell me a story.' }],
  maxTokens: 30,
  temperature: 0.8,
  seed: 7,
  signal: AbortSignal.timeout(60_000),
}
for await (const event of model.stream(request)) {
  if (event.type === 'text') process.stdout.write(event.text)
  else console.log(`\n${event.finishReason}, ${event.usage.completionTokens} tokens`)
}
