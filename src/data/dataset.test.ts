import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { openDataset, type Dataset } from './dataset.ts'
import type { DatasetSpec } from './dataset-spec.ts'
import { asked, scratchFolder } from './scratch.cases.ts'

const { folder, write } = scratchFolder()

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => asked(String(from + i)))
const ten = write('ten.json', numbered(0, 10))
write(
  'more.jsonl',
  numbered(10, 13)
    .map((row) => JSON.stringify(row))
    .join('\n'),
)

async function idsOf(spec: DatasetSpec, seed = 0): Promise<string[]> {
  await using data = await openDataset(spec, { baseFolder: folder, seed })
  return allIds(data)
}

async function allIds(data: Dataset): Promise<string[]> {
  const records = Array.from({ length: data.length }, (_, i) => data.read(i))
  return (await Promise.all(records)).map(({ id }) => id)
}

const only = (samplingStrategy: string): DatasetSpec => ({
  datasets: [{ path: 'ten.json', samplingStrategy }],
})

test('a record has its id, source, origin, turns and absolute paths', async () => {
  const path = write('one.json', [
    {
      id: 7,
      image: ['coco/a.jpg', '/abs/b.jpg'],
      model: 'ignored',
      conversations: [
        { from: 'human', value: '<image><image>q' },
        { role: 'assistant', content: 'a' },
      ],
    },
  ])
  await using data = await openDataset(path, { imageFolder: '/pictures' })
  assert.deepEqual(await data.read(0), {
    id: '7',
    source: 'one',
    origin: 'coco',
    images: ['/pictures/coco/a.jpg', '/abs/b.jpg'],
    videos: [],
    turns: [
      { from: 'human', value: '<image><image>q' },
      { from: 'gpt', value: 'a' },
    ],
  })
})

test('pictures lie beside the file unless a folder is named', async () => {
  write('sub/p.json', [asked('0', ['x.png'])])
  await using beside = await openDataset('sub/p.json', { baseFolder: folder })
  assert.deepEqual((await beside.read(0)).images, [join(folder, 'sub/x.png')])
  const spec = { datasets: [{ path: 'sub/p.json', imageFolder: 'pics' }] }
  await using named = await openDataset(spec, { baseFolder: folder, imageFolder: '/elsewhere' })
  assert.deepEqual((await named.read(0)).images, [join(folder, 'pics/x.png')])
  write('sub/m.yaml', 'datasets: [{ json_path: p.json }]')
  const general = { baseFolder: folder, imageFolder: 'pics' }
  await using mixed = await openDataset('sub/m.yaml', general)
  assert.deepEqual((await mixed.read(0)).images, [join(folder, 'pics/x.png')])
})

test('strategies take what they say, in the order of the file', async () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['all', ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']],
    ['first:3', ['0', '1', '2']],
    ['end:2', ['8', '9']],
    ['first:25%', ['0', '1', '2']],
    ['end:1%', ['9']],
    ['first:0.5%', ['0']],
    ['first:70%', ['0', '1', '2', '3', '4', '5', '6']],
    ['end:99', ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']],
  ]
  for (const [strategy, expected] of cases) {
    assert.deepEqual(await idsOf(only(strategy)), expected, strategy)
  }
})

test('random strategies repeat with a seed, and less of one lies inside more of it', async () => {
  for (const seed of [0, 1, 2]) {
    const five = await idsOf(only('random:5'), seed)
    assert.equal(five.length, 5)
    assert.deepEqual(await idsOf(only('random:50%'), seed), five)
    assert.deepEqual(await idsOf(only('5'), seed), five)
    const three = await idsOf(only('random:3'), seed)
    assert.ok(three.every((id) => five.includes(id)))
    assert.deepEqual([...five].sort(), five)
  }
  assert.notDeepEqual(await idsOf(only('random:5'), 0), await idsOf(only('random:5'), 1))
})

test('what a strategy cannot mean is refused, where the original takes everything', async () => {
  for (const strategy of ['first', 'last:3', 'first:0', 'first:1.5', 'random:101%', 'all:3', '']) {
    await assert.rejects(idsOf(only(strategy)), { code: 'CONFIG_SAMPLING_STRATEGY' }, strategy)
  }
})

test('a mixture file is read in the original spelling and in ours', async () => {
  const yaml = `datasets:
  - json_path: ten.json
    sampling_strategy: "first:2"
  - path: more.jsonl
    samplingStrategy: end:1
    image_folder: pics
`
  const path = write('mixtures/two.yaml', yaml.replace(/ten|more/g, '../$&'))
  await using data = await openDataset(path)
  assert.deepEqual(await allIds(data), ['0', '1', '12'])
  assert.deepEqual(
    data.sources.map(({ name, start, length }) => [name, start, length]),
    [
      ['ten', 0, 2],
      ['more', 2, 1],
    ],
  )
  assert.equal(data.sourceOf(2).name, 'more')
  assert.equal(data.whereOf(2), 'data: more[2]')
})

test('a path alone is a source, and a number alone so many rows at random', async () => {
  const both = ['ten.json', { path: 'more.jsonl' }]
  const named = { datasets: both.map((one) => (typeof one === 'string' ? { path: one } : one)) }
  assert.deepEqual(await idsOf({ datasets: both }), await idsOf(named))
  const bare = { datasets: [{ path: 'ten.json', samplingStrategy: 3 }] }
  assert.deepEqual(await idsOf(bare), await idsOf(only('3')))
  const yaml = 'datasets:\n  - ../ten.json\n  - { path: ../ten.json, sampling_strategy: 3 }\n'
  await using data = await openDataset(write('mixtures/bare.yaml', yaml))
  assert.deepEqual(
    data.sources.map(({ length }) => length),
    [10, 3],
  )
})

test('braces name several files', async () => {
  write('part_a.json', numbered(0, 2))
  write('part_b.json', numbered(2, 3))
  assert.deepEqual(await idsOf('part_{a,b}.json'), ['0', '1', '2'])
})

test('every wrong word of a mixture is named at once', async () => {
  const spec = { datasets: [{ paht: 'x', weight: -1 }] } as unknown as DatasetSpec
  await assert.rejects(idsOf(spec), {
    code: 'CONFIG_DATASETS',
    message: /datasets\[0\]: paht is not one of .*; weight should be .*; path is missing/,
  })
  const half = { datasets: [{ path: 'ten.json', weight: 1 }, { path: 'more.jsonl' }] }
  await assert.rejects(idsOf(half), {
    code: 'CONFIG_DATASETS',
    message: /more should have a weight/,
  })
  await assert.rejects(idsOf({ datasets: [] }), { code: 'CONFIG_DATASETS' })
  const kinds = { datasets: [{ path: 'records.json', name: 5, sampling_strategy: true }] }
  await assert.rejects(idsOf(kinds as unknown as DatasetSpec), {
    code: 'CONFIG_DATASETS',
    message: /name should be a text such as captions, 5 came; sampling_strategy .*, true came/,
  })
  for (const [entry, came] of [
    [7, '7'],
    [null, 'null'],
    [['ten.json'], String.raw`\["ten.json"\]`],
  ] as const) {
    await assert.rejects(idsOf({ datasets: [entry] } as unknown as DatasetSpec), {
      code: 'CONFIG_DATASETS',
      message: new RegExp(`datasets\\[0\\]: expected a path or { path, .*, ${came} came`),
    })
  }
  await assert.rejects(idsOf(write('no.yaml', 'a: [')), {
    code: 'CONFIG_DATASETS',
    message: /YAML/,
  })
  await assert.rejects(idsOf('nothing.yaml'), { code: 'INPUT_DATA_MISSING' })
  await assert.rejects(idsOf('nothing.txt'), { code: 'INPUT_DATA_MISSING' })
  await assert.rejects(idsOf(write('records.txt', 'x')), { code: 'CONFIG_DATASETS' })
  await assert.rejects(idsOf(write('empty.json', '[]')), { code: 'INPUT_DATA_EMPTY' })
})

test('the hash changes with rows, strategies and weights, and with nothing else', async () => {
  const hashOf = async (spec: DatasetSpec, seed = 0) => {
    await using data = await openDataset(spec, { baseFolder: folder, seed })
    return data.sha256
  }
  const plain = await hashOf('ten.json')
  assert.equal(await hashOf(ten, 5), plain)
  const others = [
    await hashOf('more.jsonl'),
    await hashOf(only('first:3')),
    await hashOf(only('random:3')),
    await hashOf(only('random:3'), 1),
    await hashOf({ datasets: [{ path: 'ten.json', weight: 1 }] }),
  ]
  assert.equal(new Set([plain, ...others]).size, 6)
})

test('a preference record is a question and two answers, tags in front', async () => {
  const path = write(
    'pairs.jsonl',
    '{"id":"v","video":"clip","prompt":"What <video>\\nis it?","chosen":"A","rejected":"B","answer":"A"}',
  )
  await using data = await openDataset(path)
  assert.deepEqual(await data.readPreference(0), {
    id: 'v',
    source: 'pairs',
    origin: null,
    images: [],
    videos: [join(folder, 'clip')],
    prompt: '<image>\nWhat \nis it?',
    chosen: 'A',
    rejected: 'B',
  })
  await assert.rejects(data.read(0), { reason: 'structure' })
  await using plain = await openDataset(ten)
  await assert.rejects(plain.readPreference(0), { reason: 'structure' })
})

test('the places of clips are read as <image>', async () => {
  const turns = [
    { from: 'human', value: '<video>\nq' },
    { from: 'gpt', value: 'a' },
  ]
  await using data = await openDataset(
    write('clip.json', [{ id: '0', video: 'c', conversations: turns }]),
  )
  assert.equal((await data.read(0)).turns[0]!.value, '<image>\nq')
})

test('pictures and clips are paths or { bytes, path }, alone or in lists', async () => {
  // `video` was a path alone, though tools of Hugging Face's write both alike.
  const medium = { bytes: null, path: 'c' }
  const rows = ['image', 'images', 'video', 'videos'].flatMap((field) =>
    [medium, [medium, 'd']].map((value) => ({ [field]: value, conversations: [TURN] })),
  )
  await using data = await openDataset(write('media.json', rows))
  const paths = [['c'], ['c', 'd']].map((names) => names.map((name) => join(folder, name)))
  for (let i = 0; i < rows.length; i++) {
    const { images, videos } = await data.read(i)
    const right = paths[i % 2]
    assert.deepEqual(
      { images, videos },
      i < 4 ? { images: right, videos: [] } : { images: [], videos: right },
    )
  }
  const none = [{ bytes: 'R0lG', path: null }, { path: '' }, {}]
  const broken = none.map((video) => ({ video, conversations: [TURN] }))
  await using bad = await openDataset(write('no-media.json', broken))
  await assert.rejects(
    bad.read(0),
    /video should be a path or { bytes, path }, bytes as a text came/,
  )
  for (const i of [1, 2]) await assert.rejects(bad.read(i), /path }, an object came/)
})

const TURN = { from: 'human', value: 'q' }

test('rows that cannot be records are faults of their own, with file and number', async () => {
  const turn = { from: 'human', value: 'q' }
  const rows = [
    {},
    { conversations: [] },
    { conversations: 'x' },
    { conversations: [{ from: 'system', value: 'q' }] },
    { conversations: [{ from: 'human' }] },
    { conversations: [turn], image: 5 },
    { conversations: [turn], image: '' },
    { conversations: [turn], image: 'a', video: 'b' },
    { chosen: 'a', rejected: 'b' },
  ]
  await using data = await openDataset(write('rows.json', rows))
  for (let i = 0; i < rows.length; i++) {
    await assert.rejects(data.readEither(i), {
      code: 'INPUT_RECORD_STRUCTURE',
      message: new RegExp(`^data: rows\\[${i}\\]: `),
    })
  }
  for (const index of [-1, 9, 0.5]) {
    await assert.rejects(async () => data.read(index), { code: 'INPUT_DATA_INDEX' })
  }
})

test('regions are read with their records; what is none quarantines its record', async () => {
  const conversations = [
    { from: 'human', value: '<image>' },
    { from: 'gpt', value: 'two shapes' },
  ]
  const regions = [{ at: [0.5, 0], says: 'red star' }]
  const rows = [
    regions,
    [],
    { at: [0, 0] },
    [{ at: [0.5], says: 'a' }],
    [{ at: [0, 1.5], says: 'a' }],
  ]
  const path = write(
    'regions.json',
    JSON.stringify(rows.map((one) => ({ image: 'a.png', conversations, regions: one }))),
  )
  await using data = await openDataset(path)
  assert.deepEqual((await data.read(0)).regions, regions)
  assert.deepEqual((await data.read(1)).regions, [])
  for (const i of [2, 3, 4]) await assert.rejects(data.read(i), { reason: 'structure' })
})
