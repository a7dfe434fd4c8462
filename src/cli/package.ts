/** What the command line knows of its own package: version and folder. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DEFAULT_MODEL, packagedModel, packageFolder as rootOf } from '../packaged-model-node.ts'
import { UsageError } from './usage-error.ts'

export function packageFolder(): string {
  const folder = rootOf()
  if (folder === null) throw new Error('internal: no package.json of llava-ts above the program')
  return folder
}

export function packageVersion(): string {
  const manifest = readFileSync(join(packageFolder(), 'package.json'), 'utf8')
  return (JSON.parse(manifest) as { version?: string }).version ?? ''
}

/** The name of the model that comes with the package. Throws UsageError where there is none. */
export function defaultModel(): string {
  if (packagedModel(DEFAULT_MODEL) !== null) return DEFAULT_MODEL
  throw new UsageError(
    'no model was named and none comes with this version; give one with --model: a folder or a .gguf file.',
  )
}
