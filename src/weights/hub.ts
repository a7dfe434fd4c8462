/**
 * The Hugging Face hub without the platform: settings, names, and which files of a repository make a model.
 *
 * Source: huggingface_hub 1.x, docs "Environment variables" and "Manage your cache".
 */
import { CheckpointError, InputError } from '../core/errors.ts'
import { setVariables, type Environment } from '../core/set-variables.ts'

export type HubSettings = {
  /** The folder that holds `models--ORG--NAME`. */
  readonly cacheDir: string
  readonly endpoint: string
  readonly offline: boolean
  readonly token?: string
  /** Where `hf auth login` keeps a token; read when `token` is absent. */
  readonly tokenFile?: string
}

/**
 * The settings that Python's huggingface_hub would take from the same environment, where it has no empty variables: here
 * they count as not set. Throws nothing: what is not set has its default.
 */
export function hubOptionsFromEnvironment(environment: Environment): HubSettings {
  const env = setVariables(environment)
  const userHome = env['HOME'] ?? env['USERPROFILE'] ?? '.'
  const cacheHome = env['XDG_CACHE_HOME'] ?? `${userHome}/.cache`
  const home = expandHome(env['HF_HOME'] ?? `${cacheHome}/huggingface`, userHome)
  const cacheDir = env['HF_HUB_CACHE'] ?? env['HUGGINGFACE_HUB_CACHE'] ?? `${home}/hub`
  const token = (env['HF_TOKEN'] ?? env['HUGGING_FACE_HUB_TOKEN'] ?? '').trim()
  const isImplicit = !isTrue(env['HF_HUB_DISABLE_IMPLICIT_TOKEN'])
  return {
    cacheDir: expandHome(cacheDir, userHome),
    endpoint: (env['HF_ENDPOINT'] ?? DEFAULT_ENDPOINT).replace(/\/+$/, ''),
    offline: isTrue(env['HF_HUB_OFFLINE']) || isTrue(env['TRANSFORMERS_OFFLINE']),
    ...(token !== '' && isImplicit && { token }),
    ...(isImplicit && { tokenFile: expandHome(env['HF_TOKEN_PATH'] ?? `${home}/token`, userHome) }),
  }
}

export const DEFAULT_ENDPOINT = 'https://huggingface.co'

function isTrue(value: string | undefined): boolean {
  return ['1', 'ON', 'YES', 'TRUE'].includes((value ?? '').toUpperCase())
}

function expandHome(path: string, userHome: string): string {
  return path.replace(/^~(?=$|[\\/])/, userHome)
}

/** Whether `text` can be the id of a hub repository: `name` or `org/name`. */
export function isModelId(text: string): boolean {
  const isNamed = /^(?:[\w.-]+\/)?[\w.-]+$/.test(text) && text.length <= 96
  return isNamed && !/--|\.\.|(?:^|\/)[.-]|[.-](?:\/|$)|\.git$/.test(text)
}

/** Throws InputError unless the id and the revision are what the hub allows; both become parts of paths. */
export function checkModelId(id: string, revision: string): void {
  if (!isModelId(id)) {
    throw new InputError(
      'INPUT_MODEL_ID',
      `weights: expected a hub id such as llava-hf/llava-1.5-7b-hf, ${JSON.stringify(id)} came; letters, digits, ".", "_" and "-" may stand in it.`,
    )
  }
  // Git has neither two dots in a name nor a part that begins with one.
  if (!/^[\w.-]+(?:\/[\w.-]+)*$/.test(revision) || /\.\.|(?:^|\/)\./.test(revision)) {
    throw new InputError(
      'INPUT_MODEL_REVISION',
      `weights: expected a branch, tag or commit as revision of ${id}, ${JSON.stringify(revision)} came.`,
    )
  }
}

/** `models--llava-hf--llava-1.5-7b-hf` */
export function repositoryFolder(id: string): string {
  return `models--${id.replaceAll('/', '--')}`
}

/** The id whose snapshot in the Hugging Face cache `folder` is (`…/models--ORG--NAME/snapshots/COMMIT`), or null. */
export function repositoryOf(folder: string): string | null {
  const found = /[\\/]models--([^\\/]+)[\\/]snapshots[\\/][^\\/]+$/.exec(folder)
  return found?.[1]?.replaceAll('--', '/') ?? null
}

/**
 * The files of a repository that are wanted: those that a pattern (`*`, `?`, `[…]` as in Python's fnmatch) allows, or
 * without patterns what loading a model takes: configs, tokenizers, and one form of the weights, safetensors first.
 */
export function selectFiles(paths: readonly string[], allow?: readonly string[]): string[] {
  if (allow) {
    const tests = allow.map(globPattern)
    return paths.filter((path) => tests.some((test) => test.test(path)))
  }
  const top = paths.filter((path) => !path.includes('/'))
  const small = top.filter((path) => /\.(json|jinja|model|txt)$/.test(path))
  const trained = top.filter((path) => /^(mm_projector|non_lora_trainables)\.bin$/.test(path))
  return [...new Set([...small, ...trained, ...selectWeights(top)])]
}

function selectWeights(top: readonly string[]): string[] {
  const groups = [
    /^(?!consolidated).*\.safetensors$/,
    /^(pytorch_model|adapter_model).*\.bin$/,
    /\.gguf$/,
  ]
  for (const group of groups) {
    const found = top.filter((path) => group.test(path))
    if (found.length === 0) continue
    if (!found.every((path) => path.endsWith('.gguf')) || found.length === 1) return found
    throw new CheckpointError(
      'CHECKPOINT_AMBIGUOUS',
      `weights: expected one .gguf file in the repository, there are ${found.length} (${found.join(', ')}); name the one you want with allow.`,
    )
  }
  return []
}

function globPattern(glob: string): RegExp {
  const source = glob.replace(/\[!?[^\]]*\]|[^[]|\[/g, (part) => {
    if (part === '*') return '.*'
    if (part === '?') return '.'
    if (part.length > 1) return `[${part.slice(1, -1).replace(/^!/, '^').replaceAll('\\', '\\\\')}]`
    return part.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&')
  })
  return new RegExp(`^${source}$`, 's')
}

/**
 * What is missing for a model in a folder with the files `names`: a config, weights, or shards that an index (parsed, by
 * file name) lists. Empty if it can be loaded. With patterns, at least one file must match each.
 */
export function missingFiles(
  names: readonly string[],
  indexes: ReadonlyMap<string, unknown>,
  allow?: readonly string[],
): string[] {
  if (allow) {
    return allow.filter((glob) => !names.some((name) => globPattern(glob).test(name)))
  }
  const missing: string[] = []
  const has = (pattern: RegExp) => names.some((name) => pattern.test(name))
  // The order in which a checkpoint is opened: one file before several, safetensors before pickles.
  const index = has(/^model\.safetensors$/) ? undefined : firstIndex(indexes)
  if (index) {
    const shards = shardNames(index.json) ?? [`a readable ${index.name}`]
    missing.push(...new Set(shards.filter((name) => !names.includes(name))))
  } else if (!has(/\.(safetensors|bin|gguf)$/)) missing.push('model.safetensors')
  if (!has(/^(adapter_)?config\.json$|\.gguf$/)) missing.unshift('config.json')
  return missing
}

function firstIndex(
  indexes: ReadonlyMap<string, unknown>,
): { name: string; json: unknown } | undefined {
  for (const name of ['model.safetensors.index.json', 'pytorch_model.bin.index.json']) {
    if (indexes.has(name)) return { name, json: indexes.get(name) }
  }
  return undefined
}

function shardNames(index: unknown): string[] | undefined {
  const map =
    typeof index === 'object' && index !== null
      ? (index as { weight_map?: unknown }).weight_map
      : undefined
  if (typeof map !== 'object' || map === null) return undefined
  return Object.values(map).filter((name) => typeof name === 'string')
}
