/** Many questions decoded together: each answer is the one that the question gets alone, in less time. */
import { loadModel } from 'llava-ts'

const [name = 'fixtures/inference/llava-mlp'] = process.argv.slice(2)
const pictures = ['photo-640x480.jpg', 'photo-100x100.png', 'rgba-200x150.png']

await using model = await loadModel(name)
const requests = pictures.map((picture) => ({
  messages: [
    {
      role: 'user' as const,
      content: [
        { type: 'image' as const, image: `fixtures/pictures/${picture}` },
        { type: 'text' as const, text: 'Give it a title.' },
      ],
    },
  ],
  maxTokens: 12,
}))
const answers = await model.generateBatch(requests)
answers.forEach((answer, i) => console.log(`${pictures[i]}: ${answer.text}`))
