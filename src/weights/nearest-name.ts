/** Which of the known names was probably meant: for messages about names that do not exist. */

/**
 * The candidate that is `name` but for upper and lower case, else the one with the smallest edit distance to it, or undefined
 * if none is closer than half its length.
 */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  const folded = name.toLowerCase()
  let best: string | undefined
  let bestDistance = Math.floor(name.length / 2) + 1
  for (const candidate of candidates) {
    if (candidate.toLowerCase() === folded) return candidate
    const distance = editDistance(name, candidate, bestDistance)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Levenshtein's distance, or `limit` as soon as it cannot be smaller. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 0; i < a.length; i++) {
    const row = [i + 1]
    let smallest = i + 1
    for (let j = 0; j < b.length; j++) {
      const replaced = (previous[j] as number) + (a[i] === b[j] ? 0 : 1)
      const distance = Math.min(replaced, (previous[j + 1] as number) + 1, (row[j] as number) + 1)
      row.push(distance)
      smallest = Math.min(smallest, distance)
    }
    if (smallest >= limit) return limit
    previous = row
  }
  return Math.min(limit, previous[b.length] as number)
}
