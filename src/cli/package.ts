/** What the command line knows of its own package: version and folder. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { UsageError } from './usage-error.ts'

const NAME = 'llava-ts'

/** The nearest folder above this file with the package's package.json: the files may run from dist/ or build/. */
export function packageFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (readManifest(folder)?.name !== NAME) {
    const parent = dirname(folder)
    if (parent === folder) throw new Error(`internal: no package.json of ${NAME} above the program`)
    folder = parent
  }
  return folder
}

export function packageVersion(): string {
  return readManifest(packageFolder())?.version ?? ''
}

/** The model that comes with the package. Throws UsageError where there is none. */
export function defaultModel(folder = packageFolder()): string {
  const path = join(folder, 'models', 'mini')
  if (existsSync(path)) return path
  throw new UsageError(
    'no model was named and none comes with this version; give one with --model: a folder or a .gguf file.',
  )
}

function readManifest(folder: string): { name?: string; version?: string } | null {
  const path = join(folder, 'package.json')
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as object) : null
}
