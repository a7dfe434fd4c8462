/** Arrays one behind another, in one of their kind. */
export function concatenate<T extends Uint8Array | Float32Array>(
  parts: readonly T[],
  Kind: new (length: number) => T,
): T {
  const whole = new Kind(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
