/** Of which name a path is, where several names and several paths end alike: of the one that it shares most folders with. */

/** The paths of each name; a path that shares as many folders with several names is of none. */
export function sharePaths(
  names: readonly string[],
  paths: readonly string[],
): ReadonlyMap<string, readonly string[]> {
  const own = new Map(names.map((name): [string, string[]] => [name, []]))
  const namesOf = namesByFolder(names)
  for (const path of paths) {
    const name = nearest(path, names, namesOf)
    if (name !== null) own.get(name)?.push(path)
  }
  return own
}

/** By folder the names with it, as often as they have it. What all names have tells none apart, and would make every path look at all of them. */
function namesByFolder(names: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const namesOf = new Map<string, string[]>()
  for (const name of names) {
    for (const folder of foldersOf(name)) {
      const list = namesOf.get(folder)
      if (list) list.push(name)
      else namesOf.set(folder, [name])
    }
  }
  for (const [folder, list] of namesOf) {
    if (list.length === names.length && new Set(list).size === names.length) namesOf.delete(folder)
  }
  return namesOf
}

function nearest(
  path: string,
  names: readonly string[],
  namesOf: ReadonlyMap<string, readonly string[]>,
): string | null {
  const shared = new Map<string, number>()
  for (const folder of new Set(foldersOf(path))) {
    for (const name of namesOf.get(folder) ?? []) shared.set(name, (shared.get(name) ?? 0) + 1)
  }
  const most = [...shared.values()].reduce((a, b) => Math.max(a, b), 0)
  if (most === 0) return names.length === 1 ? (names[0] as string) : null
  const best = [...shared].filter(([, count]) => count === most)
  return best.length === 1 ? (best[0]?.[0] ?? null) : null
}

function foldersOf(path: string): string[] {
  return path.split(/[\\/]/).slice(0, -1)
}
