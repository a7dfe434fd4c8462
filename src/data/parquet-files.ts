/**
 * The Parquet files of a folder, one split of them: as Hugging Face lays out data sets (`data/train-00000-of-00004.parquet`,
 * `CONFIG/test/0000.parquet`).
 */
import { readdirSync } from 'node:fs'
import { join, sep } from 'node:path'
import { ConfigError, InputError } from '../core/errors.ts'

/** Sorted by name. Throws ConfigError where it is not clear which split is meant: a test split is never learnt by accident. */
export function parquetFiles(path: string, split: string | null): string[] {
  if (/\.parquet$/i.test(path)) return [path]
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.parquet$/i.test(name))
    .sort()
  if (names.length === 0) {
    throw new InputError(
      'INPUT_DATA_MISSING',
      `data: the folder ${path} should hold .parquet files, it has none; name the file of records instead.`,
    )
  }
  const splits = new Set(names.map(splitOf).filter((found) => found !== null))
  if (split === null && splits.size <= 1) return names.map((name) => join(path, name))
  const wanted = split ?? 'train'
  if (!splits.has(wanted)) {
    throw new ConfigError(
      'CONFIG_DATASETS',
      `data: ${path} has the splits ${[...splits].join(', ') || '(none)'}, split ${wanted} was looked for; say which one is meant as split.`,
    )
  }
  return names.filter((name) => splitOf(name) === wanted).map((name) => join(path, name))
}

const NUMBERED = /^(.+)-\d+-of-\d+\./
const WORD = /^(train|test|validation|val|dev)(?=$|[-.])/

function splitOf(name: string): string | null {
  const parts = name.split(sep)
  const last = parts.at(-1) ?? ''
  for (const part of [last, ...parts.slice(0, -1)]) {
    const found = NUMBERED.exec(part)?.[1] ?? WORD.exec(part)?.[1]
    if (found !== undefined) return found
  }
  return null
}
