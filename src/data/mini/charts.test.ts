/** Charts are drawn to scale and asked about truly. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chartSvg, drawChart, markPlaces, namePlaces, type ChartKind } from './chart-drawing.ts'
import { charts } from './charts.ts'
import { Lots } from './lots.ts'
import { SIDE } from './rasterise.ts'

const KINDS: readonly ChartKind[] = ['bar', 'line', 'pie']

test('values differ where one is asked for, and slices make a whole', () => {
  for (let seed = 0; seed < 300; seed++) {
    const kind = KINDS[seed % 3]!
    const { parts } = drawChart(kind, new Lots(`chart/${seed}`))
    const values = parts.map(({ value }) => value).sort((a, b) => a - b)
    assert.ok(values[0]! < values[1]! && values.at(-1)! > values.at(-2)!)
    assert.ok(values.every((value) => value >= 1 && value <= 9))
    if (kind === 'pie')
      assert.equal(
        values.reduce((a, b) => a + b, 0),
        10,
      )
    else assert.equal(new Set(values).size, values.length)
  }
})

test('bars are as high as their values', () => {
  const lots = new Lots('heights')
  const chart = drawChart('bar', lots)
  const heights = [...chartSvg(chart, lots).matchAll(/height="([\d.]+)" fill="rgb/g)].map(([, h]) =>
    Number(h),
  )
  // The first rectangle is the page.
  const bars = heights.slice(-chart.parts.length)
  chart.parts.forEach(({ value }, i) => {
    assert.ok(Math.abs(bars[i]! / bars[0]! - value / chart.parts[0]!.value) < 0.01)
  })
})

test('held-out answers are spread over many values', async () => {
  const context = { assets: '', lots: new Lots('answers'), count: 60, replayed: [] }
  const counts = new Map<string, number>()
  for await (const { turn } of charts.test!(context)) {
    counts.set(turn.answer, (counts.get(turn.answer) ?? 0) + 1)
  }
  assert.ok(Math.max(...counts.values()) < 15)
})

test('names stand where they are said to be', () => {
  const lots = new Lots('names')
  for (const kind of ['bar', 'line'] as const) {
    const chart = drawChart(kind, lots)
    const svg = chartSvg(chart, lots)
    for (const [i, [x, y]] of namePlaces(chart).entries()) {
      const name = `>${chart.parts[i]!.name}</text>`
      const [, left, base] = new RegExp(`x="([\\d.]+)" y="([\\d.]+)"[^<]*${name}`).exec(svg) ?? []
      assert.ok(Math.abs(Number(left) - x * SIDE) < 0.1, `${left} ${x * SIDE}`)
      // Letters stand on their base line, above it.
      assert.ok(Number(base) > y * SIDE && Number(base) < y * SIDE + 12, `${base} ${y * SIDE}`)
    }
  }
  assert.deepEqual(namePlaces(drawChart('pie', lots)), [])
})

test('the regions of bars and points say name, value and colour where these are', async () => {
  const lots = new Lots('marks')
  for (const kind of ['bar', 'line'] as const) {
    const chart = drawChart(kind, lots)
    const svg = chartSvg(chart, lots)
    const drawn =
      kind === 'bar'
        ? [...svg.matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"/g)].map(
            ([, x, y, width]) => [Number(x) + Number(width) / 2, Number(y)] as const,
          )
        : [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(
            ([, x, y]) => [Number(x), Number(y)] as const,
          )
    for (const [x, y] of markPlaces(chart)) {
      const isThere = ([dx, dy]: readonly [number, number]) =>
        Math.abs(dx - x * SIDE) < 0.2 && Math.abs(dy - y * SIDE) < 0.2
      assert.ok(drawn.some(isThere), `${kind} ${x * SIDE} ${y * SIDE}`)
    }
  }
  const context = { assets: '', lots, count: 20, replayed: [] }
  for await (const { caption, regions = [] } of charts.alignment!(context)) {
    const [names, marks] = [regions.slice(0, regions.length / 2), regions.slice(regions.length / 2)]
    for (const [i, { says, at }] of names.entries()) {
      assert.equal(marks[i]?.says, says)
      assert.equal(marks[i]?.at[0], at[0])
      assert.ok(caption.includes(says.slice(0, 3)), `${says}: ${caption}`)
    }
    if (regions.length > 0) {
      assert.equal(names.filter(({ says }) => / (tallest|highest)$/.test(says)).length, 1)
      assert.equal(names.filter(({ says }) => / (shortest|lowest)$/.test(says)).length, 1)
    }
  }
})
