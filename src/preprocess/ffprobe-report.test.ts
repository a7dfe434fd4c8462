import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FfprobeReader } from './ffprobe-report.ts'

function report(...lines: string[]) {
  const reader = new FfprobeReader()
  for (const line of lines) reader.line(line)
  return reader.finish()
}

const STREAM = 'stream|width=320|height=180|avg_frame_rate=30000/1001|r_frame_rate=30/1|nb_frames=4'
const FORMAT = 'format|start_time=6.400000'

test('frames are in the order of their times, discarded packets give none', () => {
  const found = report(
    'packet|pts_time=-0.100000|flags=KD',
    'packet|pts_time=0.000000|flags=K_',
    'packet|pts_time=0.200000|duration_time=0.150000|flags=__|side_data|',
    '',
    'packet|pts_time=0.100000|flags=__',
    STREAM,
    FORMAT,
  )
  assert.deepEqual(found, {
    size: { width: 320, height: 180 },
    framesPerSecond: 30000 / 1001,
    seconds: 0.35,
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

// Once a film that was cut out of another had frames that no decoder gives, and was refused as damaged.
test('packets before the first key frame are frames where a decoder gives them', () => {
  const reader = new FfprobeReader()
  const packets = [
    'packet|pts_time=4.800000|flags=__',
    'packet|pts_time=5.400000|flags=K_|side_data|',
    'packet|pts_time=5.200000|flags=__',
    'packet|pts_time=5.300000|flags=__',
    'packet|pts_time=5.600000|flags=__',
    'packet|pts_time=5.500000|flags=__',
  ]
  for (const line of [...packets, STREAM, FORMAT]) reader.line(line)
  assert.equal(reader.doubtfulPackets, 4)
  const given = ['5.300000', '5.400000|side_data|', '5.500000', '5.600000']
  for (const frame of given) reader.line(`frame|pts_time=${frame}`)
  assert.deepEqual(reader.finish()?.times, Float64Array.of(5.3, 5.4, 5.5, 5.6))
})

test('pictures without a time behind the first key frame count where a decoder gives them', () => {
  const packets = ['0|flags=K_', 'N/A|flags=__', '0.2|flags=__', '0.1|flags=__']
  const lines = packets.map((packet) => `packet|pts_time=${packet}`)
  const frames = ['0', '0.1', '0.2'].map((time) => `frame|pkt_pts_time=${time}`)
  const lost = report(...lines, STREAM, ...frames)
  assert.deepEqual(lost?.times, Float64Array.of(0, 0.1, 0.2))
  const given = report(...lines, STREAM, 'frame|pts_time=N/A', ...frames)
  assert.deepEqual([given?.frames, given?.times], [4, null])
})

// MPEG-1 and DVDs give a time to some pictures only. Once the others were lost.
test('packets behind those that a decoder was asked about are frames, with a time or without', () => {
  const reader = new FfprobeReader()
  for (let i = 0; i < 100; i++) {
    reader.line(`packet|pts_time=${i % 3 === 1 ? 'N/A' : i}|flags=${i === 0 ? 'K_' : '__'}`)
  }
  assert.deepEqual([reader.doubtfulPackets, reader.finish()], [2, null])
  for (let i = 0; i < 66; i++) reader.line(`frame|pts_time=${i}`)
  reader.line(STREAM)
  const found = reader.finish()
  assert.deepEqual([found?.frames, found?.times], [100, null])
})

test('of a key frame that comes row by row nothing is shown before all rows are there', () => {
  const packets = ['1|flags=__', '2|flags=K_', '3|flags=__', '4|flags=__', '5|flags=__']
  const lines = packets.map((packet) => `packet|pts_time=${packet}`)
  const found = report(
    ...lines,
    STREAM,
    'frame|pkt_pts_time=4.000000side_data|',
    'frame|pts_time=5',
  )
  assert.deepEqual(found?.times, Float64Array.of(4, 5))
})

test('a film that begins with its first frame is not decoded to be counted', () => {
  const reader = new FfprobeReader()
  const packets = ['-1|flags=KD', '-2|flags=_D', '0.2|flags=__', '0|flags=__', '0.1|flags=__']
  for (const packet of packets) reader.line(`packet|pts_time=${packet}`)
  assert.equal(reader.doubtfulPackets, 0)
  const avi = new FfprobeReader()
  for (const flags of ['K_', '__', '__']) avi.line(`packet|pts_time=N/A|flags=${flags}`)
  assert.equal(avi.doubtfulPackets, 0)
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
  const packets = Array.from({ length: 15 }, () => 'packet|pts_time=N/A|flags=K_')
  assert.equal(report(...packets, stream)?.framesPerSecond, 30)
  assert.equal(report('packet|pts_time=0|flags=K_', stream)?.framesPerSecond, 600)
})

// Once a film of 26 seconds lasted for 3: a WebM says how fast it is at most, or nothing.
test('the rate of a file that does not count its frames is theirs, where the nominal one is far off', () => {
  const rate = (seconds: readonly number[], stated: string) => {
    const lines = seconds.map((time) => `packet|pts_time=${time}|duration_time=N/A|flags=K_`)
    const found = report(...lines, `stream|width=2|height=2|r_frame_rate=30/1|${stated}`)
    return [found?.framesPerSecond, found?.seconds]
  }
  const recording = [0, 1, 4, 6]
  assert.deepEqual(rate(recording, 'avg_frame_rate=30/1|nb_frames=N/A'), [0.5, 8])
  assert.deepEqual(rate(recording, 'avg_frame_rate=0/0'), [0.5, 8])
  assert.deepEqual(rate(recording, 'avg_frame_rate=4/9|nb_frames=4'), [4 / 9, 8])
  assert.deepEqual(rate([0, 0.033, 0.067], 'avg_frame_rate=30/1|nb_frames=N/A'), [30, 0.1005])
  assert.deepEqual(rate([7], 'avg_frame_rate=30/1|nb_frames=N/A'), [30, 1 / 30])
})

test('recordings that were joined have no clock in common: the rate is the one they state', () => {
  const part = ['1|flags=K_', '1.2|flags=__', '1.1|flags=__', '1.3|flags=__']
  const lines = [...part, ...part].map((packet) => `packet|pts_time=${packet}`)
  const stream = 'stream|width=2|height=2|avg_frame_rate=10/1|duration=0.4|nb_frames=N/A'
  const found = report(...lines, stream)
  assert.deepEqual([found?.times, found?.frames], [null, 8])
  assert.deepEqual([found?.framesPerSecond, found?.seconds], [10, 0.8])
})

test('a clock that leaps is that of another recording in a transport stream, and a pause elsewhere', () => {
  const lines = ['1', '1.1', '3601', '3601.1'].map((time) => `packet|pts_time=${time}|flags=K_`)
  const stream = 'stream|width=2|height=2|avg_frame_rate=10/1|duration=3600.2|nb_frames=N/A'
  const joined = report(...lines, stream, 'format|format_name=mpegts|start_time=1')
  assert.deepEqual([joined?.times, joined?.framesPerSecond, joined?.seconds], [null, 10, 0.4])
  const paused = report(...lines, stream, 'format|format_name=matroska,webm|start_time=1')
  assert.equal(paused?.times?.length, 4)
  assert.ok((paused?.seconds ?? 0) > 3600)
})

test('of packets without times that give no frame the rate counts all, as the duration does', () => {
  const packets = Array.from({ length: 76 }, (_, i) => `packet|flags=${i === 16 ? 'K_' : '__'}`)
  const stream = 'stream|width=2|height=2|avg_frame_rate=30/1|duration=2.533333'
  const reader = new FfprobeReader()
  for (const line of [...packets, stream]) reader.line(line)
  assert.equal(reader.doubtfulPackets, 16)
  for (let i = 0; i < 60; i++) reader.line('frame|pts_time=N/A')
  const found = reader.finish()
  assert.equal(found?.frames, 60)
  assert.ok(Math.abs((found?.framesPerSecond ?? 0) - 30) < 0.01)
})

test('more frames than fit at first are kept', () => {
  const lines = Array.from({ length: 5000 }, (_, i) => `packet|pts_time=${i}|flags=K_`)
  const found = report(...lines, STREAM)
  assert.equal(found?.frames, 5000)
  assert.equal(found?.times?.[4999], 4999)
})
