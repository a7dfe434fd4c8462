/** What a scene says of itself is what its pixels show. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import sharp from 'sharp'
import { Lots } from './lots.ts'
import { COLOR_NAMES } from './palette.ts'
import { SIDE } from './rasterise.ts'
import { distinctShapes, drawScene, scenePicture, type Scene } from './scene.ts'
import { captionOf, countsOf, placeOf, regionsOf as placesOf } from './scene-words.ts'
import { SHAPE_KINDS } from './shapes.ts'

type Region = { readonly box: readonly [number, number, number, number]; readonly pixels: number }

/** Connected regions that differ from the corner's colour, and their boxes. */
async function regionsOf(scene: Scene): Promise<Region[]> {
  const { bytes } = await scenePicture(scene)
  const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true })
  assert.deepEqual([info.width, info.height, info.channels], [SIDE, SIDE, 3])
  const isShape = (i: number) =>
    [0, 1, 2].some((c) => Math.abs((data[3 * i + c] as number) - (data[c] as number)) > 24)
  const seen = new Uint8Array(SIDE * SIDE)
  const regions: Region[] = []
  for (let start = 0; start < seen.length; start++) {
    if (seen[start] || !isShape(start)) continue
    regions.push(flood(start, seen, isShape))
  }
  return regions.filter(({ pixels }) => pixels > 20)
}

function flood(start: number, seen: Uint8Array, isShape: (i: number) => boolean): Region {
  const box: [number, number, number, number] = [SIDE, SIDE, 0, 0]
  const stack = [start]
  let pixels = 0
  seen[start] = 1
  for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
    const [x, y] = [i % SIDE, Math.floor(i / SIDE)]
    pixels++
    box[0] = Math.min(box[0], x)
    box[1] = Math.min(box[1], y)
    box[2] = Math.max(box[2], x + 1)
    box[3] = Math.max(box[3], y + 1)
    const beside = [x > 0 ? i - 1 : i, x < SIDE - 1 ? i + 1 : i, i - SIDE, i + SIDE]
    for (const j of beside) {
      if (j < 0 || j >= seen.length || seen[j] || !isShape(j)) continue
      seen[j] = 1
      stack.push(j)
    }
  }
  return { box, pixels }
}

test('as many regions are drawn as there are shapes, each filling its box', async () => {
  for (let seed = 0; seed < 24; seed++) {
    const lots = new Lots(`regions/${seed}`)
    const count = 1 + (seed % 8)
    const scene = drawScene(lots, (colors) => distinctShapes(count, colors, lots))
    const regions = await regionsOf(scene)
    assert.equal(regions.length, count, captionOf(scene))
    for (const { box, kind } of scene.shapes) {
      // Two pixels: edges are smoothed, and the points of stars and moons fade.
      const fits = regions.some((region) => region.box.every((v, i) => Math.abs(v - box[i]!) <= 2))
      assert.ok(fits, `${kind} ${box.join(' ')} in seed ${seed}`)
    }
  }
})

test('boxes lie inside the picture and apart from each other', () => {
  for (let seed = 0; seed < 200; seed++) {
    const lots = new Lots(`boxes/${seed}`)
    const { shapes } = drawScene(lots, (colors) =>
      Array.from({ length: 9 }, () => ({ kind: lots.pick(SHAPE_KINDS), color: lots.pick(colors) })),
    )
    shapes.forEach(({ box: a }, i) => {
      assert.ok(a[0] >= 0 && a[1] >= 0 && a[2] <= SIDE && a[3] <= SIDE && a[0] < a[2])
      for (const { box: b } of shapes.slice(i + 1)) {
        assert.ok(a[2] < b[0] || b[2] < a[0] || a[3] < b[1] || b[3] < a[1])
      }
    })
  }
})

test('the same seed draws the same picture', async () => {
  const draw = () => {
    const lots = new Lots('same')
    return scenePicture(drawScene(lots, (colors) => distinctShapes(3, colors, lots)))
  }
  assert.deepEqual(await draw(), await draw())
})

test('every colour is drawn on some background', () => {
  const seen = new Set<string>()
  for (let seed = 0; seed < 60; seed++) {
    drawScene(new Lots(`colors/${seed}`), (colors) => {
      colors.forEach((name) => seen.add(name))
      return []
    })
  }
  assert.deepEqual([...seen].sort(), [...COLOR_NAMES].sort())
})

test('a place has a name only where one name fits', () => {
  assert.equal(placeOf({ x: SIDE / 2, y: SIDE / 2 }), 'center')
  assert.equal(placeOf({ x: 30, y: 190 }), 'bottom left')
  assert.equal(placeOf({ x: 190, y: 30 }), 'top right')
  assert.equal(placeOf({ x: 30, y: SIDE / 2 }), undefined)
  assert.equal(placeOf({ x: SIDE / 2 + 28, y: SIDE / 2 + 28 }), undefined)
})

test('what is said of a place lies in a shape of that name', () => {
  const lots = new Lots('places')
  for (let i = 0; i < 200; i++) {
    const scene = drawScene(lots, (colors) => distinctShapes(lots.integer(1, 6), colors, lots))
    const places = placesOf(scene)
    assert.equal(places.length, scene.shapes.length)
    for (const { at, says } of places) {
      const [x, y] = at.map((part) => part * SIDE) as [number, number]
      const under = scene.shapes.filter(
        ({ box }) => x > box[0] && x < box[2] && y > box[1] && y < box[3],
      )
      assert.deepEqual(
        under.map(({ color, kind }) => says.startsWith(`${color} ${kind} `)),
        [true],
      )
      const words = says.split(' ')
      assert.equal(words.includes('left'), x < (SIDE * 3) / 7, says)
      assert.equal(words.includes('right'), x >= (SIDE * 4) / 7, says)
      assert.equal(words.includes('top'), y < (SIDE * 3) / 7, says)
      assert.equal(words.includes('bottom'), y >= (SIDE * 4) / 7, says)
    }
  }
})

test('scenes to be counted say how many shapes have the colour and the kind, where each is', () => {
  const lots = new Lots('alike')
  const scene = drawScene(lots, ([red = '', blue = '']) => [
    { kind: 'star', color: red },
    { kind: 'heart', color: red },
    { kind: 'heart', color: red },
    { kind: 'heart', color: blue },
  ])
  const [red] = scene.shapes.filter(({ kind }) => kind === 'star').map(({ color }) => color)
  for (const [i, { at, says }] of countsOf(scene).entries()) {
    const { color, kind, box } = scene.shapes[i]!
    const counts = `${color === red ? 'three' : 'one'} ${kind === 'star' ? 'first' : 'third'}`
    assert.equal(says, `${color} ${kind} ${counts}`)
    const [x, y] = at.map((part) => part * SIDE) as [number, number]
    assert.ok(x > box[0] && x < box[2] && y > box[1] && y < box[3])
  }
})
