/** Names of files as people write them for shards: `train-{000..123}.tar`, `part-{a,b}.tar`, `shards/*.tar`. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { InputError } from '../core/errors.ts'

/** So many names may come of braces: one digit too many is a slip. */
const MOST_NAMES = 1_000_000

/**
 * The paths that a pattern stands for: braces in their order, what matches `*`, `?` and `[…]` by name. A path that is
 * there is itself. Throws InputError where nothing matches.
 */
export function expandPaths(pattern: string): string[] {
  if (existsSync(pattern)) return [pattern]
  const names = expandBraces(pattern)
  return names.flatMap((name) => {
    if (!/[*?[]/.test(name)) return [name]
    const found = matches(name)
    if (found.length > 0) return found
    throw new InputError(
      'INPUT_DATA_MISSING',
      `data: files should match ${name}, there are none; check the pattern.`,
    )
  })
}

function expandBraces(pattern: string): string[] {
  const found = /\{([^{}]*)\}/.exec(pattern)
  if (!found) return [pattern]
  const [whole, inside = ''] = found
  const before = pattern.slice(0, found.index)
  const after = pattern.slice(found.index + whole.length)
  const names: string[] = []
  for (const choice of choicesOf(inside, pattern)) {
    for (const name of expandBraces(`${before}${choice}${after}`)) names.push(name)
    if (names.length > MOST_NAMES) throw tooMany(pattern)
  }
  return names
}

/** `000..123` counts, with as many digits as the longer end begins with zeros; else what stands between commas. */
function choicesOf(inside: string, pattern: string): string[] {
  const [, first, last] = /^(\d+)\.\.(\d+)$/.exec(inside) ?? []
  if (first === undefined || last === undefined) return inside.split(',')
  const [from, to] = [Number(first), Number(last)]
  if (Math.abs(to - from) >= MOST_NAMES) throw tooMany(pattern)
  const isPadded = /^0\d/.test(first) || /^0\d/.test(last)
  const digits = isPadded ? Math.max(first.length, last.length) : 0
  const step = to < from ? -1 : 1
  return Array.from({ length: Math.abs(to - from) + 1 }, (_, i) =>
    String(from + i * step).padStart(digits, '0'),
  )
}

function tooMany(pattern: string): InputError {
  return new InputError(
    'INPUT_DATA_PATTERN',
    `data: a pattern should stand for ${MOST_NAMES} files at most, ${pattern} stands for more; check its numbers.`,
  )
}

function matches(pattern: string): string[] {
  const parts = pattern.split('/')
  let found = parts[0] === '' ? ['/'] : ['']
  for (const [i, part] of parts.entries()) {
    if (part === '' && i === 0) continue
    found = found.flatMap((folder) => children(folder, part))
  }
  return found
}

function children(folder: string, part: string): string[] {
  const path = (name: string) => (folder === '' ? name : join(folder, name))
  if (!/[*?[]/.test(part)) return existsSync(path(part)) ? [path(part)] : []
  const wanted = segmentPattern(part)
  return namesIn(folder === '' ? '.' : folder)
    .filter((name) => wanted.test(name) && (part.startsWith('.') || !name.startsWith('.')))
    .sort()
    .map(path)
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return [] // No folder, or one that may not be read, has no match.
  }
}

/** `[…]` is a set of characters, as in a shell; `[!…]` all others. */
function segmentPattern(part: string): RegExp {
  const source = part.replace(/\[(!?)([^\]]+)\]|[*?]|[\\^$.+(){}|[\]]/g, (all, not, set) => {
    if (all === '*') return '[^/]*'
    if (all === '?') return '[^/]'
    if (typeof set === 'string') return `[${not ? '^' : ''}${set.replace(/[\\^]/g, '\\$&')}]`
    return `\\${all}`
  })
  return new RegExp(`^${source}$`, 'u')
}
