/** What the command line knows of its own package: version and folder. */
import { existsSync, readFileSync } from 'node:fs'
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

/** The version, and the commit where the package is a clone: numbers of the same version may be of another program. */
export function codeVersion(): string {
  const commit = commitOf(packageFolder())
  return commit === null ? packageVersion() : `${packageVersion()}+${commit.slice(0, 12)}`
}

/** What is checked out; null where the folder is no clone, or one whose files are elsewhere. */
export function commitOf(folder: string): string | null {
  const read = (name: string) => {
    const path = join(folder, '.git', name)
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }
  const head = read('HEAD').trim()
  const ref = /^ref: (refs\/\S+)$/.exec(head)?.[1]
  const packed = read('packed-refs')
    .split('\n')
    .find((line) => line.endsWith(` ${ref}`))
  const commit = ref === undefined ? head : read(ref).trim() || (packed?.split(' ')[0] ?? '')
  return /^[\da-f]{40,64}$/.test(commit) ? commit : null
}

/** The name of the model that comes with the package. Throws UsageError where there is none. */
export function defaultModel(): string {
  if (packagedModel(DEFAULT_MODEL) !== null) return DEFAULT_MODEL
  throw new UsageError(
    'no model was named and none comes with this version; give one with --model: a folder or a .gguf file.',
  )
}
