/**
 * Who may import whom. Every arrow between the rooms of `src` that the table does not allow fails here, and so does a
 * platform module or a package outside the files that may have it.
 *
 * CONTRIBUTING.md shows the same table; the last tests hold the two together.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, sep } from 'node:path'
import { test } from 'node:test'

const STAGES = ['vision', 'projector', 'sequence', 'decoder']
const MODEL = ['core', 'graph', 'layers', ...STAGES, 'weights', 'text', 'preprocess', 'families']
const SERVING = [...MODEL, 'runtime', 'serve']

/** Rooms that a room may import beside itself. The assembly is the files directly in `src`. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  graph: ['core'],
  autodiff: ['core', 'graph'],
  runtime: ['core', 'graph'],
  weights: ['core'],
  preprocess: ['core'],
  text: ['core', 'weights'],
  layers: ['core', 'graph'],
  vision: ['core', 'graph', 'layers'],
  projector: ['core', 'graph', 'layers'],
  sequence: ['core', 'graph', 'layers'],
  decoder: ['core', 'graph', 'layers'],
  families: ['core', 'graph', 'weights', 'text', 'preprocess', ...STAGES],
  serve: [...MODEL, 'runtime'],
  train: [...MODEL, 'autodiff', 'runtime', 'data'],
  data: ['core', 'text', 'preprocess'],
  eval: ['core', 'text', 'data', 'serve'],
  label: ['core', 'preprocess', 'data', 'serve'],
  assembly: SERVING,
  cli: [...SERVING, 'autodiff', 'data', 'train', 'eval', 'label', 'assembly'],
}

/** Rooms that a room may know the types of: what a stage is given by the one before it, and configs of blocks. */
const TYPES: Readonly<Record<string, readonly string[]>> = {
  projector: ['vision'],
  sequence: ['preprocess', 'projector'],
  decoder: ['sequence'],
  families: ['layers'],
}

/** Single files that a room may import though their room is closed to it. */
const FILES: Readonly<Record<string, readonly string[]>> = {
  // Training opens checkpoints and their parts as serving does.
  train: ['src/load-checkpoint.ts', 'src/read-float-weight.ts'],
  // What a GGUF file divides frequencies by is held against the frequencies.
  families: ['src/layers/rotary.ts'],
}

/** Files that may name the platform (`node:`); everything else is handed what it needs. */
const PLATFORM = [/\/(?:[\w-]+-)?node\.ts$/, /^src\/(?:cli|data)\//]

/** The files that may import a package, which are also the packages that the product depends on. */
const PACKAGES: Readonly<Record<string, readonly RegExp[]>> = {
  '@bufbuild/protobuf': [/^src\/graph\/onnx/, /^src\/runtime\//],
  '@huggingface/hub': [/^src\/weights\/hub-client-node\.ts$/],
  '@hono/node-server': [/^src\/serve\/http-node\.ts$/],
  '@libsql/client': [/^src\/label\/libsql-database-node\.ts$/],
  '@mlc-ai/web-xgrammar': [/^src\/serve\/constrained\//],
  cac: [/^src\/cli\//],
  'cli-progress': [/^src\/cli\//],
  hono: [/^src\/serve\/http\/app\.ts$/],
  hyparquet: [/^src\/data\/parquet-rows\.ts$/, /^src\/eval\/parquet-node\.ts$/],
  'hyparquet-compressors': [/^src\/data\/parquet-compressors\.ts$/],
  'hyparquet-writer': [/^src\/label\/write-labels-node\.ts$/],
  'ipaddr.js': [/^src\/serve\/http\/remote-media-node\.ts$/],
  koffi: [/^src\/runtime\//, /^src\/weights\/node\.ts$/],
  pg: [/^src\/label\/postgres-database-node\.ts$/],
  pino: [/^src\/serve\/http-node\.ts$/],
  'prom-client': [/^src\/serve\/http\/metrics\.ts$/],
  'request-filtering-agent': [/^src\/serve\/http\/remote-media-node\.ts$/],
  sharp: [
    /^src\/preprocess\/decode-image\.ts$/,
    /^src\/cli\/drawing\.ts$/,
    /^src\/data\/mini\/rasterise\.ts$/,
  ],
  vega: [/^src\/eval\/report-charts\.ts$/, /^src\/train\/run-charts\.ts$/],
  'vega-lite': [/^src\/eval\/report-charts\.ts$/, /^src\/train\/run-charts\.ts$/],
  yaml: [/^src\/data\/dataset-spec\.ts$/, /^src\/train\/recipe\//],
}

type Import = { readonly file: string; readonly isType: boolean; readonly target: string }

const STATEMENT =
  /^(?:import|export)(?<type> type\b)?[^'";]*?from '(?<from>[^']+)'|^import '(?<bare>[^']+)'|\bimport\('(?<late>[^']+)'\)/gm

const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .map((name) => join('src', name).split(sep).join('/'))
  .filter((file) => file.endsWith('.ts') && !/\.(test|cases)\.ts$/.test(file))
const imports = files.flatMap(importsOf)

function importsOf(file: string): Import[] {
  const source = readFileSync(file, 'utf8')
  return [...source.matchAll(STATEMENT)].map(({ groups = {} }) => {
    const name = groups['from'] ?? groups['bare'] ?? groups['late'] ?? ''
    const target = name.startsWith('.') ? posix.join(dirname(file), name) : name
    return { file, isType: groups['type'] !== undefined, target }
  })
}

function roomOf(file: string): string {
  const [, room, rest] = file.split('/')
  return rest === undefined ? 'assembly' : (room as string)
}

function isAllowed({ file, isType, target }: Import): boolean {
  const [from, to] = [roomOf(file), roomOf(target)]
  if (from === to || ROOMS[from]?.includes(to)) return true
  return (isType && TYPES[from]?.includes(to)) || (FILES[from] ?? []).includes(target)
}

const show = ({ file, isType, target }: Import) =>
  `${file} imports ${isType ? 'types of ' : ''}${target}`

test('every folder of src is a room of the table', () => {
  const unknown = files.map(roomOf).filter((room) => ROOMS[room] === undefined)
  assert.deepEqual([...new Set(unknown)], [])
})

test('imports follow the table', () => {
  const inside = imports.filter(({ target }) => target.startsWith('src/'))
  assert.ok(inside.length > files.length)
  assert.deepEqual(inside.filter((one) => !isAllowed(one)).map(show), [])
})

test('the table has no circles: arrows point down', () => {
  const reaches = (from: string, to: string): boolean =>
    (ROOMS[from] ?? []).some((room) => room === to || reaches(room, to))
  assert.deepEqual(
    Object.keys(ROOMS).filter((room) => reaches(room, room)),
    [],
  )
})

test('the platform is named only where the table allows it', () => {
  const platform = imports.filter(({ target }) => target.startsWith('node:'))
  const strays = platform.filter(({ file }) => !PLATFORM.some((place) => place.test(file)))
  assert.deepEqual(strays.map(show), [])
})

test('packages are imported where the table allows it, and no other is depended on', () => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    dependencies: Record<string, string>
  }
  assert.deepEqual(Object.keys(dependencies).sort(), Object.keys(PACKAGES).sort())
  const used = new Set<string>()
  const strays = imports.filter(({ file, target }) => {
    if (/^(?:src\/|node:)/.test(target)) return false
    const name = target.match(/^(?:@[^/]+\/)?[^/]+/)?.[0] ?? target
    used.add(name)
    return !PACKAGES[name]?.some((place) => place.test(file))
  })
  assert.deepEqual(strays.map(show), [])
  assert.deepEqual([...used].sort(), Object.keys(PACKAGES).sort())
})

test('CONTRIBUTING.md shows this table', () => {
  const page = readFileSync('CONTRIBUTING.md', 'utf8')
  const shown = new Map(
    [...page.matchAll(/^\| `(\w+)` +\|[^|]*\|([^|]*)\|/gm)].map(([, room, cell]) => [room, cell]),
  )
  for (const [room, allowed] of Object.entries(ROOMS)) {
    const named = [...(shown.get(room)?.matchAll(/`(\w+)`/g) ?? [])].map(([, name]) => name)
    assert.deepEqual(named.sort(), [...allowed, ...(TYPES[room] ?? [])].sort(), room)
  }
})
