/** The model in the package: right answers about photographs that it was not trained on, from the command line and the library. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadModel } from '../../src/index.ts'
import { llava } from './run-cli.ts'
import { rounds } from '../thorough.ts'

const QUICK = 'fixtures/eval/quick'

type Question = { readonly image: string; readonly question: string; readonly answer: string }

function questionsOf(task: string, count: number): Question[] {
  const lines = readFileSync(join(QUICK, `${task}.jsonl`), 'utf8')
    .trim()
    .split('\n')
  return lines.slice(0, count).map((line) => JSON.parse(line) as Question)
}

test('README’s first command: no model is named, a photograph is, and the answer is right', async () => {
  const readme = readFileSync('README.md', 'utf8')
  const [, image, question] =
    /npx llava ask --image (\S+) "([^"]+)"/.exec(readme) ?? assert.fail('README asks nothing')
  const { code, stdout, stderr } = await llava(['ask', '--image', image!, question!])
  assert.equal(code, 0, stderr)
  const name = /answers? (?:is )?`([^`]+)`/.exec(readme)?.[1]
  assert.ok(name)
  assert.equal(stdout.trim(), name)
})

test('held-out questions are answered far better than by guessing', async () => {
  await using model = await loadModel('mini')
  const questions = ['clothing', 'presence-random', 'shape'].flatMap((task) =>
    questionsOf(task, rounds(4, 8)),
  )
  const answers = await model.generateBatch(
    questions.map(({ image, question }) => ({
      messages: [
        {
          role: 'user' as const,
          content: [
            { type: 'image' as const, image: join(QUICK, image) },
            { type: 'text' as const, text: question },
          ],
        },
      ],
      maxTokens: 12,
      temperature: 0,
    })),
  )
  const right = answers.filter(({ text }, i) => text.trim() === questions[i]!.answer).length
  // Guesses: one in ten, one in two, one in seven.
  assert.ok(right >= 0.58 * questions.length, `${right} of ${questions.length}`)
})
