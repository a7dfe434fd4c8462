/** Garbage that V8 does not see: the pixels that sharp decoded. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** A photograph of 11 megapixels, or thirty small ones: a collection takes milliseconds, decoding these hundreds. */
const MOST_GARBAGE = 32 << 20

/**
 * To be told of pixels that nobody needs any more, in bytes; collects garbage when they are many.
 *
 * To V8 a picture of sharp's is an object of some bytes, and a worker makes few objects: left to itself it was seen to keep
 * one of 117 MB for a quarter of an hour. Such buffers cannot be detached or moved to another thread.
 */
export function collectPixels(): (bytes: number) => void {
  // Where there is none, pictures are kept longer than they need to be, and are as right as ever.
  const collect = openCollector() ?? (() => {})
  let garbage = 0
  return (bytes) => {
    garbage += bytes
    if (garbage < MOST_GARBAGE) return
    garbage = 0
    // Not before the job's own variables are gone.
    setImmediate(collect)
  }
}

/** Contexts that are made while another thread takes the flag away again; more than a few in a row were never seen. */
const MOST_TRIES = 1000

/** V8's `gc`, which a new context has while the flag is set. Flags are the process's: each worker sets and takes away the same. */
export function openCollector(): (() => void) | undefined {
  for (let i = 0; i < MOST_TRIES; i++) {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('globalThis.gc') as (() => void) | undefined
    setFlagsFromString('--no-expose-gc')
    if (collect) return collect
  }
}
