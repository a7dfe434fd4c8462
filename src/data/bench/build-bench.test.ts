/** A benchmark out of requests: what is left out and why, the same by seed, going on after a kill, people's review. */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { after, describe, test } from 'node:test'
import sharp from 'sharp'
import { InputError } from '../../core/errors.ts'
import { Rng } from '../../core/rng.ts'
import { openDataset } from '../dataset.ts'
import { buildBench, type BuildBenchOptions } from './build-bench.ts'
import type { BenchRequest } from './read-requests.ts'
import { weightedKMeans } from './weighted-kmeans.ts'

const ROOT = mkdtempSync(join(tmpdir(), 'llava-bench-'))
const IMAGES = resolve('fixtures/eval/quick/images')
after(() => rmSync(ROOT, { recursive: true }))

const requests = join(ROOT, 'requests')
mkdirSync(requests)
const names = Array.from({ length: 12 }, (_, i) => `color-${String(i).padStart(5, '0')}.png`)
for (const name of names) cpSync(join(IMAGES, name), join(requests, name))
await sharp(join(IMAGES, names[0]!))
  .resize({ width: 150 })
  .jpeg()
  .toFile(join(requests, 'again.jpg'))
writeFileSync(join(requests, 'broken.png'), 'nothing')
cpSync('fixtures/pictures/photo-640x480.jpg', join(requests, 'photo.jpg'))
writeFileSync(join(requests, 'photo.txt'), 'How would you paint this?\n')
const rows = [
  ...names.map((image, i) => ({
    id: `r${i}`,
    image,
    text: `Tell me about thing number ${i} here`,
    category: i % 2 ? 'math' : undefined,
  })),
  { id: 'twin', image: 'again.jpg', text: 'tell me about thing number 0 here!' },
  { id: 'other', image: 'again.jpg', text: 'Write a poem about the sea', answer: 'The sea.' },
  { id: 'bad', image: 'broken.png', text: 'What?' },
  { id: 'empty', image: names[1], text: ' ' },
  { id: 'gone', image: 'nowhere.png', text: 'What?' },
  { id: 'r3', image: names[3], text: 'Twice' },
]
writeFileSync(join(requests, 'requests.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'))

const build = (out: string, options: Partial<BuildBenchOptions> = {}) =>
  buildBench({ folder: requests, out: join(ROOT, out), size: 6, seed: 3, ...options })
const linesOf = (out: string, name: string) =>
  readFileSync(join(ROOT, out, name), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
const reasons = (dropped: readonly { id: string; step: string }[], step: string) =>
  dropped.filter((one) => one.step === step).map(({ id }) => id)

describe('a benchmark is built', () => {
  test('with broken, duplicate and training requests left out by name', async () => {
    const train = join(ROOT, 'train.json')
    const turns = [
      { from: 'human', value: '<image>\nWhat?' },
      { from: 'gpt', value: 'A thing.' },
    ]
    writeFileSync(
      train,
      JSON.stringify([{ id: '1', image: join(IMAGES, names[5]!), conversations: turns }]),
    )
    await using mixture = await openDataset(train, {})
    const report = await build('mixed', { mixture })
    assert.deepEqual(reasons(report.dropped, 'read').sort(), ['bad', 'empty', 'gone', 'r3'])
    assert.deepEqual(reasons(report.dropped, 'duplicate'), ['twin'])
    assert.deepEqual(reasons(report.dropped, 'training data'), ['r5'])
    assert.equal(report.contamination?.pictures.equal, 1)
    const { read, usable, distinct, decontaminated, chosen } = report.steps
    assert.deepEqual([read, usable, distinct, decontaminated, chosen], [19, 15, 14, 13, 6])
    const bench = linesOf('mixed', 'bench.jsonl')
    assert.equal(bench.length, 6)
    assert.ok(!bench.some(({ question_id }) => question_id === 'r5'))
    // The largest picture by far: weighted clusters are drawn to it.
    assert.ok(bench.some(({ question_id }) => question_id === 'photo'))
    for (const { image } of bench)
      assert.ok(readFileSync(join(ROOT, 'mixed', String(image))).length > 0)
  })

  test('the same for the same seed, and another for another', async () => {
    await build('one')
    await build('two')
    assert.deepEqual(linesOf('one', 'bench.jsonl'), linesOf('two', 'bench.jsonl'))
    const seeds = new Set<string>()
    for (const seed of [1, 2, 3, 4]) {
      await build(`seed${seed}`, { seed, size: 4 })
      seeds.add(
        linesOf(`seed${seed}`, 'bench.jsonl')
          .map((row) => row['question_id'])
          .join(),
      )
    }
    assert.ok(seeds.size > 1)
    await assert.rejects(build('one', { seed: 4 }), InputError)
  })

  test('going on after a kill: no picture embedded and no question asked twice', async () => {
    const asked: string[] = []
    const embedder = {
      identity: 'mean colour',
      async embed(path: string) {
        asked.push(path)
        if (asked.length === 5) throw new Error('killed')
        const { channels } = await sharp(path).stats()
        return Float32Array.from(channels.map(({ mean }) => mean))
      },
    }
    const answered: string[] = []
    const answerer = {
      identity: 'echo',
      async answer({ id, text }: BenchRequest) {
        answered.push(id)
        return `About: ${text}`
      },
    }
    await assert.rejects(build('killed', { embedder, answerer }), /killed/)
    const report = await build('killed', { embedder, answerer })
    assert.equal(new Set(asked).size, asked.length - 1, 'only the picture of the kill came twice')
    assert.equal(new Set(answered).size, answered.length)
    await build('killed', { embedder, answerer })
    assert.equal(
      answered.length,
      linesOf('killed', 'bench.jsonl').filter(({ Answer }) => String(Answer).startsWith('About'))
        .length,
    )
    assert.deepEqual(
      [report.references, report.embeddings.pictures],
      [{ by: 'echo', missing: 0 }, 'mean colour'],
    )
  })

  test('again of a picture that was changed under its name, and of no other', async () => {
    // Its old embedding and its old reference stayed beside the new picture.
    const folder = join(ROOT, 'changing')
    mkdirSync(folder)
    const own = names.slice(0, 3)
    for (const name of own) cpSync(join(IMAGES, name), join(folder, name))
    const lines = own.map((image, i) =>
      JSON.stringify({ id: `r${i}`, image, text: `Request ${i}` }),
    )
    writeFileSync(join(folder, 'requests.jsonl'), lines.join('\n'))
    const embedded: string[] = []
    const answered: string[] = []
    const options = {
      folder,
      embedder: {
        identity: 'length',
        async embed(path: string) {
          embedded.push(basename(path))
          return Float32Array.of(embedded.length)
        },
      },
      answerer: {
        identity: 'count',
        async answer({ id }: BenchRequest) {
          answered.push(id)
          return `Answer ${answered.length}`
        },
      },
    }
    await build('changed', options)
    assert.deepEqual([embedded.splice(0).length, answered.splice(0).length], [3, 3])
    cpSync(join(IMAGES, names[7]!), join(folder, own[1]!))
    await build('changed', options)
    assert.deepEqual([embedded, answered], [[own[1]], ['r1']])
  })

  test('after people’s review: left out what they refuse, theirs what they rewrite', async () => {
    const first = await build('reviewed')
    assert.deepEqual(first.references.by, null)
    const path = join(ROOT, 'reviewed', 'review.jsonl')
    const review = linesOf('reviewed', 'review.jsonl')
    review[0]!['accept'] = false
    review[1]!['reference'] = 'A better answer.'
    writeFileSync(path, review.map((row) => `${JSON.stringify(row)}\n`).join(''))
    const second = await build('reviewed')
    assert.equal(second.steps.accepted, first.steps.accepted - 1)
    const bench = linesOf('reviewed', 'bench.jsonl')
    assert.ok(!bench.some(({ question_id }) => question_id === review[0]!['question_id']))
    assert.equal(bench[0]!['Answer'], 'A better answer.')
    assert.deepEqual(linesOf('reviewed', 'review.jsonl'), review)
    writeFileSync(path, '{"question_id": ')
    await assert.rejects(build('reviewed'), /line 1/)
    // JSON, but no object: null was a bug of ours, a list was passed over.
    for (const line of ['null', '[1]', '7']) {
      writeFileSync(path, `${JSON.stringify(review[0])}\n${line}\n`)
      await assert.rejects(build('reviewed'), {
        code: 'INPUT_REVIEW_BROKEN',
        message: `data build-bench: line 2 of ${path} should be a JSON object, ${line} came; mend it.`,
      })
    }
    // A text is no answer to it, and was taken for yes.
    writeFileSync(path, `${JSON.stringify({ ...review[0], accept: 'false' })}\n`)
    await assert.rejects(build('reviewed'), {
      code: 'INPUT_REVIEW_BROKEN',
      message: /"accept" in line 1 .* true, false or null, "false" came/,
    })
  })

  test('again over a picture that an earlier build left torn', async () => {
    await build('torn')
    const path = join(ROOT, 'torn', String(linesOf('torn', 'bench.jsonl')[0]!['image']))
    const whole = readFileSync(path)
    writeFileSync(path, whole.subarray(0, 100))
    await build('torn')
    assert.deepEqual(readFileSync(path), whole)
  })

  test('beside its requests: what it wrote itself is no request, and goes nowhere into them', async () => {
    const folder = join(ROOT, 'own')
    mkdirSync(folder)
    const row = { id: 'q', image: join(IMAGES, names[2]!), text: 'What is it?' }
    // As Windows saves it, and with the picture's whole path.
    writeFileSync(join(folder, 'requests.jsonl'), `\uFEFF${JSON.stringify(row)}\r\n`)
    writeFileSync(join(folder, '._requests.jsonl'), Buffer.from([0, 5, 22, 7]))
    const options = { folder, out: join(folder, 'bench') }
    const first = await build('', options)
    assert.deepEqual([first.steps.read, first.steps.accepted], [1, 1])
    const second = await build('', options)
    assert.deepEqual(second.steps, first.steps)
    await assert.rejects(build('', { folder, out: folder }), { code: 'INPUT_OUT_IS_INPUT' })
  })

  test('with the references that came where one was refused; nobody there ends it', async () => {
    const answerer = (isRefused: (id: string) => boolean) => ({
      identity: 'picky',
      async answer({ id }: BenchRequest) {
        if (isRefused(id)) throw new Error('filtered')
        return `About ${id}`
      },
    })
    const out = 'refused'
    await assert.rejects(build(out, { answerer: answerer(() => true) }), /filtered/)
    const asked: string[] = []
    const first = await build(out, {
      answerer: answerer((id) => {
        asked.push(id)
        return id === asked[0]
      }),
    })
    assert.deepEqual(first.unanswered, [{ id: asked[0], reason: 'filtered' }])
    assert.deepEqual(first.references, { by: 'picky', missing: 1 })
    const second = await build(out, { answerer: answerer(() => false) })
    assert.deepEqual([second.unanswered, second.references.missing], [[], 0])
  })

  test('by another answerer: its references stand there, and what people rewrote', async () => {
    // The first one's stayed, under the name of the second.
    const by = (name: string) => ({
      identity: name,
      async answer({ id }: BenchRequest) {
        return `${name} about ${id}`
      },
    })
    await build('answerers', { answerer: by('one') })
    const path = join(ROOT, 'answerers', 'review.jsonl')
    const review = linesOf('answerers', 'review.jsonl')
    const machine = review.filter(({ reference }) => String(reference).startsWith('one'))
    machine[0]!['reference'] = 'By hand.'
    writeFileSync(path, review.map((row) => `${JSON.stringify(row)}\n`).join(''))
    const { references } = await build('answerers', { answerer: by('two') })
    assert.equal(references.by, 'two')
    const texts = linesOf('answerers', 'bench.jsonl').map(({ Answer }) => String(Answer))
    assert.ok(texts.includes('By hand.'))
    assert.equal(texts.filter((text) => text.startsWith('one')).length, 0)
    assert.equal(texts.filter((text) => text.startsWith('two')).length, machine.length - 1)
  })

  test('from nothing is refused', async () => {
    mkdirSync(join(ROOT, 'nothing'))
    await assert.rejects(build('x', { folder: join(ROOT, 'nothing') }), InputError)
    writeFileSync(join(ROOT, 'nothing', 'a.jsonl'), '{"image": ')
    await assert.rejects(build('y', { folder: join(ROOT, 'nothing') }), /cut off/)
  })
})

describe('weighted k-means', () => {
  const rng = new Rng(5)
  const middles = [
    [0, 0],
    [10, 0],
    [0, 10],
  ]
  const points = Array.from({ length: 60 }, (_, i) =>
    Float32Array.from(middles[i % 3]!.map((value) => value + rng.normal())),
  )

  test('finds clusters that are far apart, and every point its nearest centre', () => {
    const { assigned, centres, distances } = weightedKMeans(
      points,
      points.map(() => 1),
      { k: 3, rng: new Rng(0) },
    )
    const groups = new Set(points.map((_, i) => `${i % 3} ${assigned[i]}`))
    assert.equal(groups.size, 3)
    points.forEach((point, i) => {
      const all = centres.map(
        (centre) => (point[0]! - centre[0]!) ** 2 + (point[1]! - centre[1]!) ** 2,
      )
      assert.ok(Math.abs(Math.min(...all) - distances[i]!) < 1e-9)
    })
  })

  test('draws a centre to what weighs most', () => {
    const pair = [Float32Array.of(0), Float32Array.of(10)]
    const { centres } = weightedKMeans(pair, [9, 1], { k: 1, rng: new Rng(0) })
    assert.ok(Math.abs(centres[0]![0]! - 1) < 1e-9)
  })

  test('gives no more clusters than there are points that differ', () => {
    const same = Array.from({ length: 5 }, () => Float32Array.of(1))
    assert.equal(
      weightedKMeans(
        same,
        same.map(() => 1),
        { k: 3, rng: new Rng(0) },
      ).centres.length,
      1,
    )
  })
})
