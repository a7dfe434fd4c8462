/** Models that come with the package: `loadModel('mini')`. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The model that answers where none is named. */
export const DEFAULT_MODEL = 'mini'

const PACKAGE = 'llava-ts'

/** The folder of a model in the package, or null where this version has none of that name. */
export function packagedModel(name: string): string | null {
  const root = packageFolder()
  if (root === null || !/^[a-z][a-z0-9-]*$/.test(name)) return null
  const path = join(root, 'models', name)
  return existsSync(join(path, 'config.json')) ? path : null
}

/** The nearest folder above this file with the package's package.json: the files may run from dist/ or build/. */
export function packageFolder(): string | null {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (nameIn(folder) !== PACKAGE) {
    const parent = dirname(folder)
    if (parent === folder) return null
    folder = parent
  }
  return folder
}

function nameIn(folder: string): string | undefined {
  const path = join(folder, 'package.json')
  if (!existsSync(path)) return undefined
  return (JSON.parse(readFileSync(path, 'utf8')) as { name?: string }).name
}
