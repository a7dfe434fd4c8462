import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clip } from '../preprocess/frames.ts'
import { videoTokenConfig } from '../preprocess/video-tokens.ts'
import {
  ClipPreparer,
  countClip,
  type PreparedClip,
  type PrepareFrame,
  type PreparedFrame,
} from './prepare-clip.ts'

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

/** A preparer of one clip, and how often it was opened. */
function preparerOf(clip: Clip, prepareFrame: PrepareFrame) {
  const counted = { opened: 0 }
  const opener = {
    find: async () => Uint8Array.of(1),
    identify: async () => null,
    async open() {
      counted.opened++
      return clip
    },
    infoOf: () => clip,
  }
  return { counted, preparer: new ClipPreparer({ opener, config: CONFIG, prepareFrame }) }
}

function prepared(clip: Clip, frames: number, prepareFrame: PrepareFrame): Promise<PreparedClip> {
  const { preparer } = preparerOf(clip, prepareFrame)
  return preparer.prepare('clip', { sampling: { frames }, salt: '' })
}

const byName: PrepareFrame = async (source) => frame(String(source))

test('frames, times and rows are known before anything is decoded', async () => {
  const log: string[] = []
  const sampling = { frames: 4 }
  const clip = await prepared(fakeClip(31, log), 4, byName)
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
  const clip = await prepared(fakeClip(6, []), 6, prepareFrame)
  const hashes: string[] = []
  for await (const { hash } of clip.frames()) hashes.push(hash)
  assert.deepEqual(hashes, ['0', '1', '2', '3', '4', '5'])
})

test('a few frames are read ahead, and leaving closes the clip', async () => {
  const log: string[] = []
  const clip = await prepared(fakeClip(100, log), 100, byName)
  for await (const _ of clip.frames()) {
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
  const clip = await prepared(fakeClip(6, log), 6, prepareFrame)
  const hashes: string[] = []
  await assert.rejects(async () => {
    for await (const { hash } of clip.frames()) hashes.push(hash)
  }, /no picture/)
  assert.deepEqual(hashes, ['0', '1'])
  assert.equal(log.at(-1), 'closed')
})

test('a film is opened once for all that want the same of it, and not to be looked at again', async () => {
  const { counted, preparer } = preparerOf(fakeClip(31, []), byName)
  const ask = (frames: number, salt = '') =>
    preparer.prepare('clip', { sampling: { frames }, salt })
  const clips = await Promise.all([ask(4), ask(4), ask(4)])
  assert.equal(counted.opened, 1)
  const later = await ask(4)
  assert.equal(counted.opened, 1)
  assert.deepEqual(later.times, clips[0]!.times)
  const keys = await Promise.all([...clips, later].map((clip) => clip.key()))
  assert.equal(new Set(keys).size, 1)
  for await (const _ of later.frames()) break
  assert.equal(counted.opened, 2, 'what is decoded is opened')
  const others = await Promise.all([ask(5), ask(4, 'salt')])
  assert.equal(counted.opened, 4)
  for (const clip of others) assert.notEqual(await clip.key(), keys[0])
})
