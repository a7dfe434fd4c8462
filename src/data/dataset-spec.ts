/**
 * What a data set is made of, as a recipe or a mixture file says it, to a list of sources.
 *
 *   set.json · set.jsonl · prefix{a,b}.json · a folder of .parquet files · mixture.yaml · { datasets: [...] }
 *
 * A mixture file is LLaVA-NeXT's (`datasets: [{ json_path, sampling_strategy }]`) with our fields beside it.
 * Source: `LazySupervisedDataset` in `llava/train/train.py` of LLaVA-VL/LLaVA-NeXT at df17966.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, parse, resolve } from 'node:path'
import { parse as parseYaml } from 'yaml'
import { ConfigError, InputError } from '../core/errors.ts'
import { isFolder } from '../core/make-folder-node.ts'
import { describeValue } from '../core/describe-value.ts'
import { isRow } from './row-format.ts'
import { parseSamplingStrategy, type SamplingStrategy } from './sampling-strategy.ts'

/** One entry of a mixture. In YAML the names may be written with underscores; `json_path` is `path`. */
export type SourceSpec = {
  /** A .json or .jsonl file, `prefix{a,b}.json`, a .parquet file or a folder of them. */
  readonly path: string
  /** Where the records' picture paths begin. Default: the file's folder. */
  readonly imageFolder?: string
  /** The same for clips. Default: `imageFolder`. */
  readonly videoFolder?: string
  /** A number of rows alone: so many at random. */
  readonly samplingStrategy?: string | number
  /** Share of an epoch, against the other sources' weights. All have one, or none. */
  readonly weight?: number
  /** What records, counts and messages call it. Default: the file's name. */
  readonly name?: string
  /** Of a folder whose Parquet files are named after splits. Default: the only one, else train. */
  readonly split?: string
}

/** A path alone is a source. */
export type MixtureEntry = string | SourceSpec

export type DatasetSpec = string | { readonly datasets: readonly MixtureEntry[] }

export type SpecDefaults = {
  readonly imageFolder?: string | undefined
  readonly videoFolder?: string | undefined
  /** Where relative paths begin. Default: the working directory; in a mixture file: its folder. */
  readonly baseFolder?: string | undefined
}

export type ParsedSource = {
  readonly name: string
  readonly kind: 'json' | 'parquet'
  readonly path: string
  readonly imageFolder: string
  readonly videoFolder: string
  readonly strategy: SamplingStrategy
  readonly weight: number | null
  readonly split: string | null
}

/** Throws ConfigError for what no recipe may say, InputError for a mixture file that is not there or no YAML. */
export function parseDatasetSpec(spec: DatasetSpec, defaults: SpecDefaults = {}): ParsedSource[] {
  const { baseFolder = process.cwd() } = defaults
  const isFile = typeof spec === 'string' && /\.ya?ml$/i.test(spec)
  const mixture = isFile ? resolve(baseFolder, spec) : null
  const entries =
    mixture !== null
      ? entriesOf(readMixture(mixture), `data: ${mixture}`)
      : typeof spec === 'string'
        ? [{ path: spec }]
        : entriesOf(spec, 'data')
  const base = mixture === null ? baseFolder : dirname(mixture)
  const sources = entries.flatMap((entry, i) => {
    const where = mixture === null ? `data.datasets[${i}]` : `data: ${mixture}: datasets[${i}]`
    return parseEntry(entry, base, defaults, typeof spec === 'string' && !isFile ? 'data' : where)
  })
  checkWeights(sources)
  return withOwnNames(sources)
}

function readMixture(path: string): unknown {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new InputError(
      'INPUT_DATA_MISSING',
      `data: expected a mixture file at ${path}, it cannot be read; check the path.`,
      { cause },
    )
  }
  try {
    return parseYaml(text)
  } catch (cause) {
    const reason = (cause as Error).message.split('\n')[0]
    throw new ConfigError(
      'CONFIG_DATASETS',
      `data: ${path} should be YAML, it is not (${reason}); mend it.`,
      { cause },
    )
  }
}

function entriesOf(value: unknown, where: string): readonly unknown[] {
  const list = isRow(value) ? value['datasets'] : undefined
  if (Array.isArray(list) && list.length > 0) return list as unknown[]
  throw new ConfigError(
    'CONFIG_DATASETS',
    `${where}: datasets should be a list of paths or { path, samplingStrategy, … }, it is not; name at least one file.`,
  )
}

/** Our names by those that mixture files may use. */
const FIELDS: Readonly<Record<string, keyof SourceSpec>> = {
  path: 'path',
  json_path: 'path',
  imageFolder: 'imageFolder',
  image_folder: 'imageFolder',
  videoFolder: 'videoFolder',
  video_folder: 'videoFolder',
  samplingStrategy: 'samplingStrategy',
  sampling_strategy: 'samplingStrategy',
  weight: 'weight',
  name: 'name',
  split: 'split',
}

const EXAMPLES: Readonly<Record<Exclude<keyof SourceSpec, 'weight'>, string>> = {
  path: 'records.json',
  imageFolder: 'images',
  videoFolder: 'clips',
  samplingStrategy: 'first:5',
  name: 'captions',
  split: 'train',
}

function parseEntry(
  entry: unknown,
  base: string,
  defaults: SpecDefaults,
  where: string,
): ParsedSource[] {
  const { path, samplingStrategy, weight, ...spec } = fieldsOf(entry, where)
  // What holds for all sources is relative to where it was said, and not to a mixture file.
  const { baseFolder = process.cwd() } = defaults
  const folder = (own: string | undefined, general: string | undefined) => {
    if (own !== undefined) return resolve(base, own)
    return general === undefined ? undefined : resolve(baseFolder, general)
  }
  return expandBraces(resolve(base, path)).map((file) => {
    const kind = kindOf(file, where)
    const beside = kind === 'parquet' && isFolder(file) ? file : dirname(file)
    const imageFolder = folder(spec.imageFolder, defaults.imageFolder) ?? beside
    return {
      name: spec.name ?? parse(file).name,
      kind,
      path: file,
      imageFolder,
      videoFolder: folder(spec.videoFolder, defaults.videoFolder) ?? imageFolder,
      strategy: parseSamplingStrategy(String(samplingStrategy ?? 'all'), where),
      weight: weight ?? null,
      split: spec.split ?? null,
    }
  })
}

function fieldsOf(entry: unknown, where: string): SourceSpec {
  if (typeof entry === 'string') return { path: entry }
  if (!isRow(entry)) {
    throw new ConfigError(
      'CONFIG_DATASETS',
      `${where}: expected a path or { path, samplingStrategy, … }, ${describeValue(entry)} came.`,
    )
  }
  const fields: Record<string, unknown> = {}
  const faults: string[] = []
  for (const [key, value] of Object.entries(entry)) {
    const name = Object.hasOwn(FIELDS, key) ? FIELDS[key] : undefined
    if (name === undefined) faults.push(`${key} is not one of ${Object.keys(FIELDS).join(', ')}`)
    else if (name in fields) faults.push(`${name} comes twice`)
    else if (name !== 'weight' && typeof value !== 'string' && !isCount(name, value))
      faults.push(`${key} should be a text such as ${EXAMPLES[name]}, ${describeValue(value)} came`)
    else if (name === 'weight' && !(typeof value === 'number' && value > 0 && value < Infinity))
      faults.push(`weight should be a number above 0, ${String(value)} came`)
    else fields[name] = value
  }
  if (fields['path'] === undefined) faults.push('path is missing')
  if (faults.length > 0) throw new ConfigError('CONFIG_DATASETS', `${where}: ${faults.join('; ')}.`)
  return fields as SourceSpec
}

/** YAML reads a number of rows alone as a number. */
function isCount(name: keyof SourceSpec, value: unknown): boolean {
  return name === 'samplingStrategy' && typeof value === 'number'
}

/** `prefix{a,b}.json` is two files. */
function expandBraces(path: string): string[] {
  const [, before = '', names, after = ''] = /^(.*)\{(.*)\}(\.jsonl?)$/.exec(path) ?? []
  return names === undefined ? [path] : names.split(',').map((name) => before + name + after)
}

function kindOf(path: string, where: string): ParsedSource['kind'] {
  if (/\.jsonl?$/i.test(path)) return 'json'
  if (/\.parquet$/i.test(path) || isFolder(path)) return 'parquet'
  if (!existsSync(path)) {
    throw new InputError(
      'INPUT_DATA_MISSING',
      `${where}: expected records at ${path}, there is nothing; check the path.`,
    )
  }
  throw new ConfigError(
    'CONFIG_DATASETS',
    `${where}: path should end in .json, .jsonl or .parquet or be a folder of .parquet files, ${path} came; a mixture inside a mixture is not read.`,
  )
}

function checkWeights(sources: readonly ParsedSource[]): void {
  const bare = sources.filter(({ weight }) => weight === null)
  if (bare.length === 0 || bare.length === sources.length) return
  throw new ConfigError(
    'CONFIG_DATASETS',
    `data: ${bare.map(({ name }) => name).join(', ')} should have a weight as the other sources have; give all one, or none.`,
  )
}

/** Sources of one name would be counted as one. */
function withOwnNames(sources: readonly ParsedSource[]): ParsedSource[] {
  const taken = new Set<string>()
  return sources.map((source) => {
    let { name } = source
    if (taken.has(name)) name = join(parse(dirname(source.path)).base, name)
    for (let i = 2; taken.has(name); i++) name = `${source.name} (${i})`
    taken.add(name)
    return { ...source, name }
  })
}
