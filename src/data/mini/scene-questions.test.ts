/** Answers are true of the scene, and guessing does not pay. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lots } from './lots.ts'
import { distinctShapes, drawScene, type Scene } from './scene.ts'
import { json } from './scene-json.ts'
import {
  absent,
  box,
  choice,
  color,
  count,
  outermost,
  place,
  presenceOf,
  relation,
  type Maker,
} from './scene-questions.ts'
import { boxText, nameOf, placeOf } from './scene-words.ts'
import { wishesFrom } from './scenes.ts'
import { pluralOf, SHAPE_KINDS } from './shapes.ts'
import { LETTERS, type Turn } from './turn.ts'

type Asked = { readonly scene: Scene; readonly turn: Turn }

/** A maker over scenes of one to six shapes, half of them with shapes that repeat. */
function askOften(maker: Maker, times = 300): Asked[] {
  const lots = new Lots('often')
  const wishes = wishesFrom(lots)
  return Array.from({ length: times }, (_, i) => {
    const number = 1 + (i % 6)
    const scene = drawScene(lots, (colors) =>
      i % 2 === 0
        ? distinctShapes(number, colors, lots)
        : Array.from({ length: number }, () => ({
            kind: lots.pick(SHAPE_KINDS),
            color: lots.pick(colors),
          })),
    )
    return { scene, turn: maker(scene, wishes) }
  }).filter((asked): asked is Asked => asked.turn !== undefined)
}

function share(asked: readonly Asked[], answer: string): number {
  return asked.filter(({ turn }) => turn.answer === answer).length / asked.length
}

for (const negative of ['random', 'popular', 'adversarial'] as const) {
  test(`presence (${negative}): yes means there is one, no that there is none; half and half`, () => {
    const asked = askOften((scene, wishes) => presenceOf(scene, wishes, negative))
    for (const { scene, turn } of asked) {
      const name = /^Is there an? (.*) in the picture\?$/.exec(turn.question)?.[1] ?? ''
      const isThere = scene.shapes.some((one) => one.kind === name || nameOf(one) === name)
      assert.equal(turn.answer, isThere ? 'Yes' : 'No', turn.question)
    }
    assert.ok(Math.abs(share(asked, 'Yes') - 0.5) < 0.01)
  })
}

test('what is absent by one word shares a kind or a colour with something present', () => {
  for (const { scene, turn } of askOften((scene, w) => presenceOf(scene, w, 'adversarial'))) {
    if (turn.answer === 'Yes') continue
    const [hue, kind] = /an? (\w+) (\w+) in/.exec(turn.question)?.slice(1) ?? []
    assert.ok(scene.shapes.some((one) => one.kind === kind || one.color === hue))
  }
})

test('relations hold in the coordinates, half of them asserted truly', () => {
  const asked = askOften(relation)
  for (const { scene, turn } of asked) {
    const [, a, how, b] =
      /^Is the (\w+) (left of|right of|above|below) the (\w+)\?$/.exec(turn.question) ?? []
    const [one, other] = [a, b].map((kind) => scene.shapes.find((shape) => shape.kind === kind)!)
    const holds = {
      'left of': one!.x < other!.x,
      'right of': one!.x > other!.x,
      above: one!.y < other!.y,
      below: one!.y > other!.y,
    }[how ?? '']
    assert.equal(turn.answer, holds ? 'Yes' : 'No')
  }
  assert.ok(Math.abs(share(asked, 'Yes') - 0.5) < 0.02)
})

test('counts are those of the scene, and no number is most of the answers', () => {
  const asked = askOften(count)
  for (const { scene, turn } of asked) {
    const things = /^How many (.*) are there\?$/.exec(turn.question)?.[1] ?? ''
    const number = scene.shapes.filter(
      ({ kind, color: hue }) =>
        things === 'shapes' || things === pluralOf(kind) || things === `${hue} shapes`,
    ).length
    assert.equal(turn.answer, String(number), turn.question)
  }
  for (let number = 1; number <= 6; number++) assert.ok(share(asked, String(number)) < 0.35)
})

test('letters are uniform, and the option at the letter is right', () => {
  const asked = askOften(choice)
  for (const { scene, turn } of asked) {
    const right = turn.choices?.[LETTERS.indexOf(turn.answer)]?.toLowerCase()
    const named = /(?:is the (\w+)|is (\w+))\?/.exec(turn.question) ?? []
    assert.ok(
      scene.shapes.some((one) =>
        one.kind === named[1] ? one.color === right : one.color === named[2] && one.kind === right,
      ),
    )
    assert.equal(new Set(turn.choices).size, 4)
  }
  for (const letter of LETTERS) assert.ok(Math.abs(share(asked, letter) - 0.25) < 0.02)
})

test('colours, places and boxes are asked of what has no double', () => {
  for (const { scene, turn } of [...askOften(color), ...askOften(place)]) {
    const kind = /the (\w+)\?/.exec(turn.question)?.[1]
    const found = scene.shapes.filter((one) => one.kind === kind)
    assert.equal(found.length, 1)
    assert.ok([found[0]!.color, placeOf(found[0]!)].includes(turn.answer.toLowerCase()))
  }
  for (const { scene, turn } of askOften(box)) {
    const name = /: the (\w+ \w+)\.$/.exec(turn.question)?.[1]
    const found = scene.shapes.filter((one) => nameOf(one) === name)
    assert.deepEqual(
      found.map((one) => boxText(one.box)),
      [turn.answer],
    )
    assert.match(turn.answer, /^\[[01]\.\d\d, [01]\.\d\d, [01]\.\d\d, [01]\.\d\d\]$/)
  }
})

test('the outermost shape is further out than any other', () => {
  for (const { scene, turn } of askOften(outermost)) {
    const one = scene.shapes.find(({ kind }) => kind === turn.answer.toLowerCase())!
    const side = /on the (left|right)|at the (top|bottom)/.exec(turn.question)?.[0] ?? ''
    const out = scene.shapes.map(({ x, y }) => ({ left: x, right: -x, top: y, bottom: -y }))
    const key = side.split(' ').at(-1) as 'left' | 'right' | 'top' | 'bottom'
    const own = { left: one.x, right: -one.x, top: one.y, bottom: -one.y }[key]
    assert.equal(own, Math.min(...out.map((each) => each[key])))
  }
})

test('answers in JSON parse and list every shape', () => {
  for (const { scene, turn } of askOften(json)) {
    const value: unknown = JSON.parse(turn.answer)
    const numbers = Object.values(value as object) as number[]
    const listed = Array.isArray(value)
      ? value.length
      : 'shape' in (value as object)
        ? 1
        : numbers.reduce((a, b) => a + b, 0)
    assert.equal(listed, scene.shapes.length)
  }
})

test('what is asked about as absent is nowhere', () => {
  for (const { scene, turn } of askOften(absent)) {
    const kind = /the (\w+)\?/.exec(turn.question)?.[1]
    assert.ok(scene.shapes.every((one) => one.kind !== kind))
    assert.equal(turn.answer, `There is no ${kind} in the picture.`)
  }
})
