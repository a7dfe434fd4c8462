/** The page of a run: whole in itself, and nothing of what models or data say is markup. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TrainEvent } from './index.ts'
import { parseRecipe } from './recipe/parse-recipe.ts'
import { reportHtml, type AnswerPicture } from './run-report.ts'

const recipe = parseRecipe({
  name: 'a <b> & c',
  model: 'm',
  stage: 'instruction',
  data: 'd',
  output: 'o',
})

function step(number: number): TrainEvent {
  return {
    kind: 'step',
    step: number,
    totalSteps: 1000,
    epoch: 1,
    loss: 3 / number,
    gradNorm: 1,
    learningRate: 1e-3,
    tokens: 10,
    positions: 100,
    samples: 1,
    seconds: 1,
    waitSeconds: 0,
    positionsPerSecond: 100,
    remainingSeconds: 60,
  }
}

test('curves, warnings and answers stand in a page that loads nothing', async () => {
  const answers = [
    { pictures: ['x/y.png', null], question: '<image>\n<script>?', expected: 'e', answer: '<i>' },
  ]
  const events: TrainEvent[] = [
    ...Array.from({ length: 700 }, (_, i) => step(i + 1)),
    { kind: 'evaluation', step: 350, loss: 1, tokens: 5, seconds: 1 },
    { kind: 'warning', step: 7, message: 'the loss < jumped' },
    { kind: 'answers', step: 350, answers, seconds: 1 },
  ]
  const picture = ({ row, at }: AnswerPicture) =>
    Promise.resolve(`data:image/png;base64,AA${row}${at}`)
  const html = await reportHtml({ recipe, events, picture })
  assert.equal(html.match(/<svg/g)?.length, 4)
  assert.match(html, /Step 700 of 1000, loss 0\.0043, 100 tokens a second/)
  assert.match(html, /a &lt;b&gt; &amp; c/)
  assert.match(html, /&lt;script&gt;\?.*&lt;i&gt;/s)
  assert.match(html, /<img src="data:image\/png;base64,AA00" alt="y\.png"/)
  assert.match(html, /<img src="data:image\/png;base64,AA01" alt="picture 2"/)
  assert.match(html, /the loss &lt; jumped/)
  assert.doesNotMatch(html, /<script|<i>|(?:src|href)="(?!data:|#)/)
  assert.ok(html.length < 400_000, `${html.length}`)
})

test('a run that has just begun has a page too', async () => {
  const html = await reportHtml({ recipe, events: [], picture: () => Promise.resolve(null) })
  assert.match(html, /<h1>a &lt;b&gt;/)
})
