/** Several pictures in one question: files, bytes and bare pixels may be mixed. Then a second question about them. */
import { readFile } from 'node:fs/promises'
import { loadModel, type Message } from 'llava-ts'

const [name = 'fixtures/inference/llava-mlp'] = process.argv.slice(2)
const grey = { data: new Uint8Array(32 * 32).fill(128), width: 32, height: 32 }

await using model = await loadModel(name)
const messages: Message[] = [
  {
    role: 'user',
    content: [
      { type: 'image', image: 'fixtures/pictures/photo-640x480.jpg' },
      { type: 'image', image: await readFile('fixtures/pictures/photo-300x200.webp') },
      { type: 'image', image: grey },
      { type: 'text', text: 'What do these have in common?' },
    ],
  },
]
console.log(model.countTokens({ messages }))
const first = await model.generate({ messages, maxTokens: 20 })

// The pictures are not encoded again, and the prompt's cache is used as far as it goes.
messages.push({ role: 'assistant', content: first.text })
messages.push({ role: 'user', content: 'And what is different?' })
const second = await model.generate({ messages, maxTokens: 20 })
console.log(`${second.usage.cachedTokens} of ${second.usage.promptTokens} tokens were known`)
