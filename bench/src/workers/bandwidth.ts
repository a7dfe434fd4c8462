/** One thread of the memory measurement: reads half a gigabyte when told to, and says how many bytes that was. */
import { parentPort } from 'node:worker_threads'

const BYTES = 1 << 28
const first = Buffer.alloc(BYTES, 1)
const second = Buffer.alloc(BYTES, 1)

parentPort?.on('message', () => {
  if (!first.equals(second)) throw new Error('bench: two equal blocks of memory differ.')
  parentPort?.postMessage(2 * BYTES)
})
