/** One picture, one question, one answer. */
import { loadModel } from 'llava-ts'

// The tiny checkpoint of the tests has random weights and answers nonsense; give a real one and a picture of yours.
const [name = 'fixtures/inference/llava-mlp', picture = 'fixtures/pictures/photo-640x480.jpg'] =
  process.argv.slice(2)

const model = await loadModel(name)
const answer = await model.generate({
  messages: [
    {
      role: 'user',
      content: [
        { type: 'image', image: picture },
        { type: 'text', text: 'What is shown in this picture?' },
      ],
    },
  ],
  maxTokens: 40,
})
console.log(answer.text)
console.log(
  `${answer.usage.imageTokens} of ${answer.usage.promptTokens} tokens were the picture's.`,
)
await model.dispose()
