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
  await using data = await openDataset(write('wrong.json', [row, { ...row, choices: 'ab' }]))
  await assert.rejects(data.read(0), { reason: 'structure', message: /place of one of 2 choices/ })
  await assert.rejects(data.read(1), { reason: 'structure', message: /choices should be a list/ })
})
