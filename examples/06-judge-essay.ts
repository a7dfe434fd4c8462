/** A program over the model: an essay about a picture, judged in three branches that share the picture and the essay. */
import { fork, gen, image, loadModel, program, select, system, user } from 'llava-ts'

const [name = 'fixtures/inference/llava-mlp'] = process.argv.slice(2)
const picture = 'fixtures/pictures/photo-640x480.jpg'
const essay =
  'The picture shows a quiet street in the evening. Nobody is about, and the lamps are lit.'

const judge = program(async (s, aspects: readonly string[]) => {
  await s.add(system('You judge essays about pictures.'), user(image(picture), `Essay: ${essay}`))
  const branches = await fork(s, aspects, async (branch, aspect) => {
    await branch.user(` Judge its ${aspect} in one sentence.`)
    await branch.assistant(gen('judgement', { maxTokens: 20 }))
    await branch.user('Is that good or bad?')
    await branch.assistant(select('grade', ['good', 'bad']))
  })
  branches.join()
  await s.user(` Judgements: ${s.all('judgement').join(' ')} Give the essay a mark.`)
  await s.assistant('Mark: ', gen('mark', { regex: '[1-5]', maxTokens: 4 }))
})

// Instead of a model: { url: 'http://127.0.0.1:8080', apiKey: '…' }, for a server of ours, vLLM's or SGLang's.
await using model = await loadModel(name)
const state = await judge.run(model, ['truth', 'style', 'length'])
state.all('grade').forEach((grade, i) => console.log(`${grade}: ${state.all('judgement')[i]}`))
console.log(`Mark ${state.get('mark')}`)
const { promptTokens, cachedTokens } = state.usage
console.log(`${cachedTokens} of ${promptTokens} tokens of prompts were read before.`)
