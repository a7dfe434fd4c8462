/** Whole sets, over drawn sources and over small stand-ins for the licensed pictures, in the layout of the originals. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import sharp from 'sharp'
import { buildMini, type MiniOptions, type MiniQuestion, type MiniRecord } from './build-mini.ts'
import { parseReplay } from './replay.ts'

const folder = mkdtempSync(join(tmpdir(), 'llava-mini-'))
after(() => rmSync(folder, { recursive: true }))

const DRAWN = ['scenes', 'words', 'charts', 'tables', 'pairs']

async function build(name: string, options: Partial<MiniOptions> = {}) {
  const out = join(folder, name)
  const settings = { assets: folder, only: DRAWN, count: 24, testCount: 2, ...options, out }
  const statistics = await buildMini(settings)
  return { out, statistics }
}

/** Read by several tests. */
const usual = build('usual')

const readRecords = (out: string, file: string) =>
  JSON.parse(readFileSync(join(out, file), 'utf8')) as MiniRecord[]

function readQuestions(out: string): MiniQuestion[] {
  return readdirSync(join(out, 'test')).flatMap((file) =>
    readFileSync(join(out, 'test', file), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as MiniQuestion),
  )
}

/** Every file below a folder with the hash of its content. */
function hashesOf(out: string): Map<string, string> {
  const files = readdirSync(out, { recursive: true, encoding: 'utf8', withFileTypes: true })
  return new Map(
    files
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const path = join(entry.parentPath, entry.name)
        return [
          path.slice(out.length),
          createHash('sha256').update(readFileSync(path)).digest('hex'),
        ]
      }),
  )
}

const hashOf = (out: string, image: MiniRecord['image']) =>
  [image ?? []].flat().map((path) =>
    createHash('sha256')
      .update(readFileSync(join(out, path)))
      .digest('hex'),
  )

test('the same seed writes the same files, another seed others', async () => {
  const [one, same, other] = [await usual, await build('same'), await build('other', { seed: 1 })]
  assert.deepEqual(hashesOf(one.out), hashesOf(same.out))
  assert.notDeepEqual(hashesOf(one.out), hashesOf(other.out))
})

test('records begin with their tags, name pictures that are there, and answer every turn', async () => {
  const { out } = await usual
  const records = [...readRecords(out, 'stage1.json'), ...readRecords(out, 'stage2.json')]
  assert.ok(records.length > 25)
  assert.equal(new Set(records.map(({ id }) => id)).size, records.length)
  for (const { image, conversations, tasks } of records) {
    assert.ok(conversations[0]?.value.startsWith('<image>\n'))
    assert.equal(hashOf(out, image).length, 1)
    assert.equal(conversations.length, 2 * tasks.length)
    conversations.forEach(({ from, value }, i) => {
      assert.equal(from, i % 2 === 0 ? 'human' : 'gpt')
      assert.ok(value.trim() === value && value !== '')
      assert.ok(i === 0 || !value.includes('<image>'))
    })
  }
  assert.ok(records.every(({ source }) => source !== 'pairs'))
  const pairs = readRecords(out, 'sources/pairs.json')
  assert.ok(pairs.every(({ image }) => image?.length === 2))
})

test('conversations are cut after the turns asked for, at the front of the very same ones', async () => {
  const [whole, short] = [await usual, await build('short', { turns: 1 })]
  const [long, first] = [whole, short].map(({ out }) => readRecords(out, 'sources/scenes.json'))
  assert.ok(long?.some(({ tasks }) => tasks.length > 1))
  assert.deepEqual(
    first?.map(({ conversations }) => conversations),
    long?.map(({ conversations }) => conversations.slice(0, 2)),
  )
})

test('the words of the captions are a file of their own, picture for picture', async () => {
  const { out } = await usual
  const [words, sentences] = ['stage0.json', 'stage1.json'].map((file) => readRecords(out, file))
  assert.deepEqual(
    words?.map(({ id, image }) => [id, image]),
    sentences?.map(({ id, image }) => [id, image]),
  )
  assert.ok(
    words?.every(({ conversations }) => !/\b(?:of|and|with)\b/.test(conversations[1]!.value)),
  )
})

test('no picture of the test is one that was trained on', async () => {
  const { out } = await usual
  const trained = new Set(
    ['stage1.json', 'stage2.json', 'sources/pairs.json']
      .flatMap((file) => readRecords(out, file))
      .flatMap(({ image }) => hashOf(out, image)),
  )
  for (const { image } of readQuestions(out)) {
    assert.ok(hashOf(out, image).every((hash) => !trained.has(hash)))
  }
})

test('yes/no tasks of the test are half and half', async () => {
  const { statistics } = await build('halves', { only: ['scenes'], count: 1, testCount: 10 })
  for (const task of ['presence-random', 'presence-adversarial', 'relation']) {
    assert.equal(statistics.test[task]?.majorityShare, 0.5)
  }
  assert.ok((statistics.test['counting']?.majorityShare ?? 1) <= 0.2)
})

test('sources that are not there are refused by name', async () => {
  await assert.rejects(build('unknown', { only: ['scenes', 'cats'] }), {
    code: 'INPUT_BUILDER_UNKNOWN',
    message: /cats came/,
  })
  await assert.rejects(build('missing', { only: ['grocery'] }), { code: 'INPUT_ASSET_MISSING' })
})

test('photographs keep to their split, and one that is in both is left out of the test', async () => {
  const assets = join(folder, 'assets')
  await writeGrocery(assets)
  await writeClothing(assets)
  const { out, statistics } = await build('photos', {
    assets,
    only: ['grocery', 'clothing'],
    count: 300,
    testCount: 40,
  })
  for (const { image } of readRecords(out, 'stage2.json')) assert.match(String(image), /\/train\//)
  const questions = readQuestions(out)
  assert.ok(questions.length > 20)
  for (const { image } of questions) assert.match(String(image), /\/test\//)
  assert.ok(statistics.leftOut > 0)
  assert.ok(questions.every(({ image }) => !String(image).endsWith('Apple_copy.png')))
  const coarse = questions.filter(({ task }) => task === 'grocery-coarse')
  for (const { image, answer } of coarse) {
    assert.ok(String(image).toLowerCase().includes(answer.toLowerCase()), String(image))
  }
})

test('prompts with answers become records without a picture', async () => {
  const replayed = parseReplay(
    '{"prompt": "Hello!", "answer": "Hi."}\n\n{"prompt": "Why?", "answer": "So."}\n',
    'r',
  )
  const { out } = await build('replay', { only: ['replay'], count: 10, replayed })
  const records = readRecords(out, 'stage2.json')
  assert.deepEqual(
    records.map(({ image }) => image),
    [undefined, undefined],
  )
  assert.ok(records.some(({ conversations }) => conversations[1]?.value === 'Hi.'))
  assert.throws(() => parseReplay('{"prompt": "x"}', 'r'), { code: 'INPUT_REPLAY_LINE' })
})

/** A picture of its own colour. */
async function writePicture(path: string, shade: number): Promise<void> {
  mkdirSync(dirname(path), { recursive: true })
  const background = { r: shade % 256, g: (shade * 7) % 256, b: (shade * 31) % 256 }
  await sharp({ create: { width: 8, height: 8, channels: 3, background } })
    .png()
    .toFile(path)
}

async function writeGrocery(assets: string): Promise<void> {
  const classes = [
    ['Granny-Smith', 'Apple', 'Fruit'],
    ['Pink-Lady', 'Apple', 'Fruit'],
    ['Leek', 'Leek', 'Vegetables'],
    ['Arla-Sour-Milk', 'Sour-Milk', 'Packages'],
  ] as const
  const rows = classes.map(
    ([fine, coarse], i) => `${fine},${i},${coarse},${i},/i/${fine}.jpg,/i/${fine}.txt`,
  )
  mkdirSync(join(assets, 'grocery/i'), { recursive: true })
  writeFileSync(join(assets, 'grocery/classes.csv'), ['head', ...rows, ''].join('\n'))
  for (const [fine] of classes)
    writeFileSync(join(assets, `grocery/i/${fine}.txt`), 'It is good. And more.')
  let shade = 0
  for (const split of ['train', 'test']) {
    const lines: string[] = []
    for (const [id, [fine, coarse, kind]] of classes.entries()) {
      for (let i = 0; i < 4; i++) {
        const path = `${split}/${kind}/${coarse.replace('-', ' ')}/${fine}_${i}.png`
        await writePicture(join(assets, 'grocery', path), shade++)
        lines.push(`${path}, ${id}, 0`)
      }
    }
    if (split === 'test') {
      // The very picture that training has.
      await writePicture(join(assets, 'grocery/test/Fruit/Apple/Apple_copy.png'), 0)
      lines.push('test/Fruit/Apple/Apple_copy.png, 0, 0')
    }
    writeFileSync(join(assets, `grocery/${split}.txt`), `${lines.join('\n')}\n`)
  }
}

async function writeClothing(assets: string): Promise<void> {
  const names = 'dress hat longsleeve outwear pants shirt shoes shorts skirt t-shirt'.split(' ')
  let shade = 100
  for (const split of ['train', 'test']) {
    for (const name of names) {
      await writePicture(join(assets, 'clothing', split, name, `${name}.png`), shade++)
    }
  }
}
