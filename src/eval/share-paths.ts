/** Of which name a path is, where several names and several paths end alike: of the one that it shares most folders with. */

/** The paths of each name; a path that shares as many folders with several names is of none. */
export function sharePaths(
  names: readonly string[],
  paths: readonly string[],
): ReadonlyMap<string, readonly string[]> {
  const own = new Map(names.map((name): [string, string[]] => [name, []]))
  const nearest = nearestName(names)
  for (const path of paths) {
    const name = nearest(path)
    if (name !== null) own.get(name)?.push(path)
  }
  return own
}

/** Paths whose folders are to the names the same are of one name: it is looked for once. */
function nearestName(names: readonly string[]): (path: string) => string | null {
  const only = names.length === 1 ? (names[0] ?? null) : null
  const groups = foldersOfNames(names)
  const found = new Map<string, string | null>()
  return (path) => {
    const known = [...new Set(foldersOf(path))].filter((folder) => groups.has(folder)).sort()
    if (known.length === 0) return only
    const key = known.join('/')
    const before = found.get(key)
    if (before !== undefined) return before
    const name = mostShared(known.flatMap((folder) => groups.get(folder) ?? []))
    found.set(key, name)
    return name
  }
}

/** A folder's names, how often each has it, and how often one has it at most. */
type Group = { readonly counts: ReadonlyMap<string, number>; readonly most: number }

function foldersOfNames(names: readonly string[]): ReadonlyMap<string, Group> {
  const countsOf = new Map<string, Map<string, number>>()
  for (const name of names) {
    for (const folder of foldersOf(name)) {
      const counts = countsOf.get(folder) ?? new Map<string, number>()
      counts.set(name, (counts.get(name) ?? 0) + 1)
      countsOf.set(folder, counts)
    }
  }
  return new Map(
    [...countsOf].map(([folder, counts]) => {
      return [folder, { counts, most: [...counts.values()].reduce((a, b) => Math.max(a, b)) }]
    }),
  )
}

/**
 * The name that is most often in these groups; null where several are. The rarest folder comes first: names that are in none of the
 * groups so far have at most what the others hold, so that a folder of nearly all names is seldom looked through.
 */
function mostShared(groups: readonly Group[]): string | null {
  const rarestFirst = [...groups].sort((a, b) => a.counts.size - b.counts.size)
  const shared = (name: string) =>
    groups.reduce((sum, { counts }) => sum + (counts.get(name) ?? 0), 0)
  const seen = new Map<string, number>()
  let best = 0
  let left = groups.reduce((sum, { most }) => sum + most, 0)
  for (const { counts, most } of rarestFirst) {
    if (best > left) break
    for (const name of counts.keys()) if (!seen.has(name)) seen.set(name, shared(name))
    best = [...seen.values()].reduce((a, b) => Math.max(a, b), best)
    left -= most
  }
  const nearest = [...seen].filter(([, count]) => count === best)
  return nearest.length === 1 ? (nearest[0]?.[0] ?? null) : null
}

function foldersOf(path: string): string[] {
  return path.split(/[\\/]/).slice(0, -1)
}
