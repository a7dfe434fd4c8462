import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  AHEAD,
  AHEAD_LENGTH,
  AHEAD_TURN,
  sharedWords,
  STATE,
  STATES,
  TURN,
} from './grammar-messages.ts'
import { SharedConstraint } from './shared-constraint-node.ts'
import { TokenTexts } from './token-texts.ts'

const VOCAB_SIZE = 256
const TEXTS = new TokenTexts({
  bytes: Uint8Array.from({ length: VOCAB_SIZE }, (_, id) => id),
  offsets: Uint32Array.from({ length: VOCAB_SIZE + 1 }, (_, id) => id),
  stopIds: [],
})
/** Longer than the other rows of an engine wait for it. */
const SLOW_MS = 30

/** A constraint whose thread is this test. */
function open(): { readonly words: Int32Array; readonly constraint: SharedConstraint } {
  const words = new Int32Array(new SharedArrayBuffer(4 * sharedWords(VOCAB_SIZE)))
  const thread = { texts: TEXTS, accept() {}, close() {}, masks: () => 0, async giveUp() {} }
  return { words, constraint: new SharedConstraint(words, thread) }
}

function publish(words: Int32Array, index: number): void {
  Atomics.add(words, index, 1)
  Atomics.notify(words, index)
}

// It was none after 2 ms, so that a busy machine read other tokens at once than an idle one.
test('what must come next is the same however long its thread takes', async () => {
  const { words, constraint } = open()
  const ahead = constraint.ahead()
  setTimeout(() => {
    new Uint8Array(words.buffer, 4 * AHEAD).set([0x61, 0x62, 0x63])
    words[AHEAD_LENGTH] = 3
    publish(words, AHEAD_TURN)
  }, SLOW_MS)
  assert.deepEqual(await ahead, [0x61, 0x62, 0x63])
  assert.deepEqual(await constraint.ahead(), [0x61, 0x62, 0x63])
  constraint.dispose()
})

test('it is nothing where the thread cannot say it, once that is known', async () => {
  const { words, constraint } = open()
  const ahead = constraint.ahead()
  setTimeout(() => {
    words[STATE] = STATES.broken
    publish(words, TURN)
  }, SLOW_MS)
  assert.deepEqual(await ahead, [])
  const other = open().constraint
  const closed = other.ahead()
  other.dispose()
  assert.deepEqual(await closed, [])
})
