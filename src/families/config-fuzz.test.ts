/**
 * Configs that nobody vouches for: those of the fixtures with some values changed, and with some bytes. A family reads one, or
 * says by a code what is wrong; at once, and without memory for what a number claims.
 *
 * The default run repeats itself. With LLAVA_FUZZ_RUNS=100000 it looks for new cases and prints the seed of a failure.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { LlavaError } from '../core/errors.ts'
import { countImageTokens } from '../preprocess/image-tokens.ts'
import { parseJson } from '../core/json-numbers.ts'
import { readDocuments } from '../weights/documents.ts'
import { parseModelConfig } from './index.ts'

const RUNS = process.env.LLAVA_FUZZ_RUNS
const OPTIONS = RUNS === undefined ? { numRuns: 600, seed: 3 } : { numRuns: Number(RUNS) }
/** Of this process, not of the clock: other tests run at the same time. */
const MAX_MICROSECONDS = 1e6

type Documents = ReadonlyMap<string, unknown>

const FOLDERS = ['fixtures/inference', 'fixtures/original/checkpoints', 'models'].flatMap((root) =>
  readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(root, entry.name, 'config.json')))
    .map(({ name }) => join(root, name)),
)
const CORPUS: readonly Documents[] = FOLDERS.map(readDocuments).filter(isRead)

function isRead(files: Documents): boolean {
  return outcomeOf(files) === 'read'
}

/** The code of the refusal, or that there was none. Anything else that is thrown is a bug. */
function outcomeOf(files: Documents): string {
  const before = process.cpuUsage()
  try {
    const { image } = parseModelConfig({ name: 'fuzzed', files }, {})
    if (image) countImageTokens({ width: 640, height: 480 }, image.tokens)
    return 'read'
  } catch (error) {
    if (!(error instanceof LlavaError)) throw error
    return error.code
  } finally {
    assert.ok(process.cpuUsage(before).user < MAX_MICROSECONDS, 'a small file takes a second')
  }
}

/** Numbers that break careless arithmetic, and what else may stand in their place. */
const LIES: readonly unknown[] = [
  0,
  1,
  -1,
  2,
  0.5,
  1e-300,
  2 ** 24,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 53,
  1e18,
  1e308,
  Infinity,
  null,
  true,
  false,
  '',
  '0',
  'anyres_max_9',
  '__proto__',
  [],
  {},
  [[]],
  [1e18],
  [[1e18, 1e18]],
  { height: 1e9, width: 1e9 },
  { shortest_edge: 0 },
  Array<number>(1000).fill(-2),
]

type Path = readonly (string | number)[]

function pathsIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  const entries = Array.isArray(value) ? [...value.entries()] : Object.entries(value)
  return [path, ...entries.flatMap(([key, member]) => pathsIn(member, [...path, key]))]
}

function replaced(value: unknown, [key, ...rest]: Path, lie: unknown): unknown {
  if (key === undefined) return lie
  const copy: Record<string | number, unknown> = Array.isArray(value)
    ? (value.slice() as never)
    : { ...(value as object) }
  copy[key] = replaced(copy[key], rest, lie)
  return copy
}

type Change = { readonly file: number; readonly at: number; readonly lie: unknown }

const changes = fc.array(
  fc.record<Change>({ file: fc.nat(), at: fc.nat(), lie: fc.constantFrom(...LIES) }),
  { minLength: 1, maxLength: 4 },
)

function changed(files: Documents, { file, at, lie }: Change): Documents {
  // Most of what a family reads stands in config.json.
  const names = ['config.json', 'config.json', ...files.keys()]
  const name = names[file % names.length] as string
  const document = files.get(name)
  const paths = pathsIn(document)
  return new Map([...files, [name, replaced(document, paths[at % paths.length] ?? [], lie)]])
}

test('the corpus is read', () => {
  assert.ok(CORPUS.length >= 10, `${CORPUS.length} of ${FOLDERS.length}`)
})

test('configs with changed values are read or refused by a code, at once', () => {
  const outcomes = new Set<string>()
  fc.assert(
    fc.property(fc.constantFrom(...CORPUS), changes, (files, list) => {
      outcomes.add(outcomeOf(list.reduce(changed, files)))
    }),
    OPTIONS,
  )
  assert.ok(outcomes.has('read') && outcomes.has('CONFIG_TYPE'), [...outcomes].join())
})

test('configs with changed bytes are no JSON, or read, or refused by a code', () => {
  const texts = FOLDERS.map((folder) => readFileSync(join(folder, 'config.json')))
  const edits = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 32, max: 126 })), { maxLength: 4 })
  fc.assert(
    fc.property(fc.constantFrom(...texts), edits, (text, list) => {
      const bytes = Uint8Array.from(text)
      for (const [at, byte] of list) bytes[at % bytes.length] = byte
      let config: unknown
      try {
        config = parseJson(new TextDecoder().decode(bytes))
      } catch (error) {
        assert.ok(error instanceof SyntaxError)
        return
      }
      outcomeOf(new Map([['config.json', config]]))
    }),
    OPTIONS,
  )
})

test('any JSON is read or refused by a code', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (config) => void outcomeOf(new Map([['config.json', config]]))),
    OPTIONS,
  )
})

/** Sizes that every family with such a part reads. */
const SIZES: Readonly<Record<string, readonly string[]>> = {
  text_config: ['hidden_size', 'intermediate_size', 'num_attention_heads', 'vocab_size'],
  vision_config: ['hidden_size', 'intermediate_size', 'num_attention_heads', 'image_size'],
}

test('a size that no tensor has is refused by its key', () => {
  const llavaHf = readDocuments('fixtures/inference/llava-mlp')
  const config = llavaHf.get('config.json')
  for (const [part, keys] of Object.entries(SIZES)) {
    for (const key of [...keys, 'num_hidden_layers']) {
      for (const lie of [1e18, 2 ** 31, 2.5, -1, 0, '8']) {
        const files = new Map([...llavaHf, ['config.json', replaced(config, [part, key], lie)]])
        assert.throws(() => parseModelConfig({ name: 'fuzzed', files }, {}), {
          code: 'CONFIG_TYPE',
          message: new RegExp(`\\.${part}\\.${key}: expected `),
        })
      }
    }
  }
})
