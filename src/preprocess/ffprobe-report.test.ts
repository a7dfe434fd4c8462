import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FfprobeReader } from './ffprobe-report.ts'

function report(...lines: string[]) {
  const reader = new FfprobeReader()
  for (const line of lines) reader.line(line)
  return reader.finish()
}

const STREAM = 'stream|width=320|height=180|avg_frame_rate=30000/1001|r_frame_rate=30/1'
const FORMAT = 'format|start_time=6.400000'

test('frames are in the order of their times, discarded packets give none', () => {
  const found = report(
    'packet|pts_time=-0.100000|flags=KD',
    'packet|pts_time=0.000000|flags=K_',
    'packet|pts_time=0.200000|flags=__|side_data|',
    '',
    'packet|pts_time=0.100000|flags=__',
    STREAM,
    FORMAT,
  )
  assert.deepEqual(found, {
    size: { width: 320, height: 180 },
    framesPerSecond: 30000 / 1001,
    times: Float64Array.of(0, 0.1, 0.2),
    frames: 3,
    clockStart: 6.4,
    rotation: 0,
  })
})

test('a packet without a time leaves only their number', () => {
  const found = report('packet|pts_time=N/A|flags=K_', 'packet|pts_time=1|flags=__', STREAM, FORMAT)
  assert.equal(found?.times, null)
  assert.equal(found?.frames, 2)
})

test('the turn is counterclockwise, whether a matrix or a tag says it', () => {
  assert.equal(report(`${STREAM}|side_data|rotation=-90`)?.rotation, -90)
  assert.equal(report(`${STREAM}|side_datum/display_matrix:rotation=-90`)?.rotation, -90)
  assert.equal(report(`${STREAM}|tag:rotate=90`)?.rotation, -90)
})

test('a file without a film says so, and a rate of 0/0 is not believed', () => {
  assert.equal(report(FORMAT), null)
  assert.equal(
    report('stream|width=2|height=2|avg_frame_rate=0/0|r_frame_rate=25/1')?.framesPerSecond,
    25,
  )
})

test('without times the rate is frames by duration, since what an AVI says of it may be far off', () => {
  const stream = 'stream|width=2|height=2|r_frame_rate=30/1|avg_frame_rate=600/1|duration=0.5'
  const packets = Array.from({ length: 15 }, () => 'packet|pts_time=N/A|flags=__')
  assert.equal(report(...packets, stream)?.framesPerSecond, 30)
  assert.equal(report('packet|pts_time=0|flags=K_', stream)?.framesPerSecond, 600)
})

test('more frames than fit at first are kept', () => {
  const lines = Array.from({ length: 5000 }, (_, i) => `packet|pts_time=${i}|flags=__`)
  const found = report(...lines, STREAM)
  assert.equal(found?.frames, 5000)
  assert.equal(found?.times?.[4999], 4999)
})
