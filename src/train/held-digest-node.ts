/** What an adapter that training goes on from brings for frozen parameters, as a line that two runs can compare. */
import { createHash } from 'node:crypto'

export function heldDigest(held: ReadonlyMap<string, Float32Array>): string {
  if (held.size === 0) return 'frozen parameters: 0'
  const hash = createHash('sha256')
  for (const [path, data] of [...held].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(path).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  }
  return `frozen parameters: ${held.size}, SHA-256 ${hash.digest('hex')}`
}
