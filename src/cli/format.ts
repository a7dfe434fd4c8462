/** Numbers as people read them. */

/** `13.5 GB`: decimal units, as disks and hubs count. */
export function formatBytes(bytes: number): string {
  return withUnit(bytes, ['B', 'kB', 'MB', 'GB', 'TB'])
}

/** `7.06 B`, as models are called. */
export function formatCount(count: number): string {
  return withUnit(count, ['', 'k', 'M', 'B', 'T']).trimEnd()
}

/** `45 s`, `12 min`, `3 h 25 min`, `40 days`: how long something takes still. */
export function formatDuration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 90) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 100 ? `${hours} h ${minutes % 60} min` : `${Math.round(hours / 24)} days`
}

function withUnit(value: number, units: readonly string[]): string {
  const power = Math.min(
    units.length - 1,
    Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)),
  )
  const scaled = value / 1000 ** power
  const digits = power === 0 || scaled >= 100 ? 0 : scaled >= 10 ? 1 : 2
  return `${scaled.toFixed(digits)} ${units[power]}`
}

/** Rows of cells as columns that line up: numbers to the right, texts to the left. */
export function formatTable(rows: readonly (readonly (string | number)[])[]): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length))
  const widths = Array.from({ length: columns }, (_, i) =>
    Math.max(...rows.map((row) => String(row[i] ?? '').length)),
  )
  return rows.map((row) =>
    row
      .map((cell, i) => {
        const width = widths[i] as number
        return typeof cell === 'number' ? String(cell).padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd(),
  )
}
