/** What a clip is asked about happens in its frames, and nowhere else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import sharp from 'sharp'
import { clips } from './clips.ts'
import { Lots } from './lots.ts'
import { SIDE } from './rasterise.ts'
import type { Turn } from './turn.ts'

type Clip = { readonly frames: readonly Uint8Array[]; readonly turns: readonly Turn[] }

async function drawClips(count: number): Promise<Clip[]> {
  const context = { assets: '', lots: new Lots('clips'), count, replayed: [] }
  const drawn: Clip[] = []
  for await (const { pictures, isClip, turns } of clips.instruction!(context)) {
    assert.ok(isClip)
    const frames = pictures.map((picture) => {
      assert.ok('bytes' in picture)
      return picture.bytes
    })
    drawn.push({ frames: await Promise.all(frames.map(pixels)), turns })
  }
  return drawn
}

async function pixels(bytes: Uint8Array): Promise<Uint8Array> {
  return sharp(bytes).raw().toBuffer()
}

/** Pixels that differ from the corner, which is background. */
function ink(frame: Uint8Array): number[] {
  const differs = (i: number) =>
    [0, 1, 2].some((c) => Math.abs((frame[3 * i + c] as number) - (frame[c] as number)) > 24)
  return Array.from({ length: SIDE * SIDE }, (_, i) => i).filter(differs)
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length
const middle = (at: readonly number[]) => [
  mean(at.map((i) => i % SIDE)),
  mean(at.map((i) => Math.floor(i / SIDE))),
]

test('each clip has four frames and one event; shapes move the way that is told, come, go, or change', async () => {
  const drawn = await drawClips(24)
  const seen = new Set<string>()
  for (const { frames, turns } of drawn) {
    assert.equal(frames.length, 4)
    const told = turns.filter(({ task }) => /move|come|go|color/.test(task))
    assert.equal(told.length, 1)
    const { task, answer } = told[0] as Turn
    seen.add(task)
    const [first, last] = [ink(frames[0]!), ink(frames.at(-1)!)]
    if (task === 'clip-come') assert.ok(last.length > first.length + 50)
    if (task === 'clip-go') assert.ok(first.length > last.length + 50)
    if (task === 'clip-color') assert.ok(Math.abs(first.length - last.length) < 0.15 * first.length)
    if (task !== 'clip-move') continue
    const [from, to] = [middle(first), middle(last)]
    const [dx, dy] = [to[0]! - from[0]!, to[1]! - from[1]!]
    const way = Math.abs(dx) > Math.abs(dy) ? (dx > 0 ? 'Right' : 'Left') : dy > 0 ? 'Down' : 'Up'
    assert.equal(way, answer)
  }
  assert.equal(seen.size, 4)
})

test('numbers at the beginning and at the end go with what comes and goes', async () => {
  for (const { turns } of await drawClips(40)) {
    const event = turns.find(({ task }) => task === 'clip-come' || task === 'clip-go')
    const presence = turns.find(({ task }) => task === 'clip-presence')
    if (!event || !presence?.question.includes(` ${event.answer.toLowerCase()} `)) continue
    const isThereAtEnd = event.task === 'clip-come'
    const isThere = presence.question.endsWith('at the end?') ? isThereAtEnd : !isThereAtEnd
    assert.equal(presence.answer, isThere ? 'Yes' : 'No')
  }
})
