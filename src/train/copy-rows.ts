/** Rows of matrices that lie in host memory, picked and put back. */

/** Rows of `source` by their numbers, one behind the other. */
export function gatherRows(target: Float32Array, source: Float32Array, rows: Int32Array): void {
  const width = target.length / rows.length
  rows.forEach((row, i) => target.set(source.subarray(row * width, (row + 1) * width), i * width))
}

/** Rows of `source`, one behind the other, to their numbers in `target`. */
export function scatterRows(target: Float32Array, source: Float32Array, rows: Int32Array): void {
  const width = source.length / rows.length
  rows.forEach((row, i) => target.set(source.subarray(i * width, (i + 1) * width), row * width))
}
