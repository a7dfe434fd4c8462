/** Files of the assets, with an error that says what is missing. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { InputError } from '../../core/errors.ts'

export function readAssetText(assets: string, path: string): string {
  assertThere(assets, path)
  return readFileSync(join(assets, path), 'utf8')
}

/** Names in a folder in the order of their code units, whatever the file system says. */
export function listAssets(assets: string, path: string): string[] {
  assertThere(assets, path)
  return readdirSync(join(assets, path)).sort()
}

export function hasAsset(assets: string, path: string): boolean {
  return existsSync(join(assets, path))
}

function assertThere(assets: string, path: string): void {
  if (hasAsset(assets, path)) return
  throw new InputError(
    'INPUT_ASSET_MISSING',
    `data: ${path} should be in the folder of pictures ${assets}, but is not; give the folder that holds grocery, clothing, … or leave this source out.`,
  )
}

/** One item of each group in turn until all are taken: every class as often as any other, as long as it lasts. */
export function takeTurns<T>(groups: readonly (readonly T[])[], count: number): T[] {
  const taken: T[] = []
  for (let round = 0; taken.length < count; round++) {
    const items = groups.flatMap((group) => (round < group.length ? [group[round] as T] : []))
    if (items.length === 0) break
    taken.push(...items)
  }
  return taken.slice(0, count)
}

export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group === undefined) groups.set(keyOf(item), [item])
    else group.push(item)
  }
  return [...groups.values()]
}
