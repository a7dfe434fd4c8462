/**
 * User requests with pictures, from a folder as people keep them: JSON lines or lists of {image, text} (also `question` or `prompt`
 * in place of `text`; `id`, `category` and `answer` where there are), or a picture beside a text of the same name.
 */
import { existsSync, readdirSync } from 'node:fs'
import { dirname, isAbsolute, join, parse, relative, sep } from 'node:path'
import { InputError } from '../../core/errors.ts'
import { readText } from '../../core/read-text-node.ts'
import { isHiddenName } from '../hidden-name.ts'

export type BenchRequest = {
  readonly id: string
  /** Absolute paths or below the working folder. */
  readonly images: readonly string[]
  readonly text: string
  readonly category: string | null
  /** An answer that came with the request. */
  readonly answer: string | null
}

export type DroppedRequest = { readonly id: string; readonly reason: string }

const PICTURE = /\.(?:png|jpe?g|webp|gif|bmp|tiff?|avif)$/i

/** In the order of files and rows, without what was written to `out`. Throws InputError where the folder holds none. */
export function readRequests(
  folder: string,
  out?: string,
): {
  readonly requests: readonly BenchRequest[]
  readonly dropped: readonly DroppedRequest[]
} {
  const own = prefixOf(folder, out)
  const names = existsSync(folder)
    ? readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .map((name) => name.split(sep).join('/'))
        .filter((name) => !isHiddenName(name) && !(own !== null && name.startsWith(own)))
        .sort()
    : []
  const rows = [
    ...names.filter((name) => /\.jsonl?$/i.test(name)).flatMap((name) => fromFile(folder, name)),
    ...pairs(folder, names),
  ]
  if (rows.length === 0) {
    throw new InputError(
      'INPUT_REQUESTS_MISSING',
      `data build-bench: ${folder} should hold requests (.json or .jsonl with image and text, or pictures with a .txt beside each), it holds none.`,
    )
  }
  const ids = new Set<string>()
  const requests: BenchRequest[] = []
  const dropped: DroppedRequest[] = []
  for (const row of rows) {
    const fault = faultOf(row, ids)
    if (fault === null) requests.push(row)
    else dropped.push({ id: row.id, reason: fault })
    ids.add(row.id)
  }
  return { requests, dropped }
}

/** Where the benchmark lies in the folder of requests: its files are none. */
function prefixOf(folder: string, out: string | undefined): string | null {
  if (out === undefined) return null
  const way = relative(folder, out).split(sep).join('/')
  if (way === '') {
    throw new InputError(
      'INPUT_OUT_IS_INPUT',
      `data build-bench: ${folder} holds the requests, the benchmark should go to another folder; name it as --out.`,
    )
  }
  return way.startsWith('../') || way === '..' || isAbsolute(way) ? null : `${way}/`
}

function faultOf({ id, text, images }: BenchRequest, ids: ReadonlySet<string>): string | null {
  if (ids.has(id)) return 'its id came before'
  if (text.trim() === '') return 'no text'
  if (images.length === 0) return 'no picture'
  const missing = images.find((image) => !existsSync(image))
  return missing === undefined ? null : `no file at ${missing}`
}

function fromFile(folder: string, name: string): BenchRequest[] {
  const path = join(folder, name)
  return rowsOf(readText(path), name).map((row, i) => {
    const images: unknown = row['image'] ?? row['images'] ?? []
    const text = row['text'] ?? row['question'] ?? row['prompt'] ?? row['Question'] ?? ''
    const optional = (value: unknown) => (typeof value === 'string' && value !== '' ? value : null)
    const id = row['id'] ?? row['question_id']
    return {
      id: id === undefined ? `${parse(name).name}-${i}` : String(id),
      images: (Array.isArray(images) ? images : [images]).map((image) =>
        isAbsolute(String(image)) ? String(image) : join(dirname(path), String(image)),
      ),
      text: String(text),
      category: optional(row['category'] ?? row['Category']),
      answer: optional(row['answer'] ?? row['Answer']),
    }
  })
}

function rowsOf(text: string, name: string): Record<string, unknown>[] {
  const parse = (part: string): unknown => {
    try {
      return JSON.parse(part)
    } catch (cause) {
      throw broken(name, cause)
    }
  }
  const whole = text.trimStart().startsWith('[')
    ? parse(text)
    : text
        .split('\n')
        .filter((line) => line.trim() !== '')
        .map(parse)
  if (Array.isArray(whole) && whole.every((row) => typeof row === 'object' && row !== null)) {
    return whole as Record<string, unknown>[]
  }
  throw broken(name)
}

function broken(name: string, cause?: unknown): InputError {
  return new InputError(
    'INPUT_REQUESTS_BROKEN',
    `data build-bench: ${name} should hold JSON objects, a line for each or as a list; is it cut off?`,
    { cause },
  )
}

/** `photo.jpg` with `photo.txt`. */
function pairs(folder: string, names: readonly string[]): BenchRequest[] {
  const known = new Set(names)
  return names
    .filter((name) => PICTURE.test(name))
    .flatMap((name) => {
      const text = name.replace(PICTURE, '.txt')
      if (!known.has(text)) return []
      const id = name.replace(PICTURE, '')
      const words = readText(join(folder, text)).trim()
      return [{ id, images: [join(folder, name)], text: words, category: null, answer: null }]
    })
}
