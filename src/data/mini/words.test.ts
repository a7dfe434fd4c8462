/** Words are drawn whole, told apart from those kept for the test, and asked about truly. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import sharp from 'sharp'
import { Lexicon } from './lexicon.ts'
import { Lots } from './lots.ts'
import { SIDE } from './rasterise.ts'
import { wishesFrom } from './scenes.ts'
import { HELD_OUT_WORDS, TRAINED_WORDS } from './word-list.ts'
import { drawPage, drawTexts, pagePicture, type Page, type Written } from './word-page.ts'
import { askAbout } from './word-questions.ts'
import { words } from './words.ts'

test('held-out words are never among those to train on', () => {
  const trained = new Set(TRAINED_WORDS)
  assert.equal(trained.size, TRAINED_WORDS.length)
  assert.ok(HELD_OUT_WORDS.length > 30)
  assert.ok(HELD_OUT_WORDS.every((word) => !trained.has(word)))
})

test('letters leave a rim free on every side, and some ink in the middle', async () => {
  const lots = new Lots('rim')
  const lexicon = new Lexicon(lots, TRAINED_WORDS)
  for (let i = 0; i < 25; i++) {
    const texts = drawTexts(lots, lexicon)
    const isInk = await inkOf(drawPage(lots, texts))
    const all = range(SIDE)
    for (const rim of [0, 1, SIDE - 2, SIDE - 1]) {
      assert.ok(!all.some((place) => isInk(rim, place) || isInk(place, rim)), texts.join(' '))
    }
    assert.ok(
      all.some((x) => all.some((y) => isInk(x, y))),
      texts.join(' '),
    )
  }
})

test('answers about a word follow from its letters', () => {
  const lots = new Lots('letters')
  const [lexicon, wishes] = [new Lexicon(lots, TRAINED_WORDS), wishesFrom(lots)]
  for (let i = 0; i < 300; i++) {
    const page = drawPage(lots, drawTexts(lots, lexicon))
    const text = page.lines[0]!.text
    for (const turn of askAbout(page, wishes, lexicon)) {
      if (turn.task === 'words' || turn.task === 'numbers') assert.equal(turn.answer, text)
      if (turn.task === 'spelling') assert.equal(turn.answer.replaceAll(' ', ''), text)
      if (turn.task === 'letters') {
        const place = ['first', 'second', 'third', 'fourth'].findIndex((name) =>
          turn.question.includes(name),
        )
        assert.equal(turn.answer, text.at(place))
      }
      if (turn.task === 'word-presence') {
        const asked = /"(.*)"/.exec(turn.question)?.[1]?.toLowerCase()
        const isThere = page.lines.some((line) => line.text.toLowerCase() === asked)
        assert.equal(turn.answer, isThere ? 'Yes' : 'No')
      }
      if (turn.task === 'number-compare') {
        const limit = Number(/than (\d+)/.exec(turn.question)?.[1])
        assert.equal(turn.answer, Number(text) > limit ? 'Yes' : 'No')
      }
      if (turn.choices) assert.equal(turn.choices['ABCD'.indexOf(turn.answer)], text)
    }
  }
})

test('the test of unseen words shows held-out words only', async () => {
  const context = { assets: '', lots: new Lots('test'), count: 5, replayed: [] }
  const held = new Set(HELD_OUT_WORDS)
  for await (const { turn } of words.test!(context)) {
    if (turn.task === 'words-unseen') assert.ok(held.has(turn.answer.toLowerCase()), turn.answer)
    if (turn.task === 'words') assert.ok(!held.has(turn.answer.toLowerCase()), turn.answer)
  }
})

test('the middle of a line lies among its ink', async () => {
  const lots = new Lots('middles')
  const lexicon = new Lexicon(lots, TRAINED_WORDS)
  for (let i = 0; i < 20; i++) {
    const page = drawPage(lots, drawTexts(lots, lexicon))
    const isInk = await inkOf(page)
    for (const { at, text } of page.lines) {
      const [x, y] = at.map((part) => Math.round(part * SIDE)) as [number, number]
      const near = Array.from({ length: 31 * 13 }, (_, k) => [
        x - 15 + (k % 31),
        y - 6 + Math.floor(k / 31),
      ])
      assert.ok(
        near.some(([x = 0, y = 0]) => isInk(x, y)),
        text,
      )
    }
  }
})

test('letters are said to stand where their ink is', async () => {
  const lots = new Lots('columns')
  let compared = 0
  for (let i = 0; i < 12; i++) {
    const page = drawPage(lots, ['HEIL'])
    const [line] = page.lines as [Written]
    const isInk = await inkOf(page)
    const hasInk = range(SIDE).map((x) => range(SIDE).some((y) => isInk(x, y)))
    const runs = range(SIDE).filter((x) => hasInk[x] && !hasInk[x - 1])
    const ends = range(SIDE).filter((x) => hasInk[x] && !hasInk[x + 1])
    // Where capitals stand apart, the runs of ink are the letters.
    if (runs.length !== 4) continue
    compared++
    line.letters.forEach(([x], k) => {
      const middle = ((runs[k] as number) + (ends[k] as number) + 1) / 2
      const width = (ends[3] as number) - (runs[0] as number)
      assert.ok(Math.abs(x * SIDE - middle) < 0.05 * width, `${k}: ${x * SIDE} ${middle}`)
    })
  }
  assert.ok(compared > 5, String(compared))
})

/** Whether a pixel differs from that of the upper left corner, where nothing is written. */
async function inkOf(page: Page): Promise<(x: number, y: number) => boolean> {
  const { bytes } = await pagePicture(page)
  const { data } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true })
  return (x, y) =>
    [0, 1, 2].some(
      (c) => Math.abs((data[3 * (y * SIDE + x) + c] as number) - (data[c] as number)) > 40,
    )
}

const range = (length: number) => Array.from({ length }, (_, i) => i)
