/** What only a model that looks at its pictures can show, on records that were not learnt. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Rng } from '../core/rng.ts'
import { blindRows, tinyRecipe, type TinyRow } from '../../test/tiny-run.ts'
import { train, type TrainEvent } from './index.ts'

let root: string
before(() => {
  root = mkdtempSync(join(tmpdir(), 'llava-sight-'))
})
after(() => rmSync(root, { recursive: true }))

const COLOURS: Readonly<Record<string, readonly [number, number, number]>> = {
  red: [210, 25, 25],
  green: [25, 190, 45],
  blue: [25, 45, 220],
  white: [235, 235, 235],
}
const NAMES = Object.keys(COLOURS)
const STEPS = 30

/** A picture of a shade of a colour that no other record has, and what is said of it. */
function row(folder: string, id: string, colour: string, answer: string): TinyRow {
  const rng = new Rng(Number(id.slice(1)) + (id.startsWith('h') ? 1000 : 0))
  const shade = COLOURS[colour]!.map((value) => value + Math.round(20 * (rng.uniform() - 0.5)))
  const image = `${id}.ppm`
  const pixels = Buffer.alloc(16 * 16 * 3, Buffer.from(shade))
  writeFileSync(join(folder, image), Buffer.concat([Buffer.from('P6 16 16 255\n'), pixels]))
  const conversations = [
    { from: 'human' as const, value: '<image>\nWhich colour?' },
    { from: 'gpt' as const, value: answer },
  ]
  return { id, image, conversations }
}

type Rows = { readonly learnt: readonly TinyRow[]; readonly heldOut: readonly TinyRow[] }

/** Nats of the held-out answers after training, end marks included. */
async function heldOutNats(name: string, { learnt, heldOut }: Rows): Promise<number> {
  const folder = join(root, 'pictures')
  const path = join(folder, `${name}-held-out.json`)
  writeFileSync(path, JSON.stringify(heldOut))
  const recipe = tinyRecipe(folder, learnt, {
    steps: STEPS,
    batchSize: 4,
    batching: 'mixed',
    learningRate: 5e-3,
    output: join(root, name),
    evaluation: { data: { path, imageFolder: folder }, everySteps: STEPS },
  })
  const events: TrainEvent[] = []
  await train(recipe, { onEvent: (event) => events.push(event) })
  const last = events.findLast((event) => event.kind === 'evaluation')
  assert.equal(last?.step, STEPS)
  return last.loss * last.tokens
}

/** Four answers that are equally likely, once a record. */
const chance = (records: number) => records * Math.log(NAMES.length)

test('pictures are worth more than chance, and answers that have nothing to do with them are not', async () => {
  const folder = join(root, 'pictures')
  mkdirSync(folder)
  const learnt = Array.from({ length: 32 }, (_, i) => {
    const colour = NAMES[i % 4]!
    return row(folder, `t${i}`, colour, colour)
  })
  // Each colour with each answer: whatever a model makes of a picture, on average it cannot do better than chance.
  const crossed = NAMES.flatMap((colour, i) =>
    NAMES.map((answer, k) => row(folder, `h${4 * i + k}`, colour, answer)),
  )
  const truthful = crossed.map((one, i) => {
    const answer = NAMES[i >> 2]!
    const [question] = one.conversations
    return { ...one, conversations: [question!, { from: 'gpt' as const, value: answer }] }
  })
  const order = new Rng(7).permutation(learnt.length)
  const shuffled = learnt.map((one, i) => {
    const [question] = one.conversations
    return { ...one, conversations: [question!, learnt[order[i]!]!.conversations[1]!] }
  })

  const seeing = await heldOutNats('seeing', { learnt, heldOut: truthful })
  const blind = await heldOutNats('blind', {
    learnt: blindRows(learnt),
    heldOut: blindRows(truthful),
  })
  const guessing = await heldOutNats('shuffled', { learnt: shuffled, heldOut: crossed })

  const least = chance(crossed.length)
  assert.ok(seeing < 0.5 * least, `with pictures: ${seeing} nats, chance is ${least}`)
  // Float32 sums aside, this is a theorem, unless labels leak into what they are predicted from.
  assert.ok(blind > 0.999 * least, `without pictures: ${blind} nats, chance is ${least}`)
  assert.ok(guessing > 0.999 * least, `shuffled: ${guessing} nats, chance is ${least}`)
})
