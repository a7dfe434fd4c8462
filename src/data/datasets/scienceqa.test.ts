import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { openDataset } from '../dataset.ts'
import { scratchFolder } from '../scratch.cases.ts'

const { folder, write } = scratchFolder()

type Problem = { readonly image: string | null }
const recorded = JSON.parse(readFileSync('fixtures/eval/vqa.json', 'utf8')) as {
  LLaVA: {
    scienceqa: {
      problems: Record<string, Problem>
      prompts: Record<'QCM-LEA', Record<string, [string, string]>>
    }
  }
}

test("questions and answers are the original's QCM-LEA", async () => {
  const { problems, prompts } = recorded.LLaVA.scienceqa
  const rows = Object.entries(problems).map(([id, problem]) => ({ id, ...problem }))
  await using data = await openDataset(write('problems.json', rows))
  for (const [i, { id, image }] of rows.entries()) {
    const [question, answer] = prompts['QCM-LEA'][id]!
    const { turns, images } = await data.read(i)
    assert.deepEqual(
      turns.map(({ value }) => value),
      [
        `${question.replace('Question: ', '')}${image ? '\n<image>' : ''}`,
        answer.replace('Answer: ', ''),
      ],
    )
    assert.deepEqual(images, image ? [`${folder}/${image}`] : [])
  }
})

test('an answer that is no choice is a fault of the row', async () => {
  const row = { question: 'q', choices: ['a', 'b'], answer: 2 }
  // Number() makes a place of each that follows the first two: rows without an answer were learnt as A.
  const answers = [2, 0.5, null, '', true, [1], '1']
  const rows = [...answers.map((answer) => ({ ...row, answer })), { ...row, choices: 'ab' }]
  await using data = await openDataset(write('wrong.json', rows))
  const message = /answer should be the place of one of 2 choices/
  for (const i of answers.keys())
    await assert.rejects(data.read(i), { reason: 'structure', message })
  const noList = { reason: 'structure', message: /choices should be a list/ }
  await assert.rejects(data.read(answers.length), noList)
})
