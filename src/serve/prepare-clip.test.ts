import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clip } from '../preprocess/frames.ts'
import { videoTokenConfig } from '../preprocess/video-tokens.ts'
import { countClip, prepareClip, type PrepareFrame, type PreparedFrame } from './prepare-clip.ts'

const CONFIG = videoTokenConfig({
  patchesPerSide: 4,
  rowsPerFrame: 16,
  pooling: { mode: 'average', stride: 2 },
  newline: 'end',
})

/** A clip whose frames are called by their numbers, and which says what was done with it. */
function fakeClip(frames: number, log: string[]): Clip {
  return {
    frames,
    framesPerSecond: 10,
    timeOf: (frame) => frame / 10,
    async *read(taken) {
      try {
        for (const frame of taken) {
          log.push(`read ${frame}`)
          yield String(frame)
        }
      } finally {
        log.push('closed')
      }
    },
  }
}

function frame(hash: string): PreparedFrame {
  const none = { shape: [0] }
  return {
    hash,
    tiles: { ...none, data: new Uint8Array() },
    pixelValues: { ...none, data: new Float32Array() },
  }
}

const byName: PrepareFrame = async (source) => frame(String(source))

test('frames, times and rows are known before anything is decoded', () => {
  const log: string[] = []
  const sampling = { frames: 4 }
  const clip = prepareClip(fakeClip(31, log), { sampling, config: CONFIG, prepareFrame: byName })
  assert.deepEqual(clip.times, [0, 1, 2, 3])
  assert.equal(clip.tokens.tokens, 17)
  assert.equal(countClip({ frames: 31, framesPerSecond: 10 }, sampling, CONFIG).tokens, 17)
  assert.deepEqual(log, [])
})

test('frames come in order although some take longer', async () => {
  const waits = new Map([
    ['0', 3],
    ['1', 2],
  ])
  const prepareFrame: PrepareFrame = async (source) => {
    for (let i = 0; i < (waits.get(String(source)) ?? 0); i++) await new Promise(setImmediate)
    return frame(String(source))
  }
  const parts = { sampling: { frames: 6 }, config: CONFIG, prepareFrame }
  const hashes: string[] = []
  for await (const { hash } of prepareClip(fakeClip(6, []), parts).frames()) hashes.push(hash)
  assert.deepEqual(hashes, ['0', '1', '2', '3', '4', '5'])
})

test('a few frames are read ahead, and leaving closes the clip', async () => {
  const log: string[] = []
  const parts = { sampling: { frames: 100 }, config: CONFIG, prepareFrame: byName }
  for await (const _ of prepareClip(fakeClip(100, log), parts).frames()) {
    await new Promise(setImmediate)
    break
  }
  assert.equal(log.at(-1), 'closed')
  assert.ok(log.length < 10, log.join())
})

test('a frame that cannot be prepared fails in its turn, and the clip is closed', async () => {
  const log: string[] = []
  const prepareFrame: PrepareFrame = async (source) => {
    if (source === '2') throw new Error('no picture')
    return frame(String(source))
  }
  const parts = { sampling: { frames: 6 }, config: CONFIG, prepareFrame }
  const hashes: string[] = []
  await assert.rejects(async () => {
    for await (const { hash } of prepareClip(fakeClip(6, log), parts).frames()) hashes.push(hash)
  }, /no picture/)
  assert.deepEqual(hashes, ['0', '1'])
  assert.equal(log.at(-1), 'closed')
})
