/** Whole runs by recipes, on the smallest recorded checkpoint. */
import assert from 'node:assert/strict'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parquetWriteBuffer } from 'hyparquet-writer'
import { loadModel } from '../index.ts'
import { openLoraAdapter } from '../weights/index.ts'
import { blindRows, colourRows, TINY_MODEL, tinyRecipe, type TinyRow } from '../../test/tiny-run.ts'
import { createTrainer, dryRun, train, type StepEvent, type TrainEvent } from './index.ts'
import { RunFolder } from './run-folder-node.ts'

let root: string
before(() => {
  root = mkdtempSync(join(tmpdir(), 'llava-run-'))
})
after(() => rmSync(root, { recursive: true }))

async function runOf(recipe: unknown, options: Parameters<typeof train>[1] = {}) {
  const events: TrainEvent[] = []
  const outcome = await train(recipe, { ...options, onEvent: (event) => events.push(event) })
  return { outcome, events, steps: events.filter((event) => event.kind === 'step') }
}

const lossesOf = (steps: readonly StepEvent[]) =>
  steps.map(({ loss, gradNorm }) => [loss, gradNorm])

/** Steps until two colours are known by heart. */
const STEPS = 40

test('a batch is learnt by heart, and without its pictures it is not', async () => {
  const rows = colourRows(join(root, 'heart'), 2)
  const recipe = { steps: STEPS, batchSize: 2, learningRate: 5e-3 }
  const seeing = await runOf(tinyRecipe(join(root, 'heart'), rows, recipe))
  assert.ok((seeing.outcome.loss ?? 1) < 0.01, `${seeing.outcome.loss}`)
  const blind = await runOf(tinyRecipe(join(root, 'blind'), blindRows(rows), recipe))
  // One token of some ten in each record is one of two colours, and nothing tells which.
  assert.ok((blind.outcome.loss ?? 0) > Math.log(2) / 12, `${blind.outcome.loss}`)
})

test('what was learnt is what the saved model answers', async () => {
  await using model = await loadModel(join(root, 'heart', 'run', 'model'), { precision: 'f32' })
  for (const colour of ['red', 'green']) {
    const image = join(root, 'heart', `${colour}.ppm`)
    const content = [
      { type: 'image' as const, image },
      { type: 'text' as const, text: 'Which colour?' },
    ]
    const answer = await model.generate({ messages: [{ role: 'user', content }], maxTokens: 8 })
    assert.equal(answer.text, colour)
    assert.equal(answer.finishReason, 'stop')
  }
})

test('a run that was stopped goes on as if it had not been', async () => {
  const folder = join(root, 'resume')
  const rows = colourRows(folder, 10)
  const recipe = (output: string) =>
    tinyRecipe(folder, rows, {
      trainable: ['projector', 'vision'],
      lora: { rank: 4, dropout: 0.1 },
      steps: 8,
      schedule: { kind: 'cosine', warmupSteps: 2 },
      output: join(folder, output),
    })
  const whole = await runOf(recipe('whole'))
  const stop = new AbortController()
  const options = {
    signal: stop.signal,
    onEvent: (event: TrainEvent) => {
      if (event.kind === 'step' && event.step === 3) stop.abort()
    },
  }
  await assert.rejects(train(recipe('parts'), options), { name: 'AbortError' })
  assert.deepEqual(readdirSync(join(folder, 'parts', 'checkpoints')), ['step-00000003'])
  await assert.rejects(train(recipe('parts')), { code: 'CONFIG_RUN_EXISTS' })
  const rest = await runOf(recipe('parts'), { resume: true })
  assert.deepEqual(lossesOf(rest.steps), lossesOf(whole.steps.slice(3)))
  const [a, b] = ['whole', 'parts'].map((name) =>
    readFileSync(join(folder, name, 'model', 'adapter_model.safetensors')),
  )
  assert.deepEqual(a, b)
  const log = readFileSync(join(folder, 'parts', 'log.jsonl'), 'utf8')
    .trim()
    .split('\n')
  const logged = log.map((line) => JSON.parse(line) as TrainEvent)
  assert.deepEqual(
    logged.flatMap((event) => (event.kind === 'step' ? [event.step] : [])),
    [1, 2, 3, 4, 5, 6, 7, 8],
  )
})

// Killed between the two renames of a save, a run began anew and deleted the state that it had set aside.
test('a checkpoint that was set aside for another is gone on from', async () => {
  const folder = join(root, 'aside')
  const recipe = (steps: number) =>
    tinyRecipe(folder, colourRows(folder, 4), { steps, checkpoint: { everySteps: 1, keep: 1 } })
  const { events } = await runOf(recipe(2))
  // The last was written a second time, over itself, and so set aside in every run.
  const written = events.flatMap((event) => (event.kind === 'checkpoint' ? [event.step] : []))
  assert.deepEqual(written, [1, 2])
  const checkpoints = join(folder, 'run', 'checkpoints')
  const latest = join(checkpoints, 'step-00000002')
  cpSync(latest, `${latest}.1764370000000.old`, { recursive: true })
  renameSync(latest, `${latest}.1764380000000.old`)
  writeFileSync(join(`${latest}.1764370000000.old`, 'state.json'), 'an earlier one')
  await assert.rejects(train(recipe(3)), { code: 'CONFIG_RUN_EXISTS' })
  const { steps } = await runOf(recipe(3), { resume: true })
  assert.deepEqual(
    steps.map(({ step }) => step),
    [3],
  )
  assert.deepEqual(readdirSync(checkpoints), ['step-00000003'])
})

// The folder stayed locked by the process whose start had failed.
test('what was set aside and cannot be put back is told, by every start', async () => {
  const folder = join(root, 'stuck')
  const checkpoints = join(folder, 'run', 'checkpoints')
  mkdirSync(join(checkpoints, 'step-00000002.1764370000000.old'), { recursive: true })
  writeFileSync(join(checkpoints, 'step-00000002'), 'a file')
  const recipe = tinyRecipe(folder, colourRows(folder, 4))
  for (const resume of [true, false]) {
    await assert.rejects(train(recipe, { resume }), { code: 'CHECKPOINT_UNWRITABLE' })
    assert.ok(!existsSync(join(folder, 'run', 'run.lock')))
  }
})

test('what a checkpoint means cannot be changed, other changes are told', async () => {
  const folder = join(root, 'changed')
  const rows = colourRows(folder, 6)
  const recipe = (overrides: object) =>
    tinyRecipe(folder, rows, {
      trainable: ['projector', 'vision'],
      lora: { rank: 2 },
      steps: 1,
      ...overrides,
    })
  await train(recipe({}))
  const output = join(folder, 'moved')
  renameSync(join(folder, 'run'), output)
  for (const other of [
    { lora: { rank: 2, alpha: 9 } },
    { base: 'int8' },
    { conversation: 'v1' },
    { trainable: ['projector'] },
    { model: { from: TINY_MODEL, quirks: { emptyBatch: 'none' } } },
  ]) {
    await assert.rejects(train(recipe({ ...other, output }), { resume: true }), {
      code: 'CONFIG_RESUME_RECIPE',
    })
  }
  // In another order, the parts are the same.
  const told = { steps: 2, learningRate: 1e-4, threads: 1, trainable: ['vision', 'projector'] }
  const { events } = await runOf(recipe({ ...told, output }), { resume: true })
  const warnings = events.filter(({ kind }) => kind === 'warning')
  assert.equal(warnings.length, 1)
  assert.match(
    JSON.stringify(warnings),
    /learningRate was 0.003 and is 0.0001; length.steps was 1 and is 2; threads was null and is 1"/,
  )
})

// The model's folder was the same by its path, and what lay in it was in no checkpoint.
test('preferences by adapters go on over the weights that they were begun with', async () => {
  const folder = join(root, 'preferring')
  const pair = { prompt: '<image>\nWhich colour?', chosen: 'red', rejected: 'blue' }
  const rows = colourRows(folder, 4).map(({ id, image }) => ({ id, image, ...pair }))
  const model = join(folder, 'base')
  cpSync(TINY_MODEL, model, { recursive: true })
  const recipe = (steps: number) =>
    tinyRecipe(folder, rows, { model, stage: 'dpo', trainable: [], lora: { rank: 2 }, steps })
  await train(recipe(1))
  const file = join(model, 'model.safetensors')
  const weights = readFileSync(file)
  const others = Buffer.from(weights).fill(0, weights.length - 4)
  writeFileSync(file, others)
  await assert.rejects(train(recipe(2), { resume: true }), {
    code: 'CHECKPOINT_RESUME',
    message: /objective\.reference\.files was/,
  })
  writeFileSync(file, weights)
  await train(recipe(2), { resume: true })
})

test('a folder is trained into by one run, which deletes nothing but its own', async () => {
  const folder = join(root, 'busy')
  const recipe = tinyRecipe(folder, colourRows(folder, 4), {
    steps: 3,
    checkpoint: { everySteps: 1, keep: 1 },
  })
  const output = join(folder, 'run')
  const torn = 'model.01234567-89ab-cdef-0123-456789abcdef.tmp'
  for (const name of [torn, join('checkpoints', `step-00000001.${torn.slice(6)}`)]) {
    mkdirSync(join(output, name), { recursive: true })
  }
  mkdirSync(join(output, 'checkpoints', 'best'))
  // Of a process that has ended.
  writeFileSync(join(output, 'run.lock'), '2147483646')
  const first = new RunFolder(output)
  await first.start({ isResumed: false })
  await assert.rejects(train(recipe, { resume: true }), { code: 'CONFIG_RUN_BUSY' })
  first.close()
  await train(recipe)
  assert.deepEqual(readdirSync(join(output, 'checkpoints')).sort(), ['best', 'step-00000003'])
  assert.ok(!existsSync(join(output, torn)) && !existsSync(join(output, 'run.lock')))
  writeFileSync(join(output, 'run.lock'), String(process.ppid))
  await assert.rejects(train(recipe, { resume: true }), { code: 'CONFIG_RUN_BUSY' })
})

test('a start that failed leaves nothing behind, and one without a step is no run', async () => {
  const folder = join(root, 'failed')
  const recipe = tinyRecipe(folder, colourRows(folder, 4), { steps: 1 })
  const output = join(folder, 'run')
  const gone = { ...recipe, data: join(folder, 'gone.json') }
  await assert.rejects(train(gone))
  assert.ok(!existsSync(output))
  mkdirSync(output)
  writeFileSync(join(output, 'log.jsonl'), '{"kind":"start","output":"run"}\n')
  await assert.rejects(train(gone))
  assert.ok(!existsSync(output))
  await train(recipe)
  await assert.rejects(train(recipe), { code: 'CONFIG_RUN_EXISTS' })
})

test('what a recipe asks in vain is told before its records are looked at, by a dry run too', async () => {
  const folder = join(root, 'vain')
  const broken = colourRows(folder, 4).map((row) => ({ ...row, image: 'none.ppm' }))
  const dpo = { stage: 'dpo', trainable: ['projector'] }
  for (const [overrides, message] of [
    [{ betas: [0.9, 1.5] }, /betas should be two numbers/],
    [{ lora: { rank: 2 }, trainable: ['decoder'] }, /choose one/],
    [{ lora: { rank: 2, targets: 'nomatch' } }, /lora\.targets .* matches none/],
    [{ compute: 'int8', base: 'q4' }, /base is 'q4'/],
    [{ ...dpo, preference: { beta: 0 } }, /beta should be a number above 0/],
    [{ ...dpo, preference: { reference: '/nope/x' } }, /nope/],
    [{ trainable: [] }, /trainable should name a part/],
    [{ trainable: ['imageNewline'] }, /names imageNewline, of which this model has nothing/],
  ] as const) {
    const recipe = tinyRecipe(folder, broken, overrides)
    await assert.rejects(train(recipe), message)
    await assert.rejects(dryRun(recipe, { operationsPerSecond: { f32: 1, int8: 1 } }), message)
    assert.ok(!existsSync(join(folder, 'run')))
  }
  const heldOut = { evaluation: { data: join(folder, 'nope.json') } }
  const missing = { code: 'INPUT_DATA_MISSING' }
  await assert.rejects(train(tinyRecipe(folder, broken, heldOut)), missing)
  const whole = tinyRecipe(folder, colourRows(folder, 4), heldOut)
  await assert.rejects(dryRun(whole, { operationsPerSecond: { f32: 1, int8: 1 } }), missing)
})

test('stage 2 takes the projector out of the folder that stage 1 wrote', async () => {
  const folder = join(root, 'stages')
  const rows = colourRows(folder, 4)
  const stage1 = tinyRecipe(folder, rows, {
    trainable: ['projector'],
    steps: 2,
    output: join(folder, 'stage1'),
  })
  const { model } = await train(stage1)
  await using from = await createTrainer(model)
  await using taken = await createTrainer(TINY_MODEL, { projector: model })
  await using fresh = await createTrainer(TINY_MODEL)
  const [right, came, other] = [from, taken, fresh].map((one) => [...one.weights()])
  assert.deepEqual(came, right)
  assert.notDeepEqual(came, other)
  await using asked = await loadModel(TINY_MODEL, { precision: 'f32', projector: model })
  assert.ok(asked.config.projector)
  const blind = join('fixtures', 'text')
  await assert.rejects(createTrainer(TINY_MODEL, { projector: blind }), { name: 'CheckpointError' })
})

test('other records, or the same in other batches, are not gone on with', async () => {
  const folder = join(root, 'other')
  const rows = colourRows(folder, 6)
  await train(tinyRecipe(folder, rows, { steps: 1 }))
  const code = 'CONFIG_RESUME_DATA'
  await assert.rejects(train(tinyRecipe(folder, rows.slice(1), { steps: 2 }), { resume: true }), {
    code,
  })
  await assert.rejects(
    train(tinyRecipe(folder, rows, { steps: 2, batchSize: 3 }), { resume: true }),
    { code },
  )
})

test('broken records are set aside with their reasons, and too many stop the run before a step', async () => {
  const folder = join(root, 'broken')
  const rows: unknown[] = colourRows(folder, 97)
  writeFileSync(join(folder, 'cut.ppm'), 'P6 16 16 255\nabc')
  const [first] = rows as [{ conversations: unknown[] }]
  rows.push(
    { ...first, id: 'cut', image: 'cut.ppm' },
    { ...first, id: 'gone', image: 'gone.ppm' },
    { ...first, id: 'places', image: ['red.ppm', 'blue.ppm'] },
  )
  const recipe = (threshold: number, output: string) =>
    tinyRecipe(folder, rows, { steps: 1, quarantine: { threshold }, output: join(folder, output) })
  const events: TrainEvent[] = []
  await assert.rejects(
    train(recipe(0.01, 'stopped'), { onEvent: (event) => events.push(event) }),
    (error: Error & { code: string }) => {
      assert.equal(error.code, 'CONFIG_QUARANTINE')
      assert.match(
        error.message,
        /1 %.*100 records.*picture-broken.*picture-missing|picture-missing/,
      )
      return true
    },
  )
  assert.ok(events.every(({ kind }) => kind === 'progress'))
  const left = readFileSync(join(folder, 'stopped', 'quarantine.jsonl'), 'utf8')
  assert.equal(left.trim().split('\n').length, 3)
  const { events: told } = await runOf(recipe(0.05, 'run'))
  const start = told.find((event) => event.kind === 'start')
  assert.deepEqual([start?.records, start?.quarantined], [100, 3])
  const lines = readFileSync(join(folder, 'run', 'quarantine.jsonl'), 'utf8')
    .trim()
    .split('\n')
  const reasons = lines.map((line) => (JSON.parse(line) as { reason: string }).reason)
  assert.deepEqual(reasons, ['picture-broken', 'picture-missing', 'places'])
})

test('records that were broken are looked at again by the next start, and not by a run that goes on', async () => {
  const folder = join(root, 'mended')
  const recipe = tinyRecipe(folder, colourRows(folder, 8), { steps: 1 })
  const elsewhere = { ...recipe, data: { ...(recipe['data'] as object), imageFolder: root } }
  await assert.rejects(train(elsewhere), { code: 'CONFIG_QUARANTINE' })
  // The pictures of the first start were remembered as missing, wherever they were said to be.
  rmSync(join(folder, 'red.ppm'))
  const some = { ...recipe, quarantine: { threshold: 0.5 } }
  const { events } = await runOf(some)
  const start = events.find(({ kind }) => kind === 'start')
  assert.equal(start?.kind === 'start' && start.quarantined, 2)
  colourRows(folder, 8)
  const { events: rest } = await runOf({ ...some, steps: 2 }, { resume: true })
  const again = rest.find(({ kind }) => kind === 'start')
  assert.equal(again?.kind === 'start' && again.quarantined, 2)
})

// Remembered by their rows alone, records were as sound in a folder where nobody had looked.
test('records are looked at again where they are said to have other pictures', async () => {
  const [folder, other] = [join(root, 'sound'), join(root, 'other')]
  const rows = colourRows(folder, 4)
  colourRows(other, 4)
  // Older than the first look.
  writeFileSync(join(other, 'red.ppm'), 'P6 16 16 255\n')
  utimesSync(join(other, 'red.ppm'), 1, 1)
  const gone = { ...(rows[0] as TinyRow), image: 'gone.ppm' }
  const recipe = tinyRecipe(folder, [...rows, gone], { steps: 1 })
  await assert.rejects(train(recipe), { code: 'CONFIG_QUARANTINE' })
  const data = { ...(recipe['data'] as object), imageFolder: other }
  const { events } = await runOf({ ...recipe, data, quarantine: { threshold: 0.5 } })
  const start = events.find(({ kind }) => kind === 'start')
  assert.equal(start?.kind === 'start' && start.quarantined, 2)
})

test('a picture that was damaged since a start that failed is looked at again by the next', async () => {
  const folder = join(root, 'damaged')
  const rows = colourRows(folder, 4)
  const recipe = tinyRecipe(folder, rows)
  const fails = { ...recipe, evaluation: { data: join(folder, 'gone.json'), everySteps: 1 } }
  await assert.rejects(train(fails), { code: 'INPUT_DATA_MISSING' })
  writeFileSync(join(folder, 'red.ppm'), 'P6 16 16 255\n')
  await assert.rejects(train(recipe), {
    code: 'CONFIG_QUARANTINE',
    message: /1 came: 1 picture-broken .*red\.ppm/,
  })
})

test('what cannot be decoded when its turn comes is named: the record and the file, once or lazily', async () => {
  const folder = join(root, 'hole')
  const [first, second] = colourRows(folder, 2) as [TinyRow, TinyRow]
  const png = readFileSync('fixtures/pictures/photo-500x333.png')
  const path = join(folder, 'hole.png')
  // Headers and end are whole.
  writeFileSync(path, png.fill(0, png.length >> 1, (png.length >> 1) + 400))
  mkdirSync(join(folder, 'clip'))
  cpSync(path, join(folder, 'clip', 'frame.png'))
  const film = [{ from: 'human', value: '<video>\nWhat?' }, first.conversations[1]]
  const frame = join(folder, 'clip', 'frame.png')
  for (const [bad, file] of [
    [{ ...first, image: 'hole.png' }, path],
    [{ id: 'film', video: 'clip', conversations: film }, frame],
  ] as const) {
    const looks = { quarantine: { pictures: 'header' }, output: join(folder, bad.id) }
    const recipe = tinyRecipe(folder, [second, bad], looks)
    const data = { ...(recipe['data'] as object), videoFolder: folder }
    await assert.rejects(train({ ...recipe, data }), (error: Error) => {
      assert.match(error.message, /^data: rows\[1\]: .*mend it and go on \(--resume\)\.$/)
      assert.ok(error.message.includes(file), error.message)
      return true
    })
  }
})

test('packed rows give the losses and norms of unpacked ones', async () => {
  const folder = join(root, 'packed')
  const rows = [...colourRows(folder, 6), ...blindRows(colourRows(folder, 6))]
  const common = {
    steps: 3,
    normalisation: 'tokens',
    trainable: ['projector', 'decoder', 'vision'],
  }
  const rowsOf = (output: string, batching: object) =>
    runOf(tinyRecipe(folder, rows, { ...common, ...batching, output: join(folder, output) }))
  const packed = await rowsOf('packed', { batching: 'packed', batchSize: 4, maxLength: 700 })
  const alone = await rowsOf('alone', { batching: 'mixed', batchSize: 1, accumulation: 4 })
  packed.steps.forEach((step, i) => {
    const { loss, gradNorm, samples } = step
    const other = alone.steps[i] as StepEvent
    assert.deepEqual([samples, step.positions], [other.samples, other.positions])
    assert.ok(Math.abs(loss - other.loss) < 1e-4 * loss, `step ${i}: ${loss} ${other.loss}`)
    assert.ok(
      Math.abs(gradNorm - other.gradNorm) < 1e-3 * gradNorm,
      `${gradNorm} ${other.gradNorm}`,
    )
  })
})

test('held-out records are measured and answered as the recipe says', async () => {
  const folder = join(root, 'held')
  const rows = colourRows(folder, 8)
  const recipe = tinyRecipe(folder, rows, { steps: 4, lora: { rank: 2 } })
  const evaluation = { data: recipe['data'], everySteps: 2, records: 3 }
  const answers = { everySteps: 4, count: 2, maxTokens: 3 }
  const { events, outcome } = await runOf({ ...recipe, evaluation, answers })
  const seen = events.flatMap((event) => (event.kind === 'evaluation' ? [event.step] : []))
  assert.deepEqual(seen, [0, 2, 4])
  const said = events.find((event) => event.kind === 'answers')
  assert.equal(said?.step, 4)
  assert.deepEqual(
    said?.answers.map(({ question, expected }) => [question, expected]),
    [
      ['<image>\nWhich colour?', 'red'],
      ['<image>\nWhich colour?', 'green'],
    ],
  )
  // Browsers do not know the format of the records' pictures.
  const page = readFileSync(join(outcome.output, 'report.html'), 'utf8')
  assert.equal(page.match(/<img src="data:image\/jpeg;base64,/g)?.length, 2)
  const adapter = openLoraAdapter(outcome.model)
  adapter.source.close()
  await using model = await loadModel(outcome.model, { precision: 'f32' })
  const answered = said?.answers[0]
  const content = [
    { type: 'image' as const, image: answered?.pictures[0] ?? '' },
    { type: 'text' as const, text: 'Which colour?' },
  ]
  const answer = await model.generate({ messages: [{ role: 'user', content }], maxTokens: 3 })
  assert.equal(answer.text.trim(), answered?.answer)
})

test('the page shows every picture of held-out records, those inside Parquet files too', async () => {
  const folder = join(root, 'shown')
  const rows = colourRows(folder, 2)
  const several = {
    id: 'several',
    image: ['red.ppm', 'green.ppm', 'blue.ppm'],
    conversations: [
      { from: 'human', value: '<image>\n<image>\n<image>\nWhich colours?' },
      { from: 'gpt', value: 'red, green and blue' },
    ],
  }
  const table = parquetWriteBuffer({
    columnData: [
      { name: 'image', data: [new Uint8Array(readFileSync(join(folder, 'red.ppm')))] },
      { name: 'conversations', data: [rows[0]?.conversations], type: 'JSON' },
    ],
  })
  writeFileSync(join(folder, 'held.parquet'), Buffer.from(table))
  writeFileSync(join(folder, 'held.json'), JSON.stringify([several]))
  const spec = { datasets: ['held.parquet', 'held.json'].map((name) => ({ json_path: name })) }
  writeFileSync(join(folder, 'held.yaml'), JSON.stringify(spec))
  const { events, outcome } = await runOf({
    ...tinyRecipe(folder, rows, { steps: 1 }),
    evaluation: { data: { path: join(folder, 'held.yaml'), imageFolder: folder }, everySteps: 1 },
    answers: { everySteps: 1, count: 2, maxTokens: 1 },
  })
  const said = events.find((event) => event.kind === 'answers')
  assert.deepEqual(
    said?.answers.map(({ pictures }) => pictures),
    [[null], several.image.map((name) => join(folder, name))],
  )
  const page = readFileSync(join(outcome.output, 'report.html'), 'utf8')
  assert.equal(page.match(/<img src="data:image\/jpeg;base64,/g)?.length, 4)
})

test('a loss that is no number names its records', async () => {
  const folder = join(root, 'nan')
  const recipe = tinyRecipe(folder, colourRows(folder, 4), {
    steps: 30,
    learningRate: 1e30,
    clipNorm: 'none',
  })
  await assert.rejects(train(recipe), (error: Error & { code: string }) => {
    assert.equal(error.code, 'CONFIG_DIVERGED')
    assert.match(error.message, /^step \d+.*Records: data: rows\[\d\], data: rows\[\d\]\.$/s)
    return true
  })
})
