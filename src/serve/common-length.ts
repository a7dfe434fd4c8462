/** How many of the first elements of `a` are those of `b` from `at` on. */
export function commonLength(a: readonly number[], b: readonly number[], at = 0): number {
  const limit = Math.min(a.length, b.length - at)
  let length = 0
  while (length < limit && a[length] === b[at + length]) length++
  return length
}
