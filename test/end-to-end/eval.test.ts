/** `llava eval` as a user runs it: killed and resumed, in batches and one by one, here and behind a server. */
import assert from 'node:assert/strict'
import { execFileSync, type ChildProcess } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
import sharp from 'sharp'
import { loadModel, type Model } from '../../src/index.ts'
import { llava, program } from './run-cli.ts'
import { firstOf } from '../thorough.ts'

const MODEL = resolve('fixtures/inference/llava-mlp')
const FOLDER = mkdtempSync(join(tmpdir(), 'llava-eval-'))
const QUESTIONS = join(FOLDER, 'quick')
const COUNT = 12
mkdirSync(join(QUESTIONS, 'images'), { recursive: true })
for (const name of ['photo-640x480.jpg', 'exif-rotated-320x240.jpg']) {
  copyFileSync(join('fixtures/pictures', name), join(QUESTIONS, 'images', name))
}
const rows = Array.from({ length: COUNT }, (_, i) => ({
  id: `color-${i}`,
  image: `images/${i % 2 ? 'photo-640x480.jpg' : 'exif-rotated-320x240.jpg'}`,
  task: 'color',
  question: `What color is thing ${i}?\nAnswer the question using a single word or phrase.`,
  answer: 'Red',
}))
writeFileSync(
  join(QUESTIONS, 'color.jsonl'),
  rows.map((row) => `${JSON.stringify(row)}\n`).join(''),
)
after(() => rmSync(FOLDER, { recursive: true }))

const EVAL = ['eval', 'quick', '--questions', QUESTIONS, '--max-tokens', '6', '--json']
const LOCAL = ['--model', MODEL, '--precision', 'f32']
type Line = { question_id: string; text: string; metadata: { error?: string } }
type Result = {
  metrics: object[]
  outcomes: { id: string; given: string }[]
  recipe: { hash: string; model: object }
}

const linesOf = (out: string): Line[] => {
  const path = join(FOLDER, out, 'quick/answers.jsonl')
  const whole = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : []
  return whole.map((line) => JSON.parse(line) as Line)
}
const resultOf = (out: string) =>
  JSON.parse(readFileSync(join(FOLDER, out, 'quick/result.json'), 'utf8')) as Result
const textsOf = (out: string) =>
  Object.fromEntries(linesOf(out).map(({ question_id, text }) => [question_id, text]))

describe('llava eval', () => {
  before(async () => {
    const ran = await llava([...EVAL, ...LOCAL, '--out', join(FOLDER, 'whole')])
    assert.equal(ran.code, 0, ran.stderr)
    // Twelve questions at once share one signal: Node warned of a leak of listeners.
    assert.doesNotMatch(ran.stderr, /MaxListeners/)
  })

  test('killed and resumed, every question is answered once, and scores are the same', async () => {
    const args = [...EVAL, ...LOCAL, '--batch', '1', '--out', join(FOLDER, 'killed')]
    for (const atLeast of firstOf(1, [5, 2, 8]).toSorted((a, b) => a - b)) {
      const ran = await program(args, {
        onStart: (child) => killWhen(child, () => linesOf('killed').length >= atLeast),
      })
      assert.notEqual(ran.code, 0, 'the run was killed before its end')
      assert.ok(!existsSync(join(FOLDER, 'killed/quick/result.json')))
    }
    assert.ok(linesOf('killed').length < COUNT)
    assert.equal((await llava(args)).code, 0)
    assert.deepEqual(
      linesOf('killed').map(({ question_id }) => question_id),
      rows.map(({ id }) => id),
    )
    // One by one after kills, in batches without: the same answers and scores.
    assert.deepEqual(textsOf('killed'), textsOf('whole'))
    assert.deepEqual(resultOf('killed').metrics, resultOf('whole').metrics)
    assert.equal(resultOf('killed').recipe.hash, resultOf('whole').recipe.hash)
    // A commit of the same version between them keeps nobody from going on.
    const path = join(FOLDER, 'killed/quick/run.json')
    const run = JSON.parse(readFileSync(path, 'utf8')) as { code: string }
    writeFileSync(path, JSON.stringify({ ...run, code: `${run.code.split('+')[0]}+0123456789ab` }))
    assert.equal((await llava(args)).code, 0)
  })

  test('another recipe in the same folder is refused by what differs', async () => {
    const ran = await llava(
      [...EVAL, ...LOCAL, '--max-tokens=3', '--out', join(FOLDER, 'whole')].filter(
        (one, i, all) => one !== '--max-tokens' && all[i - 1] !== '--max-tokens',
      ),
    )
    assert.equal(ran.code, 1)
    assert.match(ran.stdout + ran.stderr, /begun with another decoding/)
  })

  test('compare finds nothing between equal runs, report writes one page and a table', async () => {
    const compared = await llava([
      'eval',
      'compare',
      join(FOLDER, 'whole/quick'),
      join(FOLDER, 'killed/quick'),
      '--json',
    ])
    const { metrics, fallback, changed, otherTexts } = JSON.parse(compared.stdout) as {
      metrics: { metric: string; pValue: number }[]
      fallback: string | null
      changed: object[]
      otherTexts: number
    }
    assert.deepEqual(
      metrics.map(({ metric, pValue }) => [metric, pValue]),
      [['overall', 1]],
    )
    assert.deepEqual([fallback, changed.length, otherTexts], [null, 0, 0])
    const out = join(FOLDER, 'report')
    const reported = await llava(['eval', 'report', join(FOLDER, 'whole'), '--out', out])
    assert.equal(reported.code, 0, reported.stderr)
    const html = readFileSync(join(out, 'report.html'), 'utf8')
    assert.match(html, /data:image\/jpeg;base64,/)
    assert.match(
      readFileSync(join(out, 'report.md'), 'utf8'),
      /\| Quick set of the mini model \| llava-mlp \| overall \| 0\.0 \|/,
    )
  })

  test("a result stands beside the official script's files, of eval and of score", async () => {
    // ScienceQA's official result took the name of ours: compare and report read it, and eval wrote over it.
    const questions = join(FOLDER, 'science.json')
    const ask = (id: string) => ({
      id,
      conversations: [
        { from: 'human', value: `Which of ${id}?\nA. x\nB. y` },
        { from: 'gpt', value: 'A' },
      ],
    })
    writeFileSync(questions, JSON.stringify(['1', '2'].map(ask)))
    const out = join(FOLDER, 'science')
    const from = ['scienceqa', '--questions', questions]
    const asked = ['eval', ...from, ...LOCAL, '--max-tokens', '2', '--out', out]
    const ran = await llava(asked)
    assert.equal(ran.code, 0, ran.stderr)
    assert.match(ran.stdout, /result\.json, scienceqa_output\.json, scienceqa_result\.json$/m)
    const run = join(out, 'scienceqa')
    assert.match(readFileSync(join(run, 'scienceqa_result.json'), 'utf8'), /"acc": /)
    const scored = join(FOLDER, 'scored')
    const answers = join(run, 'answers.jsonl')
    await llava(['score', ...from, '--answers', answers, '--out', scored])
    assert.ok(existsSync(join(scored, 'scienceqa_result.json')))
    const compared = await llava(['eval', 'compare', run, scored])
    assert.match(compared.stdout, /scienceqa: 2 questions/)
    const reported = await llava(['eval', 'report', out, '--out', join(FOLDER, 'science-report')])
    assert.equal(reported.code, 0, reported.stderr)
  })

  test('training data that holds a picture and a question is named, alone and beside the scores', async () => {
    const mixture = join(FOLDER, 'train.json')
    const turns = [
      { from: 'human', value: '<image>\nWhat color is thing 1?' },
      { from: 'gpt', value: 'Red' },
    ]
    const image = resolve('fixtures/pictures/photo-640x480.jpg')
    writeFileSync(mixture, JSON.stringify([{ id: '1', image, conversations: turns }]))
    const checked = [
      '--questions',
      QUESTIONS,
      '--mixture',
      mixture,
      '--cache-dir',
      FOLDER,
      '--json',
    ]
    const out = join(FOLDER, 'contamination')
    const asData = checked.map((one) => (one === '--mixture' ? '--data' : one))
    const alone = await llava(['eval', 'contamination', 'quick', ...asData, '--out', out])
    assert.equal(alone.code, 0, alone.stderr)
    const { results } = JSON.parse(alone.stdout) as {
      results: { pictures: object; texts: object; both: number; items: number }[]
    }
    const [found] = results
    assert.deepEqual(
      [found!.items, found!.pictures, found!.texts, found!.both],
      [COUNT, { equal: 6, near: 0 }, { equal: 1, near: 0 }, 1],
    )
    assert.ok(existsSync(join(out, 'quick/contamination.json')))
    const run = [
      'eval',
      'quick',
      ...checked,
      ...LOCAL,
      '--max-tokens',
      '2',
      '--limit',
      '2',
      '--one-by-one',
      '1',
      '--out',
      join(FOLDER, 'checked'),
    ]
    const ran = await llava(run)
    assert.equal(ran.code, 0, ran.stderr)
    const { results: runs } = JSON.parse(ran.stdout) as {
      results: {
        contamination: { overlapping: string[]; scores: object }
        recipe: { training: string }
        speed: { questions: number; ratio: number }
      }[]
    }
    const [{ contamination, recipe, speed }] = runs as [(typeof runs)[number]]
    assert.equal(contamination.overlapping.length, 6)
    assert.deepEqual(contamination.scores, { clean: 0, overlapping: 0 })
    assert.match(recipe.training, /^[0-9a-f]{64}$/)
    assert.equal(speed.questions, 1)
    assert.ok(speed.ratio > 0)
  })

  test('the quick set is found without a flag, and is in the package', async () => {
    const { files } = JSON.parse(readFileSync('package.json', 'utf8')) as { files: string[] }
    assert.ok(files.includes('fixtures/eval/quick'))
    const gone = ['--engine', 'http://127.0.0.1:9/v1', '--engine-attempts', '1', '--model', 'm']
    const ran = await llava([
      'eval',
      'quick',
      ...gone,
      '--limit',
      '1',
      '--out',
      join(FOLDER, 'found'),
    ])
    assert.equal(ran.code, 1)
    assert.match(ran.stdout + ran.stderr, /should answer questions/)
  })

  test('a picture that is not there is an error of its question; all of them, of the run', async () => {
    const folder = join(FOLDER, 'holes')
    mkdirSync(join(folder, 'images'), { recursive: true })
    copyFileSync(
      join(QUESTIONS, 'images/photo-640x480.jpg'),
      join(folder, 'images/photo-640x480.jpg'),
    )
    writeFileSync(
      join(folder, 'color.jsonl'),
      rows
        .slice(0, 4)
        .map((row) => `${JSON.stringify(row)}\n`)
        .join(''),
    )
    const args = ['eval', 'quick', '--questions', folder, '--max-tokens', '2', ...LOCAL, '--json']
    const ran = await llava([...args, '--out', join(FOLDER, 'some')])
    const { results } = JSON.parse(ran.stdout) as {
      results: { counts: object; run: { errors: { id: string }[] } }[]
    }
    assert.deepEqual(
      results[0]!.run.errors.map(({ id }) => id),
      ['color-0', 'color-2'],
    )
    assert.deepEqual(results[0]!.counts, {
      questions: 4,
      answers: 2,
      missing: 2,
      extra: 0,
      unreadable: 0,
    })
    rmSync(join(folder, 'images'), { recursive: true })
    const none = await llava([...args, '--out', join(FOLDER, 'none')])
    assert.equal(none.code, 1)
    assert.match(none.stdout + none.stderr, /--images/)
  })

  // A damaged one ended the run as a bug of ours, a small one was looked for as a file.
  test('pictures in a table are asked whatever their size, and damaged ones are errors of their questions', async () => {
    const [photo = '', dot = ''] = [
      readFileSync('fixtures/pictures/photo-640x480.jpg'),
      await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
        .png()
        .toBuffer(),
    ].map((bytes) => bytes.toString('base64'))
    assert.ok(dot.length < 255)
    const safe = Buffer.from(photo, 'base64').toString('base64url')
    const whole = { long: photo, small: dot, url: `data:image/png;base64,${dot}`, safe }
    const damaged = {
      cut: photo.slice(0, 301),
      short: photo.slice(0, 400),
      padded: `A==${photo}`,
      foreign: photo.replace('A', '*'),
      missing: `${'no-such-folder/'.repeat(300)}1.jpg`,
      none: '',
    }
    const table = join(FOLDER, 'mmbench_dev_20230712.tsv')
    const head = ['index', 'question', 'hint', 'A', 'B', 'C', 'D', 'answer', 'category', 'image']
    const names = Object.keys({ ...whole, ...damaged })
    const cells = Object.values({ ...whole, ...damaged }).map((image, i) =>
      [i, `Which is ${i}?`, '', 'x', 'y', '', '', 'A', 'any', image].join('\t'),
    )
    writeFileSync(table, [head.join('\t'), ...cells].join('\n'))
    const out = join(FOLDER, 'in-tables')
    const asked = ['eval', 'mmbench', '--questions', table, '--max-tokens', '2', ...LOCAL]
    const ran = await llava([...asked, '--out', out, '--json'])
    assert.equal(ran.code, 0, ran.stderr)
    const { results } = JSON.parse(ran.stdout) as {
      results: { counts: { questions: number }; run: { errors: { id: string; error: string }[] } }[]
    }
    const { counts, run } = results[0]!
    assert.equal(counts.questions, names.length)
    assert.deepEqual(
      run.errors.map(({ id }) => names[Number(id)]),
      Object.keys(damaged),
    )
    for (const { error } of run.errors) assert.ok(error.length < 900, error)
  })

  test('says what is missing: 2 for a wrong command, 1 for wrong files', async () => {
    const SERVER = ['--engine', 'http://127.0.0.1:9/v1', '--model', 'm']
    const JUDGE = ['--judge', 'http://127.0.0.1:9/v1', '--judge-model', 'one']
    const cases = [
      [['eval'], 2],
      [['eval', 'pope', ...LOCAL], 2],
      [['eval', 'nope', '--questions', QUESTIONS, ...LOCAL], 2],
      [['eval', 'quick', '--questions', QUESTIONS, '--engine', 'http://127.0.0.1:9/v1'], 2],
      [['eval', 'compare', QUESTIONS], 2],
      [['eval', 'llava-bench', '--questions', QUESTIONS, ...SERVER, ...JUDGE, ...JUDGE], 2],
      [['eval', 'quick', '--questions', QUESTIONS, ...SERVER, ...JUDGE], 2],
      [['eval', 'report', join(FOLDER, 'empty')], 1],
      [['eval', 'report', join(FOLDER, 'whole'), join(FOLDER, 'empty')], 1],
    ] as const
    for (const [args, code] of cases) assert.equal((await llava(args)).code, code, args.join(' '))
  })
})

test('llava data build-bench: references are left to people, or by a server whose refusal is told', async () => {
  const folder = join(FOLDER, 'refused-requests')
  mkdirSync(folder)
  copyFileSync('fixtures/pictures/photo-640x480.jpg', join(folder, 'a.jpg'))
  writeFileSync(join(folder, 'requests.jsonl'), '{"id": "r", "image": "a.jpg", "text": "What?"}\n')
  const build = ['data', 'build-bench', folder, '--json', '--out']
  const left = await llava([...build, join(FOLDER, 'left'), ...LOCAL, '--no-references'])
  assert.equal(left.code, 0, left.stderr)
  const { references } = JSON.parse(left.stdout) as { references: { by: string | null } }
  assert.equal(references.by, null)
  const server = createServer((_, response) => response.writeHead(400).end('{}'))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  const engine = ['--engine', url, '--engine-model', 'm']
  const { code, stderr } = await llava([...build, join(FOLDER, 'refused'), ...engine])
  server.close()
  assert.equal(code, 1)
  assert.match(stderr, /INPUT_ENDPOINT_REFUSED/)
})

test('llava data build-bench: embedded and answered by a model, asked like Wilder', async () => {
  const folder = join(FOLDER, 'requests')
  mkdirSync(folder)
  const pictures = ['photo-640x480.jpg', 'exif-rotated-320x240.jpg', 'photo-336x336.png']
  for (const name of pictures) copyFileSync(join('fixtures/pictures', name), join(folder, name))
  const rows = pictures.map((image, i) => ({ id: `r${i}`, image, text: `What is at place ${i}?` }))
  writeFileSync(join(folder, 'requests.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'))
  const out = join(FOLDER, 'bench-built')
  const build = [
    'data',
    'build-bench',
    folder,
    '--out',
    out,
    '--size',
    '2',
    '--max-tokens',
    '3',
    ...LOCAL,
    '--json',
  ]
  const ran = await llava(build)
  assert.equal(ran.code, 0, ran.stdout + ran.stderr)
  const report = JSON.parse(ran.stdout) as {
    steps: { chosen: number }
    references: { by: string }
    embeddings: { pictures: string }
  }
  assert.deepEqual([report.steps.chosen, report.references.by], [2, 'llava-mlp'])
  assert.match(
    report.embeddings.pictures,
    /^mean features of tower and projector of llava-mlp \(weights [0-9a-f]{12}\)$/,
  )
  const asked = [
    'eval',
    'llava-wilder',
    '--questions',
    join(out, 'bench.jsonl'),
    '--images',
    out,
    '--max-tokens',
    '2',
  ]
  let seen = ''
  const judge = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => (seen += chunk.toString()))
    request.on('end', () => response.end('{"choices":[{"message":{"content":"10 6"}}]}'))
  })
  await new Promise<void>((done) => judge.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(judge.address() as AddressInfo).port}/v1`
  const judged = ['--judge', url, '--judge-model', 'j', '--cache-dir', FOLDER]
  const evaluated = await llava([
    ...asked,
    ...LOCAL,
    ...judged,
    '--out',
    join(FOLDER, 'wilder'),
    '--json',
  ])
  judge.closeAllConnections()
  judge.close()
  assert.equal(evaluated.code, 0, evaluated.stderr)
  const { results } = JSON.parse(evaluated.stdout) as {
    results: { metrics: { value: number }[] }[]
  }
  assert.equal(results[0]!.metrics[0]!.value, 60)
  assert.match(seen, /data:image\/(?:jpeg|png);base64,/, 'the judge sees the picture')
})

describe('llava eval --engine', () => {
  let model: Model
  let server: Server
  before(async () => {
    model = await loadModel(MODEL, { precision: 'f32' })
    server = createServer(async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const body = JSON.parse(Buffer.concat(chunks).toString()) as {
        messages: never[]
        max_tokens: number
      }
      const { text, finishReason, usage } = await model.generate({
        messages: body.messages,
        maxTokens: body.max_tokens,
        temperature: 0,
      })
      const choices = [
        { message: { role: 'assistant', content: text }, finish_reason: finishReason },
      ]
      response.end(
        JSON.stringify({
          choices,
          usage: { prompt_tokens: usage.promptTokens, completion_tokens: usage.completionTokens },
        }),
      )
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  })
  after(async () => {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
    await model.dispose()
  })

  test('gives the scores of the same weights here', async () => {
    const { port } = server.address() as AddressInfo
    const url = `http://127.0.0.1:${port}/v1`
    const ran = await llava([
      ...EVAL,
      '--engine',
      url,
      '--engine',
      url,
      '--model',
      'the-model',
      '--batch',
      '2',
      '--out',
      join(FOLDER, 'served'),
    ])
    assert.equal(ran.code, 0, ran.stderr)
    assert.deepEqual(textsOf('served'), textsOf('whole'))
    assert.deepEqual(resultOf('served').metrics, resultOf('whole').metrics)
    assert.deepEqual(resultOf('served').recipe.model, { kind: 'endpoint', model: 'the-model' })
  })

  // They were waited for, or the server was said to be down.
  test('pictures that are no plain files are errors of their questions', async () => {
    const bench = join(FOLDER, 'no-files')
    mkdirSync(join(bench, 'images', 'folder.jpg'), { recursive: true })
    execFileSync('mkfifo', [join(bench, 'images', 'pipe.jpg')])
    copyFileSync('fixtures/pictures/photo-640x480.jpg', join(bench, 'images', 'photo.jpg'))
    const names = [...Array.from({ length: 7 }, () => 'folder'), 'pipe', 'photo']
    const asked = names.map((name, i) => ({ ...rows[i], image: `images/${name}.jpg` }))
    writeFileSync(
      join(bench, 'color.jsonl'),
      asked.map((row) => `${JSON.stringify(row)}\n`).join(''),
    )
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
    const out = ['--out', join(FOLDER, 'asked-no-files')]
    const engine = ['--engine', url, '--model', 'm', '--batch', '1']
    const { stderr } = await llava(['eval', 'quick', '--questions', bench, ...engine, ...out])
    const lines = linesOf('asked-no-files')
    const errors = lines.map(({ metadata }) => metadata.error ?? '')
    assert.deepEqual(
      errors.map((error) => / is a folder, a pipe or a device; /.test(error)),
      names.map((name) => name !== 'photo'),
      stderr,
    )
    assert.notEqual(lines.at(-1)?.text, '')
  })

  test('and --judge: reviews are kept, scored and counted, answers wait for a judge', async () => {
    const bench = join(FOLDER, 'bench')
    mkdirSync(bench)
    const write = (name: string, row: object) =>
      writeFileSync(join(bench, name), `${JSON.stringify(row)}\n`)
    const image = 'photo-640x480.jpg'
    write('questions.jsonl', { question_id: 1, image, category: 'conv', text: 'What is it?' })
    write('context.jsonl', { image, caption: 'A photo.' })
    write('answers_gpt4.jsonl', { question_id: 1, text: 'A photo.' })
    const judge = createServer((request, response) => {
      request
        .resume()
        .on('end', () => response.end('{"choices":[{"message":{"content":"8 6\\nFine."}}]}'))
    })
    await new Promise<void>((done) => judge.listen(0, '127.0.0.1', done))
    const at = (one: Server) => `http://127.0.0.1:${(one.address() as AddressInfo).port}/v1`
    const files = [
      '--questions',
      join(bench, 'questions.jsonl'),
      '--labels',
      bench,
      '--images',
      join(QUESTIONS, 'images'),
    ]
    const args = [
      'eval',
      'llava-bench',
      ...files,
      '--engine',
      at(server),
      '--model',
      'm',
      '--max-tokens',
      '4',
      '--out',
      join(FOLDER, 'judged'),
      '--json',
      '--cache-dir',
      FOLDER,
    ]
    const before = await llava(args)
    assert.deepEqual(
      (JSON.parse(before.stdout) as { results: { metrics: object[] }[] }).results[0]!.metrics,
      [],
      before.stderr,
    )
    const url = at(judge)
    const judging = ['--judge', url, '--judge-model', 'gpt-4-0314']
    const ran = await llava([...args, ...judging])
    const answers = join(FOLDER, 'judged/llava-bench/answers.jsonl')
    const judged = ['--answers', answers, ...files, ...judging, '--cache-dir', FOLDER, '--json']
    const again = await llava(['score', 'llava-bench', ...judged])
    judge.close()
    assert.equal(ran.code, 0, ran.stdout + ran.stderr)
    const { results } = JSON.parse(ran.stdout) as {
      results: { metrics: { value: number }[]; judged: object[]; recipe: { judge: object } }[]
    }
    const [result] = results
    assert.equal(result!.metrics[0]!.value, 75)
    const identity = [{ kind: 'endpoint', model: 'gpt-4-0314', url }]
    assert.deepEqual(result!.recipe.judge, identity)
    assert.equal(again.code, 0, again.stderr)
    const scored = JSON.parse(again.stdout) as typeof result & { recipe: { code: string } }
    assert.equal(scored.metrics[0]!.value, 75, 'the same answers judged by llava score')
    assert.deepEqual(scored.recipe.judge, identity)
    assert.match(scored.recipe.code, /^\d+\.\d+\.\d+/)
    const [facts] = scored.judged as { calls: number; cached: number }[]
    assert.deepEqual([facts!.calls, facts!.cached], [0, 1], 'from the cache of the run')
    assert.deepEqual(result!.judged, [
      {
        judge: 'gpt-4-0314',
        reviews: 1,
        calls: 1,
        cached: 0,
        cost: 0,
        versions: [],
        nonsense: [],
        suspicious: [],
      },
    ])
    const review = readFileSync(join(FOLDER, 'judged/llava-bench/reviews-gpt-4-0314.jsonl'), 'utf8')
    const [answered] = readFileSync(answers, 'utf8').split('\n')
    assert.deepEqual(JSON.parse(review), {
      given: (JSON.parse(answered!) as { text: string }).text,
      question_id: 1,
      category: 'llava_bench_conv',
      tuple: [8, 6],
      content: '8 6\nFine.',
    })
  })

  test('and --judge: what it fails at is counted, and how it draws and whom it judges are told', async () => {
    const bench = join(FOLDER, 'vet')
    mkdirSync(bench)
    const ids = [0, 1, 2, 3]
    const asked = ids.map((id) => ({ question_id: id, image: 'a.png', text: `What is ${id}?` }))
    const questions = join(bench, 'llava-mm-vet.jsonl')
    writeFileSync(questions, asked.map((row) => `${JSON.stringify(row)}\n`).join(''))
    const truth = (id: number) => ({ question: `What is ${id}?`, answer: 'a', capability: ['rec'] })
    const labels = join(bench, 'mm-vet.json')
    writeFileSync(
      labels,
      JSON.stringify(Object.fromEntries(ids.map((id) => [`v1_${id}`, truth(id)]))),
    )
    const judge = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        if (body.includes('"temperature"'))
          return response.writeHead(400).end('temperature does not support 0, only the default')
        // The pauses that it asks for are short.
        if (body.includes('What is 1?'))
          return response.writeHead(500, { 'retry-after': '0.001' }).end('broken')
        response.end('{"choices":[{"message":{"content":"0.5"}}]}')
      })
    })
    await new Promise<void>((done) => judge.listen(0, '127.0.0.1', done))
    const at = (one: Server) => `http://127.0.0.1:${(one.address() as AddressInfo).port}/v1`
    const engine = ['--engine', at(server), '--model', 'tiny/llava', '--blind', '--max-tokens', '2']
    const judging = ['--judge', at(judge), '--judge-model', 'j', '--cache-dir', bench]
    const files = ['--questions', questions, '--labels', labels, '--out', bench]
    const args = ['eval', 'mm-vet', ...files, ...engine, ...judging, '--json']
    const hashes = new Set<string>()
    for (let call = 0; call < 2; call++) {
      const { code, stdout, stderr } = await llava(args)
      assert.equal(code, 0, stderr)
      const { results } = JSON.parse(stdout) as {
        results: {
          metrics: { value: number }[]
          judged: { nonsense: { id: string; content: string }[]; isOwnTemperature: boolean }[]
          recipe: { hash: string; judge: object[] }
        }[]
      }
      const { metrics, judged, recipe } = results[0]!
      const [{ nonsense, isOwnTemperature }] = judged as [(typeof judged)[number]]
      assert.deepEqual([metrics[0]!.value, nonsense.length, isOwnTemperature], [37.5, 1, true])
      assert.match(nonsense[0]!.content, /6 attempts failed \(HTTP 500: broken\); it is running/)
      const identity = { kind: 'endpoint', model: 'j', url: at(judge), isOwnTemperature: true }
      assert.deepEqual(recipe.judge, [identity])
      hashes.add(recipe.hash)
    }
    judge.closeAllConnections()
    judge.close()
    assert.equal(hashes.size, 1, 'called again, all but one from the disk, it is the same run')
    const table = readFileSync(join(bench, 'mm-vet-blind/cap-score.csv'), 'utf8')
    assert.match(table, /^,rec,total,std,runs\ntiny\/llava,37\.5,/)
  })

  test('that is down ends with the reason', async () => {
    const ran = await llava([
      ...EVAL,
      '--engine',
      'http://127.0.0.1:9/v1',
      '--engine-attempts',
      '1',
      '--model',
      'm',
      '--out',
      join(FOLDER, 'down'),
    ])
    assert.equal(ran.code, 1)
    assert.match(ran.stdout + ran.stderr, /should answer/)
  })
})

function killWhen(child: ChildProcess, isTime: () => boolean): void {
  const timer = setInterval(() => {
    if (isTime()) child.kill('SIGKILL')
  }, 2)
  child.on('exit', () => clearInterval(timer))
}
