import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countVideoTokens, videoTokenConfig } from '../preprocess/video-tokens.ts'
import { arrangeVideoTokens } from '../sequence/arrange-video-tokens.ts'
import { MediaEncoder, type FrameEncoder } from './encode-media.ts'
import type { PreparedClip, PreparedFrame } from './prepare-clip.ts'

const CONFIG = videoTokenConfig({
  patchesPerSide: 1,
  rowsPerFrame: 1,
  pooling: { mode: 'none' },
  newline: 'none',
})
const FRAMES = 2

/** Frames whose one row is their number; nothing of them is kept. */
const TOWER: FrameEncoder = {
  encode: async ({ pixelValues }) => pixelValues(),
  encodeFrame: async ({ pixelValues }) => pixelValues(),
  keptFrames: () => null,
  noteFound() {},
}

function frame(number: number): PreparedFrame {
  const pixelValues = { shape: [1], data: Float32Array.of(number) }
  return { hash: String(number), tiles: { shape: [0], data: new Uint8Array() }, pixelValues }
}

/** A clip that is decoded when it is told to, and counts how often it began. */
function clipOnDemand() {
  const begun: { readonly signal: AbortSignal | undefined; readonly decode: () => void }[] = []
  const tokens = countVideoTokens(FRAMES, CONFIG)
  const clip: PreparedClip = {
    kind: 'video',
    tokens,
    maps: arrangeVideoTokens(tokens, CONFIG),
    times: [0, 1],
    key: async () => 'clip',
    async *frames(signal) {
      await new Promise<void>((decode) => begun.push({ signal, decode }))
      for (let i = 0; i < FRAMES; i++) yield frame(i)
    },
  }
  return { begun, clip }
}

/** Long enough for promises that wait for nothing else. */
const turn = () => new Promise(setImmediate)

test('whoever asked first and leaves does not take the clip from those who came later', async () => {
  const { begun, clip } = clipOnDemand()
  const media = new MediaEncoder(TOWER, { width: 1, newline: null })
  const leaves = new AbortController()
  const encode = (signal?: AbortSignal) => media.encode(clip, { clock: { decodeMs: 0 }, signal })
  const first = encode(leaves.signal)
  const others = [encode(), encode(new AbortController().signal)]
  await turn()
  leaves.abort(new Error('gone'))
  await assert.rejects(first, /gone/)
  assert.equal(begun[0]!.signal?.aborted, false)
  begun[0]!.decode()
  for (const { rows } of await Promise.all(others)) assert.deepEqual([...rows], [0, 1])
  assert.equal(begun.length, 1)
})

test('a clip that nobody wants any more is not decoded further; who comes then begins anew', async () => {
  const { begun, clip } = clipOnDemand()
  const media = new MediaEncoder(TOWER, { width: 1, newline: null })
  const leaves = new AbortController()
  const encode = (signal?: AbortSignal) => media.encode(clip, { clock: { decodeMs: 0 }, signal })
  const all = [encode(leaves.signal), encode(leaves.signal)]
  await turn()
  leaves.abort(new Error('gone'))
  for (const one of all) await assert.rejects(one, /gone/)
  assert.equal(begun[0]!.signal?.aborted, true)
  const again = encode()
  await turn()
  begun[1]!.decode()
  assert.deepEqual([...(await again).rows], [0, 1])
})
