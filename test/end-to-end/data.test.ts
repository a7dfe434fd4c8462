import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { asked, scratchFolder } from '../../src/data/scratch.cases.ts'
import { MINI, NEXT } from '../tiny/checkpoints.ts'
import { writeTinyCheckpoint } from '../tiny/checkpoint.ts'
import { llava } from './run-cli.ts'

const { folder, write } = scratchFolder()
const pictures = join(folder, 'pictures')
const good = write('good.json', [
  asked('0', ['coco/photo-640x480.jpg'], 'A harbour.'),
  asked('1'),
  asked('2', ['vg/photo-100x100.png', 'vg/copy.png']),
])
const broken = write(
  'broken.jsonl',
  [asked('0'), asked('1', ['no.png'])].map((row) => JSON.stringify(row)).join('\n'),
)
const where = ['--image-folder', pictures]
let [mini, next] = ['', '']

before(async () => {
  mkdirSync(join(pictures, 'coco'), { recursive: true })
  mkdirSync(join(pictures, 'vg'))
  const from = 'fixtures/pictures'
  copyFileSync(join(from, 'photo-640x480.jpg'), join(pictures, 'coco/photo-640x480.jpg'))
  for (const name of ['photo-100x100.png', 'copy.png']) {
    copyFileSync(join(from, 'photo-100x100.png'), join(pictures, 'vg', name))
  }
  mini = (await writeTinyCheckpoint(join(folder, 'mini'), MINI)).folder
  next = (await writeTinyCheckpoint(join(folder, 'next'), NEXT)).folder
})

type Check = {
  records: number
  usable: number
  modalities: Record<string, number>
  origins: Record<string, number>
  lengths: {
    unit: string
    longest: number
    histogram: { from: number; to: number; count: number }[]
  }
  masks: { learnt: number; text: number; media: number; coverage: number } | null
  pictures: { pictures: number; duplicates: string[][] }
  quarantine: { count: number; reasons: Record<string, number>; records: { where: string }[] }
}

test('data check counts records, pictures and what is broken', async () => {
  const { code, stdout } = await llava(['data', 'check', good, ...where, '--json'])
  assert.equal(code, 0)
  const report = JSON.parse(stdout) as Check
  assert.deepEqual([report.records, report.usable], [3, 3])
  assert.deepEqual(report.modalities, { image: 1, text: 1, images: 1 })
  assert.deepEqual(report.origins, { coco: 1, vg: 1 })
  assert.equal(report.lengths.unit, 'words')
  assert.equal(report.masks, null)
  const equal = ['photo-100x100.png', 'copy.png'].map((name) => join(pictures, 'vg', name))
  assert.deepEqual(report.pictures, { pictures: 3, duplicates: [equal] })
  const shown = await llava(['data', 'check', good, ...where])
  assert.match(shown.stdout, /3 records, 3 of them usable/)
  assert.match(shown.stdout, /pictures {2}3, 1 group of them equal/)
})

test('data check with a model counts the tokens and masks of its training', async () => {
  const { code, stdout, stderr } = await llava([
    'data',
    'check',
    good,
    ...where,
    '--model',
    mini,
    '--json',
  ])
  assert.equal(code, 0, stderr)
  const { lengths, masks } = JSON.parse(stdout) as Check
  assert.equal(lengths.unit, 'tokens')
  assert.equal(
    lengths.histogram.reduce((sum, { count }) => sum + count, 0),
    3,
  )
  assert.ok(masks!.media > 0 && masks!.learnt > 0 && masks!.coverage < 1)
  const shown = await llava([
    'data',
    'show',
    good,
    ...where,
    '--index',
    '0',
    '--model',
    mini,
    '--json',
  ])
  const { sequences } = JSON.parse(shown.stdout) as Show
  assert.ok(lengths.longest >= sequences[0]!.length)
})

test('data check fails where too much is broken, and says what', async () => {
  const args = ['data', 'check', broken, ...where]
  const { code, stdout, stderr } = await llava([...args, '--json'])
  assert.equal(code, 1)
  const { quarantine, pictures: seen } = JSON.parse(stdout) as Check
  assert.deepEqual(quarantine.reasons, { 'picture-missing': 1 })
  assert.equal(quarantine.records[0]!.where, 'data: broken[1]')
  assert.equal(seen.pictures, 0, 'a file that is missing is no picture')
  assert.match(stderr, /CONFIG_QUARANTINE/)
  assert.equal((await llava([...args, '--threshold', '0.5'])).code, 0)
})

type Show = {
  id: string
  modality: string
  pictures: { file: string; grid: object | null; parts: { part: string; tokens: number }[] }[]
  sequences: {
    length: number
    learnt: number
    tokens: { text: string; kind: string; from: number; to: number; isLearnt: boolean }[]
  }[]
}

test('data show marks what is learnt, and says where the rows of every tile are', async () => {
  const args = ['data', 'show', good, ...where, '--index', '0', '--model', next]
  const { code, stdout, stderr } = await llava([...args, '--json'])
  assert.equal(code, 0, stderr)
  const { pictures: seen, sequences } = JSON.parse(stdout) as Show
  const { tokens, length, learnt } = sequences[0]!
  const rows = seen[0]!.parts.reduce((sum, part) => sum + part.tokens, 0)
  const image = tokens.find(({ kind }) => kind === 'image')!
  assert.equal(image.to - image.from, rows)
  assert.equal(tokens.at(-1)!.to, length)
  tokens.slice(1).forEach(({ from }, i) => assert.equal(from, tokens[i]!.to))
  assert.equal(tokens.filter(({ isLearnt }) => isLearnt).length, learnt)
  const answer = tokens.filter(({ isLearnt, kind }) => isLearnt && kind === 'text')
  assert.equal(
    answer
      .map(({ text }) => text)
      .join('')
      .trim(),
    'A harbour.',
  )
  const text = await llava(args)
  assert.match(text.stdout, /2 × 2 tiles|tiles; positions/)
  assert.match(text.stdout, /⟦ ?A harbour\./)
})

// The mask of qwen_1_5 has the first token, which nobody predicts: show counted it, and check did not.
test('data show marks as many tokens as data check counts', async () => {
  const one = write('one.json', [asked('0', [])])
  const qwen = ['--model', join('fixtures', 'inference', 'next-qwen'), '--conversation', 'qwen_1_5']
  const [check, show] = await Promise.all([
    llava(['data', 'check', one, ...qwen, '--json']),
    llava(['data', 'show', one, '--index', '0', ...qwen, '--json']),
  ])
  const { masks } = JSON.parse(check.stdout) as Check
  const { learnt, tokens } = (JSON.parse(show.stdout) as Show).sequences[0]!
  assert.equal(learnt, masks!.learnt)
  assert.equal(tokens.filter(({ isLearnt }) => isLearnt).length, learnt)
})

test('data show refuses what training sets aside, data check what the model has no context for', async () => {
  const twice = {
    id: '0',
    conversations: ['What?', 'Where?'].map((value) => ({ from: 'human', value })),
  }
  const asks = write('asks.json', [twice])
  const { code, stderr } = await llava(['data', 'show', asks, '--index', '0', '--model', mini])
  assert.equal(code, 1)
  assert.match(stderr, /question and answer should take turns/)
  const long = write('long.json', [asked('0', [], 'a '.repeat(20_000))])
  const args = ['data', 'check', long, '--model', mini, '--max-length', '1000000', '--json']
  const { quarantine } = JSON.parse((await llava(args)).stdout) as Check
  assert.deepEqual(quarantine.reasons, { 'too-long': 1 })
})

test('data mix says which weights it leaves behind', async () => {
  const mixture = write('mixture.yaml', { datasets: [{ json_path: good, weight: 2 }] })
  const out = join(folder, 'weightless.json')
  const { code, stdout, stderr } = await llava([
    'data',
    'mix',
    mixture,
    '--ratio',
    '1',
    '--out',
    out,
  ])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /has no weights: .*\(good 2\) are not in it/)
})

test('data mix writes nested parts that repeat with their seed', async () => {
  const rows = Array.from({ length: 60 }, (_, i) => asked(String(i), [`../pictures/${i}.png`]))
  const source = write('many/sixty.json', rows)
  const mix = async (ratio: string, name: string) => {
    const out = join(folder, 'mixed', name)
    const args = ['data', 'mix', source, '--ratio', ratio, '--seed', '4', '--out', out, '--json']
    const { code, stdout, stderr } = await llava(args)
    assert.equal(code, 0, stderr)
    const list = JSON.parse(readFileSync(out, 'utf8')) as { id: string; image: string }[]
    assert.equal((JSON.parse(stdout) as { written: number }).written, list.length)
    return list
  }
  const [half, quarter] = [await mix('0.5', 'half.json'), await mix('0.25', 'quarter.json')]
  assert.deepEqual(await mix('0.5', 'again.json'), half)
  const ids = new Set(half.map(({ id }) => id))
  assert.ok(quarter.length < half.length && quarter.every(({ id }) => ids.has(id)))
  assert.equal(half[0]!.image, `../pictures/${half[0]!.id}.png`)
})

test('a wrong command line is answered with 2, missing data with 1', async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['data', 'chek', good], /Did you mean check/],
    [['data', 'mix', good, '--ratio', '2', '--out', 'x.json'], /--ratio above 0/],
    [['data', 'show', good], /--index/],
    [['data', 'mix', good, '--index', '1'], /takes no --index/],
    [['data', 'mix', good, '--ratio', '0.5', '--out', good], /is there already; choose another/],
  ]
  for (const [args, message] of cases) {
    const { code, stderr } = await llava(args)
    assert.equal(code, 2, args.join(' '))
    assert.match(stderr, message)
  }
  const missing = await llava(['data', 'check', 'nowhere.json', '--json'])
  assert.equal(missing.code, 1)
  assert.match(missing.stdout, /"code":"INPUT_DATA_MISSING"/)
  const outside = await llava(['data', 'show', good, '--index', '9', '--model', mini])
  assert.equal(outside.code, 1)
  assert.match(outside.stderr, /numbered 0 to 2/)
})
